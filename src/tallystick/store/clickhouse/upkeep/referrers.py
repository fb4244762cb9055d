"""The table `referrers`: which kind of site a domain is. It holds the packaged list and the operator's own domains."""

from __future__ import annotations

from tallystick.model.referrers import ReferrerList
from tallystick.store.clickhouse.server.connection import Connection
from tallystick.store.clickhouse.server.rows import json_rows


async def fill(connection: Connection, referrers: ReferrerList) -> None:
    """Make the table hold the list. Its version comes last, so that an unfinished list is filled again."""
    if await connection.value("SELECT version FROM referrers_version FINAL") == referrers.version:
        return
    rows: list[dict[str, object]] = [
        {"domain": domain, "kind": kind, "subdomains": subdomains}
        for domain, kind, subdomains in referrers.entries.values()
    ]
    await connection.everywhere("TRUNCATE TABLE {referrers}")
    await connection.insert("INSERT INTO referrers (domain, kind, subdomains) FORMAT JSONEachRow", json_rows(rows))
    version = json_rows([{"version": referrers.version}])
    await connection.insert("INSERT INTO referrers_version (version) FORMAT JSONEachRow", version)
