"""Every store in turn, as the conformance suite has them: what other people's data show is right on all of them."""

from __future__ import annotations

from tests.conformance.conftest import (
    clickhouse_server,
    clickhouse_url,
    postgres_server,
    postgres_url,
    pytest_collection_modifyitems,
    settings,
    sharded_server,
    sharded_url,
    store,
    store_settings,
)

__all__ = [
    "clickhouse_server",
    "clickhouse_url",
    "postgres_server",
    "postgres_url",
    "pytest_collection_modifyitems",
    "settings",
    "sharded_server",
    "sharded_url",
    "store",
    "store_settings",
]
