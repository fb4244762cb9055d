"""HTTP/1.1 on one connection: uvicorn's protocol with limits on what a client may send, and on how long it may take.

httptools joins the pieces of a header without a limit or a deadline, and stops at a request with `Upgrade`. Here the
bytes of a head (request line and headers) are counted while they arrive, `Upgrade` is ignored, a client can read a
refusal before the connection closes, and `Connections` enforces the deadlines. A head that came before, byte for
byte, is not parsed again.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
import urllib.parse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import httptools
from uvicorn._types import ASGI3Application as ASGIApplication
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tallystick.config import MIB
from tallystick.process import refusals
from tallystick.process.connections import Connections
from tallystick.process.refusals import HEAD_MAX, HEADERS_MAX, PIPELINED_MAX, Refusal

LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * MIB
"""Seconds for which, and bytes that, a refused client may go on sending before it reads its answer."""

Answer = Callable[[int, bytes, bytes], None]
"""Sends an answer: its status, its header fields as they are sent, one of them Content-Length, and its body."""
Take = Callable[[Any, bytes, Answer], bool]

HEADS_MAX = 1_024
"""Most heads that a process remembers; then it forgets them all. A client's requests differ in Content-Length only."""
SEEN_MAX = 8_192
"""Most heads of which it is noted that they came once: a head is remembered when it comes again, since one that has an
id of its request never does."""
HEAD_REMEMBERED_MAX = 1_024
"""Bytes of the longest head that is remembered."""
OF_HEAD = "tallystick.of_head"
"""Key of a scope: a dictionary for what follows from the head alone, which requests with the same head share."""
_REMEMBERED = (
    "type",
    "asgi",
    "http_version",
    "root_path",
    "headers",
    "method",
    "path",
    "raw_path",
    "query_string",
    "tallystick.headers",
    OF_HEAD,
)
"""Keys of a scope that follow from the head alone."""

_BEFORE, _HEAD, _BODY, _ENDING = range(4)
"""Where a connection is: between two messages, in a head, after a head, or refused."""

_HEAD_END = b"\r\n\r\n"

_ACKED = struct.Struct("120xQ")
"""`tcpi_bytes_acked` in Linux's `struct tcp_info`."""
_SIZE = struct.Struct("i")


class _Stop(Exception):
    """Ends the parser's work once a refusal is set."""


class _Flow(FlowControl):
    """Keeps reading paused while pipelined requests wait, even if the application resumes it."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class _LastWords:
    """The transport for an answer to an incomplete request.

    Such an answer is the connection's last one. Closing leaves the client time to read it.
    """

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close_after_answer()


class _Cycle(RequestResponseCycle):
    """One request and its answer; saves the write routes some steps.

    `scope["tallystick.whole_body"]` gives a body that has arrived, without waiting for it. A start message with
    `body_follows` has a `content-length` and leaves together with the body, which is the next and last message: one
    write instead of two, and less work for each header.
    """

    _head = b""

    def whole_body(self) -> bytes | None:
        """The body, if all of it has arrived and nobody has received it; None: `receive` has what comes."""
        if self.more_body or self.disconnected or self.response_started:
            return None
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = bytes(self.body), bytearray()
        return body

    def answer(self, status: int, fields: bytes, body: bytes) -> bool:
        """Send a whole answer at once. False: it is one of those that need uvicorn's care."""
        if self.response_started or not self._is_plain() or self.default_headers:
            return False
        self._head = STATUS_LINE[status] + fields + b"\r\n"
        self.response_started = True
        self.waiting_for_100_continue = False
        self._end(self._head + body)
        return True

    async def send(self, message: Any) -> None:
        if self._head:
            self._end(self._head + message["body"])
        elif "body_follows" not in message or not self._begin(message["status"], message["headers"]):
            await super().send(message)

    def _begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Keep the head until the body comes. False: this answer is one of those that need uvicorn's care."""
        if not self._is_plain():
            return False
        fields = b"".join([b"%b: %b\r\n" % header for header in (*self.default_headers, *headers)])
        if not fields.count(b"\r") == fields.count(b"\n") == len(self.default_headers) + len(headers):
            return False  # it refuses them with a reason
        self._head = STATUS_LINE[status] + fields + b"\r\n"
        self.response_started = True
        self.waiting_for_100_continue = False
        return True

    def _is_plain(self) -> bool:
        if not self.keep_alive or self.disconnected or self.flow.write_paused or self.access_log:
            return False
        return bool(self.scope["method"] != "HEAD")

    def _end(self, answer: bytes) -> None:
        self._head = b""
        if not self.disconnected:
            self.transport.write(answer)
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


