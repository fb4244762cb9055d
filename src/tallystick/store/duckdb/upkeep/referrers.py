"""The table `referrers`: which kind of site a domain is. It holds the packaged list and the operator's own domains."""

from __future__ import annotations

from tallystick.model.referrers import ReferrerList
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.duckdb.upkeep import sessions


def fill(db: Connection, referrers: ReferrerList) -> None:
    """Make the table hold the list. If it held another, the session index is built anew, since it has channels."""
    if db.execute("SELECT version FROM referrers_version").fetchall() == [(referrers.version,)]:
        return
    columns = [list(column) for column in zip(*referrers.entries.values(), strict=True)]
    with transaction(db):
        db.execute("DELETE FROM referrers")
        db.execute("INSERT INTO referrers SELECT unnest($1), unnest($2), unnest($3)", columns)
        db.execute("DELETE FROM referrers_version")
        db.execute("INSERT INTO referrers_version VALUES ($1)", [referrers.version])
        sessions.reset(db)
