"""The store on a ClickHouse server."""

from tallystick.store.clickhouse.store import ClickHouseStore

__all__ = ["ClickHouseStore"]
