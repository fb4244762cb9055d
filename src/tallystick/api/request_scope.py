"""Around every request of the read side: its id, its log context, its metrics, its body's limits, its HEAD.

Plain ASGI: nothing is buffered, a streamed export stays a stream.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick import logs
from tallystick.api.disconnects import BrokenOff, ClientLeft
from tallystick.api.responses import error_answer
from tallystick.config import Settings
from tallystick.errors import RequestTimeout, TooLarge
from tallystick.metrics import Metrics

NO_ROUTE = "none"
"""The route label of requests that no route takes: unknown paths must not become labels."""

PATH_SHOWN = 500
"""Characters of a path that go into the log."""

_SANE_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

log = logs.logger(__name__)


def request_id_of(scope: Scope) -> str:
    """The client's X-Request-ID when it is 1–128 visible ASCII characters, else a new UUID4."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


class RequestScope:
    """ASGI middleware; the request's id is `scope["state"]["request_id"]`, also for the code inside."""

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings) -> None:
        self._app = app
        self._metrics = metrics
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._settings)
        started = time.perf_counter()
        with logs.request_context(exchange.request_id):
            try:
                await self._app(exchange.scope, exchange.receive, exchange.send)
            except ClientLeft:
                log.debug("the client went away", path=scope["path"])
            except BrokenOff as error:  # the connection is closed before the answer's end
                log.warning("an answer was broken off", path=scope["path"], reason=str(error))
            except Exception:
                log.exception("request failed", method=scope["method"], path=scope["path"][:PATH_SHOWN])
                if exchange.status:  # half an answer is out: only a broken connection tells the client
                    raise
                failed = error_answer(500, "internal", f"something went wrong; the log has it as {exchange.request_id}")
                await failed(exchange.scope, receive, exchange.send)
            finally:
                route = getattr(exchange.scope.get("route"), "path_format", NO_ROUTE)
                self._metrics.http_requests.labels(route, str(exchange.status or "none")).inc()
                self._metrics.http_seconds.labels(route).observe(time.perf_counter() - started)


class _Exchange:
    """One request's two channels, as the code inside sees them."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings) -> None:
        self.request_id = request_id_of(scope)
        self.status = 0
        self._head = scope["method"] == "HEAD"
        self.scope = {**scope, "state": {**scope.get("state", {}), "request_id": self.request_id, "head": self._head}}
        if self._head:
            self.scope["method"] = "GET"  # same headers, no body
        self._receive = receive
        self._send = send
        self._deadline: float | None = asyncio.get_running_loop().time() + settings.body_timeout
        self._room = settings.max_body_bytes

    async def receive(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestTimeout from error
        self._room -= len(message.get("body", b""))
        if self._room < 0:
            raise TooLarge("the body is larger than TALLYSTICK_MAX_BODY_BYTES")
        if not message.get("more_body", False):
            self._deadline = None  # the body is here; what follows is waiting for a disconnect
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        elif self._head:
            message = {**message, "body": b""}
        await self._send(message)
