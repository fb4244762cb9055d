"""What the dialects share: their context, and routes whose answers and errors have the dialect's own form.

A dialect is a module with `write_routes`, `read_routes` and `openapi`. Write routes are raw ASGI, because most requests
go through them; read routes are Starlette's.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec
import structlog
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, Gate, access
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.config import Settings
from tallystick.errors import TallystickError
from tallystick.http_headers import READ, WRITE
from tallystick.ingest import ids
from tallystick.ingest.app import Ingest, headers_of, identity_of, reply, request_id_of
from tallystick.ingest.body import ClientGone, header
from tallystick.ingest.normalise import Rejected, allowed_site
from tallystick.ingest.text import clean_json
from tallystick.model.event import PATH_MAX, Event
from tallystick.model.query import MetricsQuery
from tallystick.queue.base import Queue
from tallystick.store.base import Store

WriteRoutes: TypeAlias = dict[tuple[str, str], ASGIApp]
"""`(method, path)` → ASGI callable."""

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
ErrorForm: TypeAlias = Callable[[str], Any]
"""An error's sentence → the dialect's JSON body for it."""

log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Takes:
    """The context of a dialect's write routes. It has no store, since a process that only accepts events has none."""

    ingest: Ingest
    queue: Queue
    settings: Settings


@dataclass(frozen=True)
class Speaks(Takes):
    """The context from which a dialect makes its routes."""

    store: Store


@dataclass(frozen=True)
class Asks:
    """The context of a read route: a store limited to what the caller may see."""

    store: ScopedStore
    queue: Queue
    settings: Settings


