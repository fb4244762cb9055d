"""The routes of a process without the query API, such as `tallystick ingest`: /healthz, /readyz, /metrics.

Every other path gets an error that says what this process is for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import TypeAlias

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.access.accounts import Accounts
from tallystick.api.access.gate import Access, Gate
from tallystick.api.queue_gauges import set_queue_gauges
from tallystick.api.request_scope import RequestScope
from tallystick.api.responses import from_tallystick_error, json_answer
from tallystick.config import Settings
from tallystick.errors import TallystickError, Unavailable
from tallystick.metrics import Metrics
from tallystick.queue.base import Queue

Trouble: TypeAlias = Callable[[], Awaitable[str | None]]
"""Returns None while the process can do its work, else one sentence that says why not."""


def make_status_app(
    settings: Settings,
    metrics: Metrics,
    queue: Queue,
    trouble: Trouble,
    otherwise: Callable[[], TallystickError],
    accounts: Accounts | None = None,
) -> ASGIApp:
    """The ASGI app.

    Args:
        trouble: why the process cannot do its work; for /readyz and the gauge of /metrics.
        otherwise: makes the error that every other path gets.
    """
    inner = _StatusApp(Gate(settings, metrics, accounts), metrics, queue, trouble, otherwise)
    return RequestScope(inner, metrics=metrics, settings=settings)


class _StatusApp:
    def __init__(
        self, gate: Gate, metrics: Metrics, queue: Queue, trouble: Trouble, otherwise: Callable[[], TallystickError]
    ) -> None:
        self._gate = gate
        self._metrics = metrics
        self._queue = queue
        self._trouble = trouble
        self._otherwise = otherwise
        self._routes = {
            "/healthz": (Access.OPEN, self._healthz),
            "/readyz": (Access.OPEN, self._readyz),
            "/metrics": (Access.METRICS, self._scrape),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        route = self._routes.get(path) if scope["method"] == "GET" else None
        if route is None:
            answer = from_tallystick_error(self._otherwise())
        else:
            scope["route"] = SimpleNamespace(path_format=path)  # the label under which the request is counted
            wanted, respond = route
            try:
                await self._gate.admit(wanted, scope)
                answer = await respond()
            except TallystickError as error:
                answer = from_tallystick_error(error)
        await answer(scope, receive, send)

    async def _healthz(self) -> Response:
        return json_answer({"status": "ok"})

    async def _readyz(self) -> Response:
        if reason := await self._trouble():
            return from_tallystick_error(Unavailable(reason))
        return json_answer({"status": "ready", "durability": self._queue.durability})

    async def _scrape(self) -> Response:
        own = self._metrics
        own.info.labels(version("tallystick"), self._queue.durability, own.process).set(1)
        own.ready.set(await self._trouble() is None)
        await set_queue_gauges(own, self._queue)
        return Response(own.render(), media_type=CONTENT_TYPE_LATEST)
