"""POST /v1/events, top to bottom: admit → read (capped) → decode → publish → reply. The 202 leaves after the publish.

Plain ASGI without a framework, because this path decides the throughput. The dialects' write routes use `Ingest` too.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from tallystick.access.directory import Directory
from tallystick.config import NO, YES, Settings
from tallystick.errors import InvalidRequest, TallystickError, Unauthorized
from tallystick.http_headers import WRITE
from tallystick.ingest import ids
from tallystick.ingest.admission import Admission, NotAtOnce, rates_of, site_of, writer_of
from tallystick.ingest.body import ClientGone, header, of_head
from tallystick.ingest.decode import Decoded, decode_native
from tallystick.ingest.enrich.enrichment import Enrichable, Enrichment
from tallystick.ingest.names import KnownNames
from tallystick.ingest.publisher import Publisher, Tell
from tallystick.ingest.quota import Quotas
from tallystick.metrics import Metrics
from tallystick.model.event import Event, Rejection
from tallystick.query_string import parameters, refuse_unknown

log = structlog.get_logger(__name__)

ROUTE = "/v1/events"
Headers = Iterable[tuple[bytes, bytes]]
Answer = Callable[[int, bytes, bytes], None]
"""Sends an answer: its status, its header fields as they are sent, one of them Content-Length, and its body."""
ANSWER_HEADERS = ((b"content-type", b"application/json"), *WRITE)
CORS_HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Request-ID, Retry-After"),
)
"""Browsers may send events from any page. This gives no page access to cookies or to read answers."""
PREFLIGHT_HEADERS = (
    *WRITE,
    *CORS_HEADERS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"*, Authorization, X-API-Key, Content-Type, Content-Encoding, Idempotency-Key, X-Request-ID",
    ),
    (b"access-control-max-age", b"86400"),
)
PARAMETERS = ("strict",)
"""What the address of a native write request may have."""
IDEMPOTENCY_KEY_MAX = 256
_SANE_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_encoder = msgspec.json.Encoder()


class Accepted(msgspec.Struct):
    """The answer to a native write request.

    Attributes:
        accepted: events that are durable now.
        rejected: the other events, by their index in the request.
        receipt: for GET /v1/receipts/{receipt}; None when nothing was accepted.
    """

    request_id: str
    accepted: int
    rejected: list[Rejection]
    receipt: str | None


class Ingest:
    """What every write route shares: keys, capped bodies, enrichment, durable acceptance, metrics."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        metrics: Metrics,
        enrichment: Enrichment | None = None,
        directory: Directory | None = None,
        names: KnownNames | None = None,
    ) -> None:
        """
        Args:
            directory: the keys that are made while the server runs; None: there are none.
            names: the names of each site; None: there is no quota of them.
        """
        self.settings = settings
        self.metrics = metrics
        self._publisher = publisher
        self._enrichment = enrichment
        self._quotas = Quotas(settings)
        self.names = names if names is not None and names.counts else None
        self._admission = Admission(settings, metrics, self._quotas, directory or Directory())
        self._rejected: dict[str, Any] = {}

    async def read_body(
        self,
        scope: Scope,
        receive: Receive,
        *,
        own_header: bytes = b"",
        key_in_body: bool = False,
        foreign: bool = False,
        most: int | None = None,
    ) -> tuple[bytes, str | None]:
        """The request's body, and the site that it may write to (None: any); raises as `Admission.body` does."""
        body, site = await self._admission.body(scope, receive, own_header, key_in_body, foreign, most)
        self.metrics.ingest_body_bytes.inc(len(body))
        return body, site

    def visit(self, scope: Scope, native: bool = False) -> Callable[[Enrichable], None] | None:
        """A function that adds facts from the request to one of its events; None when there is nothing to add.

        Args:
            native: the request is one for POST /v1/events; by default only those are enriched.
        """
        return None if self._enrichment is None else self._enrichment.visit(scope, native)

    def enriched(self, scope: Scope, events: list[Event]) -> list[Event]:
        """The events with the facts from their request."""
        if (enrich := self.visit(scope)) is not None:
            for event in events:
                enrich(event)
        return events

    def admit_names(self, event: Event) -> None:
        """Let one event in with its names. Raises Rejected: it has a new one beyond its site's quota."""
        if self.names is not None:
            self.names.admit(event)

    async def accept(self, scope: Scope, decoded: Decoded, request_id: str) -> str | None:
        """Make the events durable; the receipt, or None when there are none.

        Raises:
            QueueFull, QueueUnavailable, Unavailable: as `Publisher.publish`. The answer must be this error.
        """
        self.spend(scope, decoded)
        self._count_rejected(decoded)
        if not decoded.count:
            return None
        try:
            receipt = await self._publisher.publish(decoded.lines, decoded.count, request_id, decoded.refused)
        except TallystickError as error:
            self.metrics.ingest_refused.labels(error.code).inc()
            raise
        self.count_accepted(decoded)
        return receipt

    def spend(self, scope: Scope, decoded: Decoded) -> None:
        """Count a request's events, accepted and rejected, towards the quotas of its key and its site."""
        events = decoded.count + len(decoded.rejected)
        self._quotas.spend(writer_of(scope), site_of(scope), events, len(decoded.lines), rates_of(scope))

    def body_at_once(self, scope: Scope, body: bytes) -> tuple[bytes, str | None]:
        """As `read_body`, of a body that has arrived; raises as `Admission.at_once` does."""
        return self._admission.at_once(scope, body)

    def accept_and_tell(self, scope: Scope, decoded: Decoded, request_id: str, tell: Tell) -> None:
        """As `accept`, of at least one event and without a task: `tell` is called with the receipt or the error.

        The caller counts what `tell` says (`count_accepted`).

        Raises:
            Unavailable: the server is shutting down, and nothing was counted.
        """
        self._publisher.submit(decoded.lines, decoded.count, request_id, decoded.refused, tell)
        self.spend(scope, decoded)
        if decoded.rejected:
            self._count_rejected(decoded)

    def _count_rejected(self, decoded: Decoded) -> None:
        for rejection in decoded.rejected:
            self.metrics.events_rejected.labels(rejection.code).inc()

    def count_accepted(self, decoded: Decoded) -> None:
        """Count the events of a request that were made durable."""
        for line in decoded.refused:
            self.metrics.events_rejected.labels(line.code).inc()
        self.metrics.events_accepted.inc(decoded.count)


