"""Schemathesis over the OpenAPI document of the whole app, with parts that really run: nothing is a server error.

Every operation, of the native API and of every dialect, gets requests that fit its description and requests that do
not. Every answer has a status below 500 and a request id. Answers of Tallystick's own routes also have the described
shape, and errors have the one form of an error.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tallystick.app import open_tallystick
from tallystick.config import Settings
from tallystick.model.query import Result
from tallystick.model.status import ErrorAnswer
from tests.helpers.http.document import document, labels
from tests.helpers.thorough import THOROUGH

if TYPE_CHECKING:  # every process that collects tests would import it otherwise, which takes a second
    import schemathesis

T = TypeVar("T")
Operation: TypeAlias = "schemathesis.APIOperation[Any, Any, Any, Any]"
Case: TypeAlias = "schemathesis.Case[Any]"

FITTING, UNFITTING = (40, 30) if THOROUGH else (6, 3)
"""Requests per operation that fit its description, and that do not; `make faults` sends all."""
MOST = 5_000
"""How many `make faults` sends at least, all operations together."""

OWN = ("/v1/query", "/v1/events", "/v1/users/{user_id}/events", "/v1/properties", "/v1/values")
"""Tallystick's routes whose answer to a query is a `Result`."""

FORBIDDEN = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}
"""Headers that are the transport's business."""


KNOWN = {
    "timezone": {"type": "string", "enum": ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]},
    "field": {"type": "string", "enum": ["name", "user_id", "event_id", "properties.amount", "properties.a b"]},
    "breakdown": {"type": "array", "items": {"type": "string", "enum": ["name", "properties.plan"]}, "maxItems": 3},
}
"""Values for what the document describes as any text: random ones would all be refused before the store is asked."""


def _with_known_values(node: Any) -> Any:
    """The document's part, with KNOWN in place of the schemas of those names, and without cursors."""
    if isinstance(node, list):
        kept = (part for part in node if not (isinstance(part, dict) and part.get("name") == "cursor"))
        return [_with_known_values(part) for part in kept]
    if not isinstance(node, dict):
        return node
    changed = {key: _with_known_values(value) for key, value in node.items()}
    if isinstance(changed.get("properties"), dict):
        changed["properties"].pop("cursor", None)
        changed["properties"] |= {name: KNOWN[name] for name in changed["properties"] if name in KNOWN}
    if changed.get("in") == "query" and changed.get("name") in KNOWN:
        changed["schema"] = KNOWN[changed["name"]]
    return changed


DESCRIBED = [label for label in labels() if label != "GET /v1/live"]  # has no end; tests/unit/api/test_live_server.py
"""The operations by their labels."""
TAKES_NOTHING = {
    "DELETE /v1/session",
    "GET /",
    "GET /analytics/stats",
    "GET /api/analytics/stats",
    "GET /health",
    "GET /healthz",
    "GET /healthz/detailed",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/analytics/event-types",
    "GET /v1/backup",
    "GET /v1/doctor",
    "GET /v1/enrichment",
    "GET /v1/imports",
    "GET /v1/install",
    "GET /v1/pipeline",
    "GET /v1/session",
    "GET /v1/sql/schema",
    "GET /v1/verify",
}
"""Those without a parameter, a body or a key that has to be there, that is with nothing that can be wrong."""
TAKING = [label for label in DESCRIBED if label not in TAKES_NOTHING]


@cache
def operations() -> Mapping[str, Operation]:
    """What schemathesis makes of each operation, by its label."""
    import schemathesis
    from schemathesis.core.result import Ok

    found = {}
    for result in schemathesis.openapi.from_dict(_with_known_values(document())).get_all_operations():
        assert isinstance(result, Ok), result
        found[result.ok().label] = result.ok()
    return found


statuses: Counter[int] = Counter()
"""Of all answers so far."""


class RunningApp:
    """A whole Tallystick on an event loop of its own thread, called without a network."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine on the app's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def open(self, chosen: Settings) -> None:
        self._opened = open_tallystick(chosen)
        tallystick = await self._opened.__aenter__()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(tallystick.asgi), base_url="http://localhost:8000"
        )

    async def close(self) -> None:
        await self._client.aclose()
        await self._opened.__aexit__(None, None, None)

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, case: Case) -> httpx.Response:
        """The app's answer to a generated request."""
        import requests

        made = requests.Request(**case.as_transport_kwargs(base_url="http://localhost:8000")).prepare()
        headers = [
            (name.encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, value in made.headers.items()
            if name.lower() not in FORBIDDEN
        ]
        body: Any = made.body or b""
        request = self._client.build_request(str(made.method), str(made.url), headers=headers, content=body)
        return self.call(self._client.send(request))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    running = RunningApp()
    try:
        running.call(running.open(Settings(data=tmp_path_factory.mktemp("data"))))
        yield running
        running.call(running.close())
    finally:
        running.stop()


def check(operation: Operation, answer: httpx.Response) -> None:
    """What holds for every answer; see the module's docstring."""
    statuses[answer.status_code] += 1
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
    as_json = answer.headers.get("content-type") == "application/json"  # the format may be another
    if operation.path in OWN and operation.method == "get" and as_json:
        if answer.status_code == 200:
            Result.model_validate_json(answer.content)
        else:
            ErrorAnswer.model_validate_json(answer.content)


def send_many(app: RunningApp, label: str, examples: int, *, fitting: bool) -> None:
    """Make requests that fit the operation's description, or do not, and check what comes back."""
    from schemathesis import GenerationMode

    operation = operations()[label]
    mode = GenerationMode.POSITIVE if fitting else GenerationMode.NEGATIVE

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        check(operation, app.send(case))

    send()


@pytest.mark.parametrize("label", DESCRIBED)
def test_requests_that_fit(app: RunningApp, label: str) -> None:
    send_many(app, label, FITTING, fitting=True)


@pytest.mark.parametrize("label", TAKING)
def test_requests_that_do_not_fit(app: RunningApp, label: str) -> None:
    send_many(app, label, UNFITTING, fitting=False)


def test_the_document_describes_reading_and_writing() -> None:
    """The operations above are the whole API, not a part that happened to be described."""
    assert set(DESCRIBED) == operations().keys() - {"GET /v1/live"}
    assert set(DESCRIBED) == {
        f"{method.upper()} {path}" for path, item in document()["paths"].items() for method in item
    } - {"GET /v1/live"}
    assert set(TAKING) == {
        label
        for label, operation in operations().items()
        if label in DESCRIBED and (operation.body or any(True for _ in operation.iter_parameters()))
    }
    assert {"POST /v1/events", "GET /v1/events", "POST /v1/query", "GET /v1/export", "GET /readyz"} <= set(DESCRIBED)
    assert len(DESCRIBED) > 30


@pytest.mark.skipif(not THOROUGH, reason="`make faults` sends so many")
def test_thousands_of_requests_and_no_error_of_the_server(app: RunningApp) -> None:
    """It is the last one and counts. In a run of several processes, or of a part, it sends what is missing itself."""
    for label in DESCRIBED:
        if statuses.total() >= MOST:
            break
        send_many(app, label, FITTING, fitting=True)
        if label in TAKING:
            send_many(app, label, UNFITTING, fitting=False)
    print(f"{statuses.total()} requests: {dict(statuses)}")
    assert statuses.total() >= MOST
    assert not [status for status in statuses if status >= 500]
