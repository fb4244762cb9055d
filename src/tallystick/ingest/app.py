"""POST /v1/events, top to bottom: admit → read (capped) → decode → publish → reply. The 202 leaves after the publish.

Plain ASGI without a framework, because this path decides the throughput. The dialects' write routes use `Ingest` too.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from tallystick.config import Settings
from tallystick.errors import InvalidRequest, TallystickError, Unauthorized
from tallystick.http_headers import WRITE
from tallystick.ingest import ids
from tallystick.ingest.admission import Admission, writer_of
from tallystick.ingest.body import ClientGone, header
from tallystick.ingest.decode import Decoded, decode_native
from tallystick.ingest.enrich.enrichment import Enrichable, Enrichment
from tallystick.ingest.publisher import Publisher
from tallystick.metrics import Metrics
from tallystick.model.event import Event, Rejection

log = structlog.get_logger(__name__)

ROUTE = "/v1/events"
Headers = Iterable[tuple[bytes, bytes]]
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
        self, settings: Settings, publisher: Publisher, metrics: Metrics, enrichment: Enrichment | None = None
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self._publisher = publisher
        self._enrichment = enrichment
        self._admission = Admission(settings, metrics)
        self._rejected: dict[str, Any] = {}

    async def read_body(
        self, scope: Scope, receive: Receive, *, own_header: bytes = b"", key_in_body: bool = False
    ) -> tuple[bytes, str | None]:
        """The request's body, and the site that it may write to (None: any); raises as `Admission.body` does."""
        body, site = await self._admission.body(scope, receive, own_header, key_in_body)
        self.metrics.ingest_body_bytes.inc(len(body))
        return body, site

    def visit(self, scope: Scope) -> Callable[[Enrichable], None] | None:
        """A function that adds facts from the request to one of its events; None when enrichment is off."""
        return None if self._enrichment is None else self._enrichment.visit(scope)

    def enriched(self, scope: Scope, events: list[Event]) -> list[Event]:
        """The events with the facts from their request."""
        if (enrich := self.visit(scope)) is not None:
            for event in events:
                enrich(event)
        return events

    async def accept(self, decoded: Decoded, request_id: str) -> str | None:
        """Make the events durable; the receipt, or None when there are none.

        Raises:
            QueueFull, QueueUnavailable, Unavailable: as `Publisher.publish`. The answer must be this error.
        """
        for rejection in decoded.rejected:
            self.metrics.events_rejected.labels(rejection.code).inc()
        if not decoded.count:
            return None
        try:
            receipt = await self._publisher.publish(decoded.lines, decoded.count, request_id)
        except TallystickError as error:
            self.metrics.ingest_refused.labels(error.code).inc()
            raise
        self.metrics.events_accepted.inc(decoded.count)
        return receipt


class NativeEvents:
    """The ASGI application of POST /v1/events."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        metrics = ingest.metrics
        self._seconds = metrics.http_seconds.labels(ROUTE)
        self._done = metrics.http_requests.labels(ROUTE, "202")

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
            self._done.inc()
        else:
            self._ingest.metrics.http_requests.labels(ROUTE, str(status)).inc()
        self._seconds.observe(time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> tuple[int, bytes]:
        body, site = await self._ingest.read_body(scope, receive, key_in_body=True)
        decoded = decode_native(
            body,
            datetime.now(UTC),
            self._ingest.settings,
            ndjson=b"ndjson" in (kind := header(scope, b"content-type")) or b"jsonl" in kind,
            identity=identity_of(scope, body),
            site=site,
            enrich=self._ingest.visit(scope),
        )
        strict = b"strict=1" in scope["query_string"].split(b"&")
        if decoded.rejected and (strict or not decoded.count):
            for rejection in decoded.rejected:
                self._ingest.metrics.events_rejected.labels(rejection.code).inc()
            return 400, _refusal(request_id, decoded, strict)
        receipt = await self._ingest.accept(decoded, request_id)
        return 202, _encoder.encode(Accepted(request_id, decoded.count, decoded.rejected, receipt))


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
    given = header(scope, b"x-request-id")
    if given and _SANE_REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return new_request_id()


def new_request_id() -> str:
    """A random UUID of version 4. It only names log lines, so it does not use the system's random source."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


async def reply(send: Send, status: int, body: bytes, request_id: str, headers: Headers = ()) -> None:
    """A JSON answer with its request id."""
    start = [
        *ANSWER_HEADERS,
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def reply_error(send: Send, error: TallystickError, request_id: str, headers: Headers = ()) -> None:
    """Send an error in Tallystick's own form. Errors of the server are logged."""
    if error.status >= 500:
        log.warning("request refused", request_id=request_id, code=error.code, error=error.whole)
    body = _encoder.encode({"error": {"code": error.code, "message": error.public}, "request_id": request_id})
    await reply(send, error.status, body, request_id, (*headers_of(error), *headers))


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
