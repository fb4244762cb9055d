"""How many bytes a store takes on its disk."""

from __future__ import annotations

from tallystick.config import Settings, split_url
from tallystick.store import is_embedded

OWN_PARTS = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"


async def store_bytes(settings: Settings) -> int | None:
    """Bytes of a closed embedded store's folder, or of ClickHouse's tables on one node; None: not known."""
    if is_embedded(settings):
        return sum(path.stat().st_size for path in settings.data_folder.rglob("*") if path.is_file())
    if not split_url(settings.store_url).scheme.startswith("clickhouse"):
        return None
    from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
    from tallystick.store.clickhouse.server.session import READ_SESSION

    connection = Connection(settings, READ_SESSION, UNHURRIED, size=1)
    await connection.open()
    try:
        return int(await connection.value(OWN_PARTS))
    finally:
        await connection.close()