class _Head(NamedTuple):
    """What the head of a request for POST /v1/events says.

    Attributes:
        request_id: the client's; empty: it has none.
        ndjson: one event a line.
        strict: all events are accepted or none.
        repeatable: it has an Idempotency-Key.
    """

    request_id: str
    ndjson: bool
    strict: bool
    repeatable: bool

    @classmethod
    def of(cls, scope: Scope) -> _Head:
        """Raises InvalidRequest: as `_is_strict`."""
        kind = header(scope, b"content-type")
        return cls(
            _given_request_id(scope),
            b"ndjson" in kind or b"jsonl" in kind,
            _is_strict(scope),
            bool(header(scope, b"idempotency-key")),
        )


class NativeEvents:
    """The ASGI application of POST /v1/events."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self.metrics = metrics = ingest.metrics
        self.seconds = metrics.http_seconds.labels(ROUTE)
        self.done = metrics.http_requests.labels(ROUTE, "202")
        self.answered: list[float] = []
        """Seconds that each of the requests took that were answered and are not counted yet."""
        self.events = 0
        """Their events."""
        self._counting = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = request_id_of(scope)
        try:
            status, answer = await self._answer(scope, receive, request_id)
            await reply(send, status, answer, request_id, CORS_HEADERS)
        except ClientGone:
            return
        except TallystickError as error:
            status = error.status
            await reply_error(send, error, request_id, CORS_HEADERS)
        if status == 202:
            self.done.inc()
        else:
            self.metrics.http_requests.labels(ROUTE, str(status)).inc()
        self.seconds.observe(time.perf_counter() - started)

    def take(self, scope: Scope, body: bytes, answer: Answer) -> bool:
        """Take a request whose whole body has arrived, without a task, which saves several steps of the event loop.

        False: it needs more, such as a key in its body, or cannot be accepted; `__call__` has to answer it.
        """
        started = time.perf_counter()
        try:
            head = of_head(scope, "native", _Head.of)
            body, site = self._ingest.body_at_once(scope, body)
            decoded = self._decode(scope, head, body, site)
            if not decoded.count or (decoded.rejected and head.strict):
                return False
            taken = _Taken(self, head.request_id or new_request_id(), decoded, started, answer)
            self._ingest.accept_and_tell(scope, decoded, taken.request_id, taken.tell)
        except (NotAtOnce, TallystickError):
            return False
        self.metrics.ingest_body_bytes.inc(len(body))
        return True

    def count_later(self) -> None:
        """Count all that is answered now, afterwards and in one step: one by one takes several times as long."""
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self._counting = False
        self.done.inc(len(self.answered))
        self.seconds.observe_all(self.answered)
        self.metrics.events_accepted.inc(self.events)
        self.answered.clear()
        self.events = 0

    def _decode(self, scope: Scope, head: _Head, body: bytes, site: str | None) -> Decoded:
        return decode_native(
            body,
            datetime.now(UTC),
            self._ingest.settings,
            ndjson=head.ndjson,
            identity=identity_of(scope, body) if head.repeatable else None,
            site=site,
            enrich=self._ingest.visit(scope, native=True),
            names=self._ingest.names,
        )

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> tuple[int, bytes]:
        body, site = await self._ingest.read_body(scope, receive, key_in_body=True)
        head = _Head.of(scope)
        strict = head.strict
        decoded = self._decode(scope, head, body, site)
        if decoded.rejected and (strict or not decoded.count):
            self._ingest.spend(scope, decoded)
            for rejection in decoded.rejected:
                self._ingest.metrics.events_rejected.labels(rejection.code).inc()
            return 400, _refusal(request_id, decoded, strict)
        receipt = await self._ingest.accept(scope, decoded, request_id)
        return 202, _encoder.encode(Accepted(request_id, decoded.count, decoded.rejected, receipt))


class _Taken:
    """A request that was taken without a task, until its answer."""

    __slots__ = ("_answer", "_decoded", "_native", "_started", "request_id")

    def __init__(self, native: NativeEvents, request_id: str, decoded: Decoded, started: float, answer: Answer) -> None:
        self._native = native
        self.request_id = request_id
        self._decoded = decoded
        self._started = started
        self._answer = answer

    def tell(self, outcome: str | TallystickError) -> None:
        """Answer it, and count it."""
        if not isinstance(outcome, str):
            self._refuse(outcome)
            return
        native, decoded = self._native, self._decoded
        native.count_later()
        native.events += decoded.count
        said = _encoder.encode(Accepted(self.request_id, decoded.count, decoded.rejected, outcome))
        self._answer(202, _ACCEPTED_FIELDS % (len(said), self.request_id.encode("ascii")), said)
        native.answered.append(time.perf_counter() - self._started)

    def _refuse(self, error: TallystickError) -> None:
        metrics = self._native.metrics
        metrics.ingest_refused.labels(error.code).inc()
        metrics.http_requests.labels(ROUTE, str(error.status)).inc()
        said, headers = _error_answer(error, self.request_id)
        fields = _fields(_answer_headers(said, self.request_id, (*headers, *CORS_HEADERS)))
        self._answer(error.status, fields, said)
        self._native.seconds.observe(time.perf_counter() - self._started)


def _is_strict(scope: Scope) -> bool:
    """Whether all events are accepted or none; of several values the last one counts, as on other routes.

    Raises:
        InvalidRequest: the value is no boolean, or there is another parameter.
    """
    query = scope["query_string"]
    if not query:
        return False
    found = parameters(query)
    refuse_unknown(found, PARAMETERS)
    given = found.get("strict")
    if given is None or (text := given.strip().lower()) in NO:
        return False
    if text in YES:
        return True
    raise InvalidRequest(f"strict: 1 accepts all events or none, 0 each by itself; {given[:100]!r} is neither")


def _refusal(request_id: str, decoded: Decoded, strict: bool) -> bytes:
    first = decoded.rejected[0]
    how = "strict=1 takes all or none" if strict and decoded.count else "no event was accepted"
    error = {"code": first.code, "message": f"{how}: event {first.index}: {first.message}"}
    return _encoder.encode(
        {"error": error, "request_id": request_id, "accepted": 0, "rejected": decoded.rejected, "receipt": None}
    )


def identity_of(scope: Scope, body: bytes) -> str | None:
    """The identity by which a repeat of this request is recognised; None without Idempotency-Key. Read the body first.

    Raises:
        InvalidRequest: the Idempotency-Key is too long.
    """
    key = header(scope, b"idempotency-key")
    if len(key) > IDEMPOTENCY_KEY_MAX:
        raise InvalidRequest(f"Idempotency-Key has more than {IDEMPOTENCY_KEY_MAX} characters")
    return ids.request_identity(key, writer_of(scope), body) if key else None


def request_id_of(scope: Scope) -> str:
    """The client's X-Request-ID when it is 1–128 visible ASCII characters, else a new UUID4."""
    return _given_request_id(scope) or new_request_id()