class Dialect(Protocol):
    """A module of this package that speaks the API of another system."""

    @property
    def SPELLINGS(self) -> Spellings: ...
    def write_routes(self, ctx: Takes) -> WriteRoutes: ...
    def read_routes(self, ctx: Speaks) -> list[BaseRoute]: ...
    def openapi(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`(paths, schemas)` for the OpenAPI document; schemas are named after the dialect."""


class Answer(NamedTuple):
    """A status, a body for JSON, additional headers, and a request id if it is not the header's."""

    status: int
    body: Any
    headers: Headers = ()
    request_id: str = ""


class Spellings(NamedTuple):
    """Paths of a dialect that its own server also answers under other spellings.

    Attributes:
        paths: also with a slash at the end.
        any_case: capitals and small letters are the same.
    """

    paths: frozenset[str]
    any_case: bool = False


Take: TypeAlias = Callable[[Takes, Scope, bytes, str, str | None], Awaitable[Answer]]
"""`(context, scope, body, request id, the only site that the events may belong to)` → answer; site None: any."""
Read: TypeAlias = Callable[[Asks, Mapping[str, str]], Awaitable[Any]]


class Refused(Exception):
    """The request is refused with this answer in the dialect's own form."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.answer = Answer(status, body)


def failure(error: TallystickError, form: ErrorForm) -> Answer:
    """The answer to one of Tallystick's errors: its status and headers, the dialect's body."""
    return Answer(error.status, form(error.public), headers_of(error))


class WriteRoute:
    """A raw ASGI route: read the body, pass it to `take`, answer. `take` gets it without NUL and lone surrogates."""

    def __init__(
        self, ctx: Takes, route: str, take: Take, form: ErrorForm, own_header: str = "", most: int | None = None
    ) -> None:
        """
        Args:
            route: the path, as metrics name it.
            take: may raise Refused and TallystickError.
            form: turns Tallystick's errors into the dialect's form.
            own_header: a further header for the key, besides Authorization and X-API-Key.
            most: largest body in bytes; None: `max_body_bytes`.
        """
        self._ctx = ctx
        self._most = most
        self._route = route
        self._take = take
        self._form = form
        self._own_header = own_header.encode("ascii")
        self._seconds = ctx.ingest.metrics.http_seconds.labels(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = request_id_of(scope)
        try:
            body, site = await self._ctx.ingest.read_body(
                scope, receive, own_header=self._own_header, foreign=True, most=self._most
            )
            answer = await self._take(self._ctx, scope, clean_json(body), request_id, site)
        except ClientGone:
            return
        except Refused as refused:
            answer = refused.answer
        except TallystickError as error:
            answer = failure(error, self._form)
            if error.status >= 500:
                log.warning("request refused", request_id=request_id, code=error.code, error=error.whole)
        headers = (*cors_headers(scope), *answer.headers)
        await reply(send, answer.status, _encoder.encode(answer.body), answer.request_id or request_id, headers)
        self._ctx.ingest.metrics.http_requests.labels(self._route, str(answer.status)).inc()
        self._seconds.observe(time.perf_counter() - started)


# --- browsers and other clients that ask in another way ---------------------------------------------------------------

_EXPOSED = (b"access-control-expose-headers", b"X-Request-ID, Retry-After")


def cors_headers(scope: Scope, with_cookies: bool = True) -> Headers:
    """The headers that let a page of another origin read the answer.

    Args:
        with_cookies: also when the page sends its cookies, for which a browser wants its origin's name. Tallystick
            reads no cookie, but a proxy in front of it may.
    """
    origin = header(scope, b"origin")
    if not (with_cookies and origin and header(scope, b"cookie")):
        return ((b"access-control-allow-origin", b"*"), _EXPOSED)
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        _EXPOSED,
        (b"vary", b"Origin"),
    )


def preflight(method: bytes, body: bytes = b"") -> ASGIApp:
    """The answer to a browser's OPTIONS request: any page may use `method` with the headers it asked for."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        allowed = method + b", OPTIONS"
        headers = [
            *WRITE,
            (b"access-control-allow-origin", header(scope, b"origin") or b"*"),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-allow-methods", allowed),
            (b"access-control-allow-headers", header(scope, b"access-control-request-headers") or b"*"),
            (b"access-control-max-age", b"600"),
            (b"allow", allowed),
            (b"vary", b"Origin, Access-Control-Request-Headers"),
            (b"content-length", b"%d" % len(body)),
        ]
        if body:
            headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def beside_post(path: str, form: ErrorForm, preflight_body: bytes = b"") -> WriteRoutes:
    """What a path that only takes POST answers to the other methods: OPTIONS, and 405 to the rest."""
    answer = _encoder.encode(form("Method Not Allowed"))

    async def not_allowed(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            *READ,
            (b"allow", b"POST, OPTIONS"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
            (b"x-request-id", request_id_of(scope).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer})

    others: WriteRoutes = {(method, path): not_allowed for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")}
    return {("OPTIONS", path): preflight(b"POST", preflight_body), **others}


def derive_ids(scope: Scope, body: bytes, events: Sequence[Event]) -> None:
    """With an Idempotency-Key, derive event ids from the request and the index, so that a retry is recognised (G2).

    For APIs whose events have no id. Raises InvalidRequest when the key is too long.
    """
    if identity := identity_of(scope, body):
        for index, event in enumerate(events):
            event.event_id = ids.derived_in_request(identity, event.site_id, index)


def check_site(named: str, site: str | None, form: ErrorForm) -> None:
    """Raises Refused: 403 when an event names another site than its key is for."""
    try:
        allowed_site(named, site)
    except Rejected as error:
        raise Refused(403, form(error.message)) from error


def read_route(
    ctx: Speaks,
    path: str,
    wanted: Access,
    read: Read,
    form: ErrorForm,
    own_header: str = "",
) -> Route:
    """A GET route. `read` gets the query parameters, returns a JSON body or an Answer, and may raise as `take` may.

    `Gate.may_be_read_from` decides whether the answer has the headers that let a page of another origin read it.
    """

    @access(wanted)
    async def endpoint(request: Request) -> Response:
        request.scope["route"] = route  # the label of the request in metrics
        gate: Gate = request.app.state.gate
        try:
            caller = await gate.admit(wanted, request.scope, own_header, foreign=True)
            asks = Asks(ScopedStore(ctx.store, caller.reach(Permission.READ), request.receive), ctx.queue, ctx.settings)
            body = await read(asks, request.query_params)
            answer = body if isinstance(body, Answer) else Answer(200, body)
        except Refused as refused:
            answer = refused.answer
        except TallystickError as error:
            answer = failure(error, form)
            if error.status >= 500:
                log.warning("request refused", code=error.code, error=error.whole)
        response = Response(_encoder.encode(answer.body), answer.status, media_type="application/json")
        shared: Headers = ()
        if gate.may_be_read_from(request.scope):
            shared = cors_headers(request.scope, with_cookies=gate.trusts_origin_of(request.scope))
        response.raw_headers.extend((*shared, *answer.headers))
        return response

    route = Route(path, endpoint, methods=["GET"], include_in_schema=False)
    return route


class _Path(msgspec.Struct, gc=False):
    path: str | None = None


_path_decoder = msgspec.json.Decoder(_Path)


def promoted_path(properties: bytes) -> str | None:
    """The member `path` of a JSON object, if it is a text that fits the event's field `path`."""
    if b'"path"' not in properties:
        return None
    try:
        path = _path_decoder.decode(properties).path
    except (msgspec.DecodeError, RecursionError):
        return None
    return path if path and len(path) <= PATH_MAX else None


def check_size(properties: bytes, settings: Settings) -> None:
    """Raises Rejected when the properties alone exceed the size limit of an event."""
    if len(properties) > settings.max_event_bytes:
        raise Rejected(
            "event_too_large", f"the event has more than {len(properties)} bytes; at most {settings.max_event_bytes}"
        )


async def all_rows(store: ScopedStore, query: MetricsQuery) -> list[dict[str, Any]]:
    """The rows of all pages of the answer. Raises the errors of `Store.run`."""
    rows: list[dict[str, Any]] = []
    while True:
        result = await store.run(query)
        rows += result.rows
        if result.next_cursor is None:
            return rows
        query = query.model_copy(update={"cursor": result.next_cursor})


# --- pieces of the OpenAPI document ---------------------------------------------------------------------------------


def openapi_answer(description: str, example: Any) -> dict[str, Any]:
    """A response object with an example body."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def openapi_body(schema: str) -> dict[str, Any]:
    """A request body with the schema of this name."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"required": True, "content": {"application/json": {"schema": reference}}}


def openapi_query(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    """A query parameter."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def openapi_schemas(body: type[BaseModel] | type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schemas of a body and of its parts, by name."""
    if issubclass(body, BaseModel):
        definitions: dict[str, Any] = models_json_schema([(body, "validation")], ref_template=_REFERENCE)[1]["$defs"]
        return definitions
    return msgspec.json.schema_components([body], ref_template=_REFERENCE.replace("model", "name"))[1]


_REFERENCE = "#/components/schemas/{model}"
