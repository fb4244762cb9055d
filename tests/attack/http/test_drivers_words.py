"""What a failing store or queue says goes to the log: clients get a sentence, on every route (G12)."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import tallystick
from tallystick import errors, logs
from tallystick.config import Settings
from tallystick.errors import DataRejected, StoreUnavailable, Unavailable
from tests.helpers.http.keyed import DECIDED, EVERY, KEYS, WRITE, Side, opened
from tests.helpers.thorough import some

ROOT = Path(tallystick.__file__).parent
CLIENTS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, Unavailable | errors.QueryTooExpensive | errors.QueryTimeout)
}
"""Errors that clients see and that a driver's error may cause."""
WORDS = re.compile(r"Catalog|Binder|IO Error|SELECT|apsw|duckdb|asyncpg|has been closed|/tmp/", re.IGNORECASE)


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    logs.configure(Settings(log_format="json"), out)
    yield out
    structlog.reset_defaults()


COMMANDS = ("queue/sqlite/recover.py", "store/duckdb/repair/recover.py")
"""What only commands run, whose operator needs the driver's words."""


def test_no_error_for_clients_repeats_another() -> None:
    """G12: found in the code, so that a new driver is held to it as well."""
    repeated = []
    parts = ("queue", "store", "ingest", "api", "analysis", "usersql", "dialects")
    for file in sorted(path for part in parts for path in (ROOT / part).rglob("*.py")):
        if str(file.relative_to(ROOT)) in COMMANDS:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLIENTS:
                names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
                whole = {ast.unparse(inner) for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
                if "error" in names and not whole & {"error.message", "error.public"}:
                    repeated.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert repeated == []


def test_the_log_gets_what_the_client_does_not() -> None:
    """G12: through any number of Tallystick's own errors; a sentence that has the words already says them once."""
    driver = OSError("No such file: /secret/store")
    inner = StoreUnavailable("the store failed")
    inner.__cause__ = driver
    outer = Unavailable("it cannot be asked")
    outer.__cause__ = inner
    assert (outer.message, outer.public) == ("it cannot be asked", "it cannot be asked")
    assert outer.whole == "it cannot be asked: the store failed: No such file: /secret/store"
    assert StoreUnavailable("x").whole == "x"
    inner.__cause__ = OSError()
    assert inner.whole == "the store failed: OSError"
    assert DataRejected('value "x" of relation events').public.startswith("the store cannot take a text")


async def refused_everywhere(side: Side, routes: list[tuple[str, str]], statuses: set[int]) -> int:
    """Asks each route; how many of them were refused with one of these statuses."""
    refused = 0
    for method, path in routes:
        answer = await side.ask(method, path, EVERY)
        if answer.status_code >= 500:
            assert answer.status_code in statuses, (method, path, answer.text)
            assert not WORDS.search(answer.text), (method, path, answer.text)
            refused += 1
    return refused


async def test_a_broken_store_tells_its_own_words_to_the_log(tmp_path: Path, log_lines: io.StringIO) -> None:
    """G12: DuckDB without its tables: every route that asks it, those of dialects and /readyz too."""
    async with opened(tmp_path, **KEYS) as side:
        writer = side.tallystick.store._writer  # type: ignore[attr-defined]
        tables = [row[0] for row in writer.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        for table in tables:
            writer.execute(f'DROP TABLE "{table}" CASCADE')
        routes = [route for route in DECIDED if route[1] not in ("/v1/live", "/v1/shared")]
        assert await refused_everywhere(side, some(routes), {500, 503}) > 5
    assert "Catalog Error" in log_lines.getvalue()


async def test_a_broken_queue_does_as_well(tmp_path: Path, log_lines: io.StringIO) -> None:
    """G12: SQLite whose connection is gone: what sends events, /readyz, the books."""
    async with opened(tmp_path, **KEYS) as side:
        queue = side.tallystick.queue
        queue._writer.close()  # type: ignore[attr-defined]
        queue._reader.close()  # type: ignore[attr-defined]
        sent = await side.client.post("/v1/events", json={"name": "a"}, headers={"X-API-Key": WRITE})
        assert sent.status_code == 503
        assert not WORDS.search(sent.text), sent.text
        page = {"site_id": "s", "event_type": "e", "path": "/", "timestamp": "2026-01-01"}
        hit = await side.client.post("/event", json=page, headers={"X-API-Key": WRITE})
        assert hit.status_code == 503
        assert not WORDS.search(hit.text), hit.text
        routes = [("GET", "/readyz"), ("GET", "/v1/pipeline"), ("GET", "/v1/verify"), ("GET", "/healthz/detailed")]
        assert await refused_everywhere(side, routes, {503}) == len(routes)
        side.tallystick.queue.__dict__.update(_connect(tmp_path))
    assert "closed" in log_lines.getvalue().lower()


def _connect(folder: Path) -> dict[str, object]:
    """Connections by which the queue can be closed in order."""
    from tallystick.queue.sqlite.opening import connect

    return {"_writer": connect(folder / "queue.sqlite"), "_reader": connect(folder / "queue.sqlite")}
