"""The table `referrers`: which kind of site a domain is. It holds the packaged list and the operator's own domains."""

from __future__ import annotations

from tallystick.model.referrers import ReferrerList
from tallystick.store.postgres.connection import Connection


async def fill(connection: Connection, referrers: ReferrerList) -> None:
    """Make the table hold the list. Within the transaction and under the lock of migrations."""
    if await connection.fetchval("SELECT version FROM referrers_version") == referrers.version:
        return
    columns = [list(column) for column in zip(*referrers.entries.values(), strict=True)]
    await connection.execute("DELETE FROM referrers")
    await connection.execute(
        "INSERT INTO referrers SELECT * FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS boolean[]))",
        *columns,
    )
    await connection.execute("DELETE FROM referrers_version")
    await connection.execute("INSERT INTO referrers_version VALUES ($1)", referrers.version)