class _NobodyWaits(asyncio.Event):
    """The event of a request without a task."""

    def set(self) -> None:
        pass


class _Short(_Cycle):
    """A request that was taken and whose head was known, and its answer: it has no more than they need.

    Making it takes a tenth of the time of making a `_Cycle`, which it becomes where the answer needs uvicorn's care.
    """

    message_event = _NobodyWaits()
    disconnected = response_started = response_complete = more_body = False
    keep_alive = True

    def __init__(self, protocol: HttpProtocol, scope: Any) -> None:
        self._protocol = protocol
        self.scope = scope

    def say(self, status: int, fields: bytes, body: bytes) -> None:
        """Send the answer at once, or with a task where that needs uvicorn's care."""
        protocol = self._protocol
        if self.disconnected:
            return
        if self.keep_alive and not protocol.flow.write_paused and not protocol.adds_to_answers:
            protocol.transport.write(b"".join((STATUS_LINE[status], fields, b"\r\n", body)))
            self.response_complete = True
            protocol.on_response_complete()
        else:
            protocol.answer_with_a_task(self, status, fields, body)


class _Head(NamedTuple):
    """A head that was parsed.

    Attributes:
        body_bytes: its Content-Length.
        scope: what of a request's scope follows from it.
    """

    body_bytes: int
    scope: dict[str, Any]


