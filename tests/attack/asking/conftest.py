"""One server process for each store, shared by all attacks on queries and exports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.attack.asking.asked_server import Asked
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder


@pytest.fixture(scope="session")
def duckdb_asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    asked = Asked(tmp_path_factory.mktemp("duckdb"))
    yield asked
    asked.part.kill()


@pytest.fixture(scope="session")
def postgres_asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with scratch_folder("asked", in_memory=True) as folder:
        server = PostgresServer(folder, durable=False)
        with contextlib.ExitStack() as stack:
            server.start()
            stack.callback(server.stop)
            asked = Asked(tmp_path_factory.mktemp("postgres"), server)
            stack.callback(asked.part.kill)
            yield asked


@pytest.fixture(params=["duckdb", "postgres"])
def asked(request: pytest.FixtureRequest) -> Asked:
    """The server, at rest."""
    found: Asked = request.getfixturevalue(f"{request.param}_asked")
    return found
