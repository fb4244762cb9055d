"""Stores: the contract is in `base`, each backend in a package of its own. Only this module knows all backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tallystick.config import Settings, check_files
from tallystick.errors import ConfigError
from tallystick.extras import needed_for
from tallystick.store.base import DeadLetter, PurgeReport, Store, StoredDeadLetter, WriteReport

if TYPE_CHECKING:
    from tallystick.store.duckdb.repair.recover import Recovered

__all__ = [
    "DeadLetter",
    "PurgeReport",
    "Store",
    "StoredDeadLetter",
    "WriteReport",
    "file_schema",
    "is_embedded",
    "make_store",
    "recover_store",
    "write_parquet",
]

EMBEDDED = ("duckdb",)
"""URL schemes of the stores that belong to one process."""
SCHEMES = ("duckdb", "postgresql", "postgres", "clickhouse", "clickhouses")
"""All schemes that TALLYSTICK_STORE_URL takes."""


def write_parquet(
    lines: Path, target: Path, columns: Sequence[tuple[str, str]] = (), facts: Mapping[str, str] | None = None
) -> None:
    """Convert a file of canonical lines, or of rows, to Parquet; see `tallystick.store.duckdb.parquet`."""
    from tallystick.store.duckdb.parquet import write_parquet as write

    write(lines, target, columns, facts)


def recover_store(
    settings: Settings, tell: Callable[[str, int, int], None], *, dry_run: bool = False, accept_empty: bool = False
) -> Recovered:
    """Repair a damaged embedded store; see `tallystick.store.duckdb.repair.recover`."""
    from tallystick.store.duckdb.repair.recover import recover

    return recover(settings, tell, dry_run=dry_run, accept_empty=accept_empty)


def file_schema() -> int:
    """The version of the embedded store's schema that this Tallystick knows."""
    from tallystick.store.migrations import migrations

    return len(migrations("duckdb"))


def is_embedded(settings: Settings) -> bool:
    """Whether the store belongs to one process, so that others cannot open it."""
    return urlsplit(settings.resolved_store_url).scheme in EMBEDDED


def make_store(settings: Settings) -> Store:
    """The store that `settings.store_url` names, not opened yet.

    Raises:
        ConfigError: the scheme is unknown, or needs packages that are not installed; a file it names cannot be read.
    """
    scheme = urlsplit(settings.resolved_store_url).scheme
    check_files("TALLYSTICK_STORE_URL", settings.store_url)
    if scheme == "duckdb":
        from tallystick.store.duckdb import DuckDBStore

        return DuckDBStore(settings)
    if scheme in ("postgresql", "postgres"):
        with needed_for(f"TALLYSTICK_STORE_URL: {scheme}://"):
            from tallystick.store.postgres import PostgresStore

        return PostgresStore(settings)
    if scheme in ("clickhouse", "clickhouses"):
        with needed_for(f"TALLYSTICK_STORE_URL: {scheme}://"):
            from tallystick.store.clickhouse import ClickHouseStore

        return ClickHouseStore(settings)
    raise ConfigError(f"TALLYSTICK_STORE_URL: {scheme!r} is no scheme of a store; there are {', '.join(SCHEMES)}")
