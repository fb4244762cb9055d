"""A whole Tallystick for the dialects' tests: real SQLite queue, real DuckDB store, in a fresh folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tallystick.app import Tallystick, open_tallystick
from tallystick.config import MIB, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Batches are stored at once; the machine's free disk is not under test."""
    return Settings(data=tmp_path, disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB)


@pytest.fixture
async def tallystick(settings: Settings) -> AsyncIterator[Tallystick]:
    """Opened and empty."""
    async with open_tallystick(settings) as opened:
        yield opened


@pytest.fixture
async def client(tallystick: Tallystick) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of `tallystick`."""
    transport = httpx.ASGITransport(tallystick.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of one Tallystick for all tests of a module that store nothing; they share its event loop."""
    settings = Settings(data=tmp_path_factory.mktemp("empty"), disk_reserve_bytes=0, batch_max_age=0.0)
    async with open_tallystick(settings) as opened:
        transport = httpx.ASGITransport(opened.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            yield client
            await opened.drained()
            assert (await client.get("/v1/events", params={"site_id": "*"})).json()["rows"] == []


@pytest.fixture
async def full(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a Tallystick that takes nothing, because all of the disk is its reserve."""
    reserve = {"disk_reserve_bytes": 2**62, "disk_reserve_fraction": 0.9999}
    async with open_tallystick(settings.model_copy(update=reserve)) as opened:
        transport = httpx.ASGITransport(opened.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            yield client
