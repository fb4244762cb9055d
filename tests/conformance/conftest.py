"""The backends that the conformance suites run on: add a new one to a list below and it has to pass everything.

`queue` and `store` are opened and empty. `queue_settings` and `store_settings` are what they were made from, for tests
that open a second one on the same data. Tests of an ability that only some backends have take `durable_queue_settings`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runnel.config import Settings
from runnel.queue import Queue, make_queue
from runnel.store import Store, make_store

QUEUES = {"memory": "memory://", "sqlite": ""}
"""Queue URL by test id; empty is the default, a file in the data folder."""

DURABLE_QUEUES = {"sqlite": ""}
"""The queues that keep their blocks when the process is gone."""

STORES = {"duckdb": ""}
"""Store URL by test id; empty is the default, a file in the data folder."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings in a fresh data folder: batches at once, no disk reserve (the machine's disk is not under test)."""
    return Settings(
        data=tmp_path,
        allow_weak_durability=True,
        disk_reserve_bytes=0,
        batch_max_age=0.0,
        retry_max_delay=0.05,
        store_memory=128 * 1024 * 1024,
    )


@pytest.fixture(params=list(QUEUES.values()), ids=list(QUEUES))
def queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue in turn."""
    return settings.model_copy(update={"queue_url": request.param})


@pytest.fixture(params=list(DURABLE_QUEUES.values()), ids=list(DURABLE_QUEUES))
def durable_queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue that survives its process, in turn."""
    return settings.model_copy(update={"queue_url": request.param})


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each store in turn."""
    return settings.model_copy(update={"store_url": request.param})


@pytest.fixture
async def queue(queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue in turn, opened and empty; closed after the test."""
    queue = make_queue(queue_settings)
    await queue.open()
    yield queue
    await queue.close()


@pytest.fixture
async def store(store_settings: Settings) -> AsyncIterator[Store]:
    """Each store in turn, opened, migrated and empty; closed after the test."""
    store = make_store(store_settings)
    await store.open()
    await store.migrate()
    yield store
    await store.close()
