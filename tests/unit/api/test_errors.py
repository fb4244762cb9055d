"""What the read routes answer to what they cannot take: one form, a telling sentence, no cross-site writes, no leak."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from starlette.types import Message

from tallystick import logs
from tallystick.api.routes.docs import FILES
from tallystick.config import Settings
from tallystick.errors import QueryTimeout, QueryTooExpensive, QueueUnavailable, StoreUnavailable, TallystickError
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.samples import sample_block
from tests.servers.process import needs_built

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[ReadSide]:
    async with open_read_side(tmp_path) as opened:
        yield opened


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Where logs go during the test, as JSON lines."""
    out = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), out)
    yield out
    structlog.reset_defaults()


def error_of(answer: httpx.Response, status: int) -> Any:
    """The error of an answer, which has this status and the one form that errors have."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    assert answer.headers["x-request-id"]
    return body["error"]


# --- booleans -------------------------------------------------------------------------------------------------------


async def test_a_boolean_of_a_query_that_is_none_is_refused(side: ReadSide) -> None:
    """Every one that the API's document names: a value that means nothing must not mean the default."""
    paths = side.app.openapi()["paths"]
    asked = [
        (method, path, parameter["name"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and parameter["schema"].get("type") == "boolean"
    ]
    assert len(asked) >= 6
    for method, path, name in asked:
        for value in ("perhaps", ""):
            url = path.format(import_id="i1", user_id="u", report_id="r")
            answer = await side.client.request(method, url, params={name: value})
            error = error_of(answer, 400)
            assert error["code"] == "invalid_request", (path, name)
            assert error["message"].startswith(f"{name}: "), (path, name)


# --- sentences ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "the body: the field 'kind' is required"),
        ({"kind": "metrics", "limt": 3}, "limt: there is no such field"),
        ({"kind": "values"}, "field: this field is required"),
        ({"kind": "metrics", "metrics": [{}, {"kind": "sum"}]}, "metrics.1: metric sum needs a property"),
        (
            {"kind": "metrics", "timezone": "Mars/Base"},
            "timezone: unknown time zone 'Mars/Base': use an IANA name such as Europe/Berlin",
        ),
        (
            {"kind": "events", "filter": {"all": [{"any": [{"field": "name", "op": "~"}]}]}},
            "filter.all.0.any.0.op: Input should be '=', '!=', 'in', 'contains', 'has', '>', '<', 'set' or 'not_set'",
        ),
    ],
)
async def test_post_query_names_the_field(side: ReadSide, body: object, sentence: str) -> None:
    error = error_of(await side.client.post("/v1/query", json=body), 400)
    assert error == {"code": "invalid_request", "message": sentence}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limt=3", "limt: there is no such parameter; did you mean limit?"),
        ("interval=fortnight", "interval: Input should be 'minute', 'hour', 'day', 'week' or 'month'"),
        ("filter=name", "filter: 'name' does not have the form field:op:value, such as name:=:page_view"),
        ("filter=name:=", "filter: 'name:=' lacks a value after ="),
        ("metric=sum", "metrics.0: metric sum needs a property"),
        ("since=soon", "since: 'soon' is not an ISO 8601 instant, a date, or a time span such as 24h or 7d"),
        (
            "since=2026-02-30",
            "since: '2026-02-30' is not an ISO 8601 instant, a date, or a time span such as 24h or 7d",
        ),
    ],
)
async def test_get_query_names_the_parameter(side: ReadSide, query: str, sentence: str) -> None:
    error = error_of(await side.client.get(f"/v1/query?{query}"), 400)
    assert error == {"code": "invalid_request", "message": sentence}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b'{"kind":"metrics","filter":NaN}',
        b'{"kind":"metrics","filter":{"field":"name\\ud800","op":"=","value":1}}',
        b'{"kind":"metrics","since":"0001-01-01T00:00:00+14:00"}',
        b'{"kind":"metrics","until":"9999-12-31T23:59:59-14:00"}',
        b'{"kind":"metrics","limit":' + b"9" * 5_000 + b"}",
        b'{"kind":"events","cursor":"nonsense"}',
        b'{"kind":"metrics","timezone":"../../etc/passwd"}',
        b'{"kind":"metrics","filter":' + b'{"all":[' * 300 + b"]}" * 300 + b"}",
    ],
)
async def test_odd_bodies_are_the_callers_fault(side: ReadSide, body: bytes) -> None:
    answer = await side.client.post("/v1/query", content=body, headers=JSON)
    assert error_of(answer, 400)["code"] == "invalid_request"


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"metrics","since":"0001-01-01T00:00:00Z","until":"9999-12-31T23:59:59.999999Z"}',
        b'{"kind":"metrics","breakdown":["properties.a\\u0000b"]}',
        b'{"kind":"metrics","filter":{"field":"properties.$[*].\\"x\'","op":"=","value":"\'; DROP TABLE events; --"}}',
        b'{"kind":"values","field":"name","search":"%_\\\\"}',
        b'{"kind":"metrics","filter":{"any":[]}}',
    ],
)
async def test_odd_questions_have_answers(side: ReadSide, body: bytes) -> None:
    """G12: no SQL from a request's text."""
    await side.store_blocks([sample_block(0, range(3))])
    answer = await side.client.post("/v1/query", content=body, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert (await side.get("/v1/query"))["rows"] == [{"events": 3}]


async def test_instants_at_the_end_of_time_are_no_server_error(side: ReadSide) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        for day in ("0001-01-01", "9999-12-31"):
            answer = await side.client.get("/v1/query", params={"since": day, "timezone": zone, "interval": "day"})
            assert answer.status_code in (200, 400), answer.text


# --- the form of errors ---------------------------------------------------------------------------------------------


async def test_unknown_route(side: ReadSide) -> None:
    error = error_of(await side.client.get("/v2/query"), 404)
    assert error == {"code": "not_found", "message": "there is no route GET /v2/query; /docs lists them all"}


async def test_wrong_method_says_which_are_right(side: ReadSide) -> None:
    answer = await side.client.delete("/v1/query")
    assert error_of(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_options_lists_the_methods_and_opens_nothing(side: ReadSide) -> None:
    """G12: no foreign page may read."""
    answer = await side.client.options("/v1/dead/drop", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    read = await side.client.get("/v1/query", headers={"Origin": "https://evil.example"})
    assert not [name for name in read.headers if name.startswith("access-control")]


async def test_head_is_get_without_the_body(side: ReadSide) -> None:
    got, head = await side.client.get("/healthz"), await side.client.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize("path", ["/v1/dead/drop", "/v1/dead/replay", "/v1/query"])
async def test_bodies_that_a_foreign_page_can_send_are_refused(side: ReadSide, path: str, kind: str) -> None:
    """G12: a cross-site form cannot drop or replay."""
    answer = await side.client.post(path, content=b'{"ids":[1]}', headers={"Content-Type": kind} if kind else {})
    assert error_of(answer, 415)["code"] == "unsupported_media_type"


async def test_too_large_body(tmp_path: Path) -> None:
    async with open_read_side(tmp_path, max_body_bytes=2_000) as side:
        body = b'{"kind":"metrics"' + b" " * 2_000 + b"}"
        assert error_of(await side.client.post("/v1/query", content=body, headers=JSON), 413)["code"] == "too_large"


async def test_body_that_never_ends(tmp_path: Path) -> None:
    async with open_read_side(tmp_path, body_timeout=0.05) as side:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/query",
            "raw_path": b"/v1/query",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "http_version": "1.1",
            "scheme": "http",
        }
        sent: list[Message] = []

        async def receive() -> Message:
            await asyncio.sleep(0.03)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: Message) -> None:
            sent.append(message)

        await asyncio.wait_for(side.app(scope, receive, send), 60)
        assert sent[0]["status"] == 408


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (QueryTimeout(), 504, None),
        (QueryTooExpensive(), 422, None),
        (StoreUnavailable(), 503, "5"),
        (QueueUnavailable(), 503, "1"),
        (TallystickError("odd"), 500, None),
    ],
)
async def test_tallystick_errors_have_their_status(
    side: ReadSide, monkeypatch: pytest.MonkeyPatch, error: TallystickError, status: int, retry: str | None
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(side.store, "run", fail)
    answer = await side.client.get("/v1/query")
    assert error_of(answer, status) == {"code": error.code, "message": error.message}
    assert answer.headers.get("retry-after") == retry
    text = (await side.client.get("/metrics")).text
    assert f'tallystick_query_failures_total{{code="{error.code}",kind="metrics"}} 1.0' in text


async def test_queue_out_of_reach(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness says so, metrics show it, and queries are answered without the unknown lag."""

    async def fail() -> None:
        raise QueueUnavailable

    monkeypatch.setattr(side.queue, "depth", fail)
    assert error_of(await side.client.get("/readyz"), 503)["code"] == "unavailable"
    assert (await side.get("/v1/query"))["freshness"] == {"loaded_at": None}
    text = (await side.client.get("/metrics")).text
    assert 'tallystick_up{part="queue"} 0.0' in text
    assert "tallystick_queue_events NaN" in text


async def test_store_out_of_reach(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """G6: with its store down Tallystick still takes events, so it is ready; the scrape shows it."""

    async def fail() -> None:
        raise StoreUnavailable

    monkeypatch.setattr(side.store, "ledger", fail)
    assert (await side.client.get("/readyz")).status_code == 200
    assert error_of(await side.client.get("/v1/pipeline"), 503)["code"] == "store_unavailable"
    text = (await side.client.get("/metrics")).text
    assert 'tallystick_up{part="store"} 0.0' in text
    assert 'tallystick_ledger_events{column="stored"} NaN' in text


async def test_export_that_fails_before_its_first_chunk_is_an_error_answer(
    side: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> AsyncIterator[bytes]:
        raise StoreUnavailable
        yield b""

    monkeypatch.setattr(side.store, "export", fail)
    for kind in ("ndjson", "csv", "parquet"):
        answer = await side.client.get("/v1/export", params={"format": kind})
        assert error_of(answer, 503)["code"] == "store_unavailable"
    assert not list(side.settings.data.glob("export-*"))


# --- request ids and logs -------------------------------------------------------------------------------------------


async def test_request_id_is_echoed_or_made(side: ReadSide) -> None:
    given = await side.client.get("/healthz", headers={"X-Request-ID": "abc-123"})
    assert given.headers["x-request-id"] == "abc-123"
    for odd in ("", "a b", "x" * 129, "a\tb"):
        made = (await side.client.get("/healthz", headers={"X-Request-ID": odd})).headers["x-request-id"]
        assert len(made) == 36


async def test_unexpected_exception_is_logged_and_not_shown(
    side: ReadSide, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("a secret in a message")

    monkeypatch.setattr(side.store, "run", fail)
    answer = await side.client.get("/v1/query", params={"site_id": "s3cret-param"}, headers={"X-Request-ID": "find-me"})
    assert error_of(answer, 500) == {"code": "internal", "message": "something went wrong; the log has it as find-me"}
    [line] = [json.loads(text) for text in log_lines.getvalue().splitlines() if "request failed" in text]
    assert line["request_id"] == "find-me"
    assert line["path"] == "/v1/query"
    assert "KeyError" in line["exception"]
    assert "s3cret-param" not in log_lines.getvalue()


def test_secrets_are_taken_out_of_logs(log_lines: io.StringIO) -> None:
    """G12: keys are never in a log."""
    log = logs.logger("test")
    log.warning("odd", authorization="Bearer 1", body=b"2", api_key="3", headers={"x": "4"}, harmless="5")
    logging.getLogger("foreign").warning("hello", extra={"write_token": "6"})
    first, second = (json.loads(text) for text in log_lines.getvalue().splitlines())
    assert {first[name] for name in ("authorization", "body", "api_key", "headers")} == {logs.REDACTED}
    assert first["harmless"] == "5"
    assert (second["event"], second["write_token"]) == ("hello", logs.REDACTED)


def test_tracebacks_have_no_local_variables() -> None:
    """G12: a key in a local variable must not reach the log, on a terminal neither."""
    out = io.StringIO()
    logs.configure(Settings(log_format="console"), out)
    try:
        secret_key = "s3" + "cret"
        raise ValueError(len(secret_key))
    except ValueError:
        logs.logger("test").exception("it failed")
    finally:
        structlog.reset_defaults()
    assert "ValueError" in out.getvalue()
    assert "s3cret" not in out.getvalue()


def test_request_context_binds_and_lets_go(log_lines: io.StringIO) -> None:
    log = logs.logger("test")
    with logs.request_context("r-1"):
        log.info("inside")
    log.info("outside")
    inside, outside = (json.loads(text) for text in log_lines.getvalue().splitlines())
    assert inside["request_id"] == "r-1"
    assert "request_id" not in outside


# --- the documentation that it serves -------------------------------------------------------------------------------


async def test_docs_load_nothing_from_elsewhere(side: ReadSide) -> None:
    needs_built(FILES / "swagger-ui-bundle.js", "dashboard")
    page = await side.client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!-- ", "").replace("// ", ""), "no address of another host"
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert f"docs/assets/{name}" in page.text
        assert (await side.client.get(f"/docs/assets/{name}")).status_code == 200
    for name in ("index.html", "..%2F__init__.py", "swagger-ui.js.map"):
        assert (await side.client.get(f"/docs/assets/{name}")).status_code == 404