class HttpProtocol(HttpToolsProtocol):
    """One connection; `protocol_of` makes the class that uvicorn gets."""

    all: Connections
    take: Take
    heads: dict[bytes, _Head]
    """The heads that the process remembers, of requests that were taken."""
    seen: set[int]
    """Hashes of heads that came once, at least."""
    flow: _Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = self.all.waiting
        self.adds_to_answers = self.access_log or bool(self.server_state.default_headers)
        self._stage = _BEFORE
        self._segment = 0
        self._run = 0
        """Bytes since the beginning of the head, or since the last byte of a body."""
        self._since = 0.0
        """When the connection began to wait for a request."""
        self._head_since = 0.0
        self._current: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the last one that arrived."""
        self._unstarted: _Cycle | None = None
        """The current request, until the bytes that came with its head are parsed."""
        self._stays = True
        self._ends = False
        """Whether the last request that arrived keeps the connection alive."""
        self._refusal: Refusal | None = None
        self._partial = False
        """Whether a request has arrived in part."""
        self._until = 0.0
        self._ignored = 0
        self._acked = -1
        self._acked_at = 0.0

    # --- the connection -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._since = self.loop.time()
        if (refusal := self.all.admit(self)) is not None:
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.all.gone(self)
        self._stage = _ENDING
        self.pipeline.clear()
        if self._current is not None and not self._current.response_complete:
            self._current.disconnected = True
            self._current.message_event.set()
        super().connection_lost(exc)

    def drop(self, reason: str) -> None:
        """Close at once and discard unsent bytes. An empty `reason` is not counted."""
        if reason:
            self.all.ended(reason)
        self.all.gone(self)
        self._stage = _ENDING
        self.transport.abort()

    def look(self, now: float) -> None:
        """Enforce the deadlines."""
        if self._unread(now):
            self.drop("unread")
        elif self._until:
            if now > self._until:
                self.drop("")
        elif self._answering() or self._stage == _ENDING or self.transport.is_closing():
            return
        elif self._stage == _HEAD:
            if now - max(self._head_since, self._since) > self.all.header_timeout:
                self._refuse(refusals.HEAD_TOO_SLOW)
        elif now - self._since > (self.all.header_timeout if self.cycle is None else self.all.keep_alive):
            if self._bytes_arrived():
                return
            self.all.ended("silent" if self.cycle is None else "keep_alive")
            self.transport.close()

    def _answering(self) -> bool:
        return self._current is not None and not self._current.response_complete

    def _unread(self, now: float) -> bool:
        """Whether unsent bytes wait and the client has not read one for `send_timeout`."""
        left = self.transport.get_write_buffer_size()
        if not left:
            self._acked = -1
            return False
        acked = self._bytes_acked()
        moved = left if acked is None else acked
        if moved != self._acked:
            self._acked, self._acked_at = moved, now
        return now - self._acked_at > self.all.send_timeout

    def _bytes_acked(self) -> int | None:
        """Bytes that the client's system has acknowledged so far; None if this system does not report them."""
        if sys.platform != "linux":
            return None
        try:
            info = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
        except (AttributeError, OSError):
            return None
        return int(_ACKED.unpack(info)[0]) if len(info) == _ACKED.size else None

    # --- what the client sends ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._stage == _ENDING:
            self._ignore(len(data))
            return
        at_start = self._stage == _BEFORE and not self._run
        if at_start and self._take_known(data):
            return
        self._segment = len(data)
        self._run += self._segment
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data, upgrade)
        except httptools.HttpParserError:
            self._refuse(refusals.MALFORMED)
        if self._stage != _BEFORE:
            self._take_part()
        if self._unstarted is not None:
            self._start(self._unstarted, data if at_start else b"")
        if self._run > HEAD_MAX:
            self._check_part()

    def _take_known(self, data: bytes) -> bool:
        """Take a request whose head is one that is remembered, without parsing it.

        False: it is another request, or is not taken: it has to be parsed.
        """
        end = data.find(_HEAD_END) + len(_HEAD_END)
        head = self.heads.get(data[:end])
        before = self.cycle
        if head is None or len(data) - end != head.body_bytes or self._ends:
            return False
        if before is not None and not before.response_complete:
            return False
        scope = {**head.scope, "server": self.server, "client": self.client, "scheme": self.scheme}
        scope["state"] = self.app_state.copy()
        self._current = self.cycle = short = _Short(self, scope)
        if not self.take(scope, data[end:], short.say):
            self._current, self.cycle = None, before
            return False
        self._stays = True
        self._waiting.pop(self, None)
        return True

    def _remember(self, data: bytes, cycle: _Cycle, body_bytes: int) -> None:
        """Remember the head of a request that was taken, and with which nothing else came, if it is not its first.

        It is one of the usual kind, so that where it ends and what follows is beyond doubt.
        """
        end = data.find(_HEAD_END) + len(_HEAD_END)
        digest = hash(data[:end])
        if digest not in self.seen:
            if len(self.seen) >= SEEN_MAX:
                self.seen.clear()
            self.seen.add(digest)
            return
        scope = cast("dict[str, Any]", cycle.scope)
        headers = dict(scope["headers"])
        if (
            end + body_bytes == len(data)
            and end <= HEAD_REMEMBERED_MAX
            and headers.get(b"content-length") == b"%d" % body_bytes
            and headers.keys().isdisjoint((b"transfer-encoding", b"expect"))
            and data.startswith(b"POST ")
            and scope["http_version"] == "1.1"
            and b"upgrade" not in data[:end].lower()
            and cycle.keep_alive
        ):
            if len(self.heads) >= HEADS_MAX:
                self.heads.clear()
            self.heads[data[:end]] = _Head(body_bytes, {key: scope[key] for key in _REMEMBERED if key in scope})

    def _start(self, cycle: _Cycle, data: bytes) -> None:
        """Answer the current request: without a task, if its body came with its head and the application can.

        Args:
            data: what has just arrived, if it began with this request; else empty.
        """
        self._unstarted = None
        if cycle.disconnected:
            return  # it was refused
        if cycle.more_body:
            self._start_task(cycle, self.app)
            return
        body = bytes(cycle.body)
        cast("dict[str, Any]", cycle.scope)[OF_HEAD] = {}
        if not self.take(cycle.scope, body, partial(self._answer, cycle)):
            self._start_task(cycle, self.app)
            return
        cycle.whole_body()
        if self._stage == _BEFORE and cycle is self.cycle:
            self._remember(data, cycle, len(body))

    def _start_task(self, cycle: RequestResponseCycle, app: ASGIApplication) -> None:
        cycle.scope["tallystick.whole_body"] = cast("_Cycle", cycle).whole_body  # type: ignore[typeddict-unknown-key]
        self._start_asgi_task(cycle, app)

    def _answer(self, cycle: _Cycle, status: int, fields: bytes, body: bytes) -> None:
        if not cycle.answer(status, fields, body):
            self._start_asgi_task(cycle, _said(status, fields, body))

    def answer_with_a_task(self, short: _Short, status: int, fields: bytes, body: bytes) -> None:
        """Make a short request whole, and answer it as other requests."""
        _Cycle.__init__(short, **self._parts(short.scope, short.keep_alive), expect_100_continue=False)
        short.more_body = False
        self._start_asgi_task(short, _said(status, fields, body))

    def _take_part(self) -> None:
        """Record that a request has arrived in part."""
        if self._stage != _ENDING:
            self._partial = True
            self.all.receiving(self, self._segment)
        if self._stage == _HEAD:
            self._head_since = self._head_since or self.loop.time()
        elif self._stage == _BODY and self.cycle.transport is self.transport and not self.cycle.response_started:
            self.cycle.keep_alive = False
            self.cycle.transport = cast("asyncio.Transport", _LastWords(self))

    def _take_whole(self) -> None:
        """Record that the rest of the request has arrived."""
        self._partial = False
        self.all.received(self)
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._stays
            self.cycle.transport = self.transport

    def give_way(self) -> None:
        """Drop the request that is arriving and stop reading it."""
        self._refuse(refusals.TOO_MUCH)

    def _ignore(self, size: int) -> None:
        self._ignored += size
        if self._ignored > LINGER_BYTES:
            self.drop("")

    def _check_part(self) -> None:
        """Refuse: more bytes than allowed have arrived, and neither a head nor a piece of a body has ended."""
        if self._stage == _BEFORE:
            self._refuse(refusals.MALFORMED)  # empty lines
        elif self._stage == _BODY:
            self._refuse(refusals.HEAD_TOO_LARGE)  # trailers, or what may follow the size of a chunk
        elif self._stage == _HEAD:
            if len(self.url) > HEAD_MAX:
                self._refuse(refusals.URL_TOO_LONG)
            elif self._run - len(self.url) > HEAD_MAX:
                self._refuse(refusals.HEAD_TOO_LARGE)

    def _check_head(self) -> None:
        """Refuse a complete head that is over the limits."""
        if len(self.url) > HEAD_MAX:
            self._refuse(refusals.URL_TOO_LONG)
        elif len(self.headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in self.headers) > HEAD_MAX:
            self._refuse(refusals.HEAD_TOO_LARGE)
        else:
            return
        raise _Stop

    def _without_upgrade(self, data: bytes, upgrade: httptools.HttpParserUpgrade) -> None:
        """Continue as if the request had no `Upgrade` header.

        The parser treats the end of such a head as the end of HTTP. A new parser gets the head without `Upgrade`, and
        then the bytes that followed.
        """
        try:
            while True:
                method = self.parser.get_method()
                if method == b"CONNECT":
                    self._refuse(refusals.NO_PROXY)
                    return
                data = data[upgrade.args[0] :]
                version = self.parser.get_http_version().encode()
                lines = [b"%b %b HTTP/%b\r\n" % (method, self.url, version)]
                lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                try:
                    self.parser.feed_data(b"".join([*lines, b"\r\n"]))
                    self._run = len(data)
                    self.parser.feed_data(data)
                    return
                except httptools.HttpParserUpgrade as another:
                    upgrade = another
        except httptools.HttpParserError:
            self._refuse(refusals.MALFORMED)

    # --- what the parser finds ------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._stage = _HEAD
        self._head_since = 0.0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        parser = self.parser
        if parser.should_upgrade():
            return  # `_without_upgrade` parses it again
        if self._segment > HEAD_MAX or self._run > HEAD_MAX or len(self.headers) > HEADERS_MAX:
            self._check_head()
        scope = self.scope
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"
        path = raw_path.decode("ascii")
        scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = url.query or b""
        self._stage = _BODY
        self._begin(version != "1.0" and parser.should_keep_alive() and not self._ends)
        self.headers = []  # only trailers may follow, which are not used

    def _begin(self, keep_alive: bool) -> None:
        """Answer the request whose head is complete, or queue it after those that wait."""
        before = self.cycle
        self.cycle = cycle = _Cycle(**self._parts(self.scope, keep_alive), expect_100_continue=self.expect_100_continue)
        self._stays = keep_alive
        if before is None or before.response_complete:
            self._waiting.pop(self, None)
            self._current = self._unstarted = cycle
            return
        self.pipeline.appendleft((cycle, self.app))
        self.flow.pause_reading()
        self.flow.held = True
        if len(self.pipeline) > PIPELINED_MAX:
            self._refuse(refusals.TOO_MANY_AT_ONCE)
            raise _Stop

    def _parts(self, scope: Any, keep_alive: bool) -> dict[str, Any]:
        """What a cycle is made of."""
        return {
            "scope": scope,
            "transport": self.transport,
            "flow": self.flow,
            "logger": self.logger,
            "access_logger": self.access_logger,
            "access_log": self.access_log,
            "default_headers": self.server_state.default_headers,
            "message_event": asyncio.Event(),
            "keep_alive": keep_alive,
            "on_response": self.on_response_complete,
        }

    def on_body(self, body: bytes) -> None:
        self._run = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._stage != _BODY:
            return  # the parser ends the message after a head with `Upgrade`
        self._stage = _BEFORE
        self._run = 0
        if self._partial:
            self._take_whole()
        self.cycle.more_body = False
        self.cycle.message_event.set()

    # --- answers --------------------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._current is not None:
            # Otherwise the request and its scope hold each other, and wait for the garbage collector, which stops all.
            self._current.scope.pop("tallystick.whole_body", None)  # type: ignore[typeddict-item]
        if self.transport.is_closing() or self._until:
            return
        if self.pipeline:
            self._current, app = self.pipeline.pop()
            self.flow.held = bool(self.pipeline)
            self.flow.resume_reading()
            self._start_task(self._current, app)
        elif self._refusal is not None:
            self._say(self._refusal)
        else:
            self._current = None
            self._since = self.loop.time()
            self.flow.resume_reading()
            self._waiting[self] = None

    def _refuse(self, refusal: Refusal) -> None:
        """Stop reading. Send the refusal after the answers to earlier requests."""
        if self._stage == _ENDING:
            return
        self.all.received(self)
        unread = self.cycle if self._stage == _BODY else None
        self._stage = _ENDING
        self._refusal = refusal
        if unread is not None:
            unread.disconnected = True
            unread.message_event.set()
            if self.pipeline and self.pipeline[0][0] is unread:
                self.pipeline.popleft()
        if self._answering() and self._current is not unread:
            self.flow.held = False
            self.flow.resume_reading()  # and discard what comes, so that the end of the connection is noticed
        elif unread is not None and unread.response_started:
            self.drop(refusal.reason)  # part of an answer is sent already
        else:
            self._say(refusal)

    def _say(self, refusal: Refusal) -> None:
        self.all.refused(refusal)
        self.transport.write(STATUS_LINE[refusal.status] + refusal.fields())
        self._linger()

    def close_after_answer(self) -> None:
        """Close after an answer that began before its request's body was complete."""
        if self._stage == _BEFORE:
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Half-close, and discard what the client sends for a while: a reset could destroy the answer."""
        self._stage = _ENDING
        self._until = self.loop.time() + LINGER_SECONDS
        self.all.ending(self)
        if not self.transport.is_closing():
            self.flow.held = False
            self.flow.resume_reading()
            self.transport.write_eof()

    def shutdown(self) -> None:
        """Accept no request after the last one that arrived, whether or not its bytes have been read yet."""
        self._stays = False
        self._ends = True
        if self._answering() or not self._bytes_arrived():
            super().shutdown()

    def _bytes_arrived(self) -> bool:
        """Whether bytes of the client wait to be read; closing now would reset the connection.

        A process that got no turn for a moment finds its clock first and its sockets after it.
        """
        if (connection := self.transport.get_extra_info("socket")) is None:
            return False
        try:
            waiting = fcntl.ioctl(connection.fileno(), termios.FIONREAD, _SIZE.pack(0))
        except OSError:
            return False
        return waiting != _SIZE.pack(0)


def _said(status: int, fields: bytes, body: bytes) -> ASGIApplication:
    """An application that gives this answer."""
    headers = [line.split(b": ", 1) for line in fields.split(b"\r\n")[:-1]]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def take_none(scope: Any, body: bytes, answer: Answer) -> bool:
    """Leave every request to the application."""
    return False


def protocol_of(connections: Connections, take: Take = take_none) -> type[HttpProtocol]:
    """The protocol class of a process, bound to its connections.

    Args:
        take: is offered every request whose body came with its head. True: it has taken the request and answers it.
    """
    return type(
        "HttpProtocol", (HttpProtocol,), {"all": connections, "take": staticmethod(take), "heads": {}, "seen": set()}
    )
