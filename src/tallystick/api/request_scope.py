"""Middleware of every read request: request id, log context, metrics, limits of the body, HEAD.

It is plain ASGI and buffers nothing, so a streamed export stays a stream.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick import logs
from tallystick.api.responses import error_answer
from tallystick.api.streaming.disconnects import BrokenOff, ClientLeft
from tallystick.config import Settings
from tallystick.errors import RequestTimeout, TooLarge
from tallystick.metrics import Metrics

NO_ROUTE = "none"
"""The route label of requests to unknown paths. The paths themselves must not become labels: there is no limit."""

PATH_SHOWN = 500
"""Characters of a path that go into the log."""

_SANE_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

log = logs.logger(__name__)


def request_id_of(scope: Scope) -> str:
    """The client's X-Request-ID when it is 1–128 visible ASCII characters, else a new UUID4."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


class RequestScope:
    """ASGI middleware. It stores the request's id in `scope["state"]["request_id"]`."""

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
            except BrokenOff as error:  # the connection closes before the answer is complete
                log.warning("an answer was broken off", path=scope["path"], reason=str(error))
            except Exception:
                log.exception("request failed", method=scope["method"], path=scope["path"][:PATH_SHOWN])
                if exchange.status:  # the answer has begun: only a broken connection can tell the client
                    raise
                failed = error_answer(500, "internal", f"something went wrong; the log has it as {exchange.request_id}")
                await failed(exchange.scope, receive, exchange.send)
            finally:
                route = getattr(exchange.scope.get("route"), "path_format", NO_ROUTE)
                self._metrics.http_requests.labels(route, str(exchange.status or "none")).inc()
                self._metrics.http_seconds.labels(route).observe(time.perf_counter() - started)


class _Exchange:
    """The channels of one request, as the wrapped app sees them."""

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
            self._deadline = None  # the body is complete; later calls wait for a disconnect
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        elif self._head:
            message = {**message, "body": b""}
        await self._send(message)
