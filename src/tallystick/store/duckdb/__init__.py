"""The embedded store: one DuckDB file, which belongs to one process at a time."""

from tallystick.store.duckdb.store import DuckDBStore

__all__ = ["DuckDBStore"]