def _given_request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given.decode("ascii") if given and _SANE_REQUEST_ID.fullmatch(given) else ""


def new_request_id() -> str:
    """A random UUID of version 4. It only names log lines, so it does not use the system's random source."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


async def reply(send: Send, status: int, body: bytes, request_id: str, headers: Headers = ()) -> None:
    """A JSON answer with its request id."""
    start = _answer_headers(body, request_id, headers)
    await send({"type": "http.response.start", "status": status, "headers": start, "body_follows": True})
    await send({"type": "http.response.body", "body": body})


def _answer_headers(body: bytes, request_id: str, headers: Headers) -> list[tuple[bytes, bytes]]:
    return [
        *ANSWER_HEADERS,
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        *headers,
    ]


def _fields(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_ACCEPTED_FIELDS = _fields((*ANSWER_HEADERS, (b"content-length", b"%d"), (b"x-request-id", b"%b"), *CORS_HEADERS))
"""The fields of every 202, with places for the length and the request id."""


async def reply_error(send: Send, error: TallystickError, request_id: str, headers: Headers = ()) -> None:
    """Send an error in Tallystick's own form. Errors of the server are logged."""
    body, own = _error_answer(error, request_id)
    await reply(send, error.status, body, request_id, (*own, *headers))


def _error_answer(error: TallystickError, request_id: str) -> tuple[bytes, Headers]:
    """An error's body and headers. Errors of the server are logged."""
    if error.status >= 500:
        log.warning("request refused", request_id=request_id, code=error.code, error=error.whole)
    body = _encoder.encode({"error": {"code": error.code, "message": error.public}, "request_id": request_id})
    return body, headers_of(error)


def headers_of(error: TallystickError) -> Headers:
    """The headers of an error's answer: Retry-After, WWW-Authenticate."""
    if isinstance(error, Unauthorized):
        return ((b"www-authenticate", error.challenge.encode("ascii")),)
    return ((b"retry-after", b"%d" % error.retry_after),) if error.retry_after else ()


async def preflight(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a browser's OPTIONS before a cross-origin write."""
    headers = [*PREFLIGHT_HEADERS, (b"x-request-id", request_id_of(scope).encode("ascii"))]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
