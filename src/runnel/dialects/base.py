"""What the dialects share: their context, and routes whose answers and errors keep the dialect's own form.

A dialect is a module with `write_routes`, `read_routes` and `openapi`. Write routes are raw ASGI, because they are hot;
read routes are Starlette's.
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

from runnel.config import Settings
from runnel.errors import InvalidRequest, RunnelError
from runnel.ingest import ids
from runnel.ingest.app import IDEMPOTENCY_KEY_MAX, Ingest, reply, request_id_of, retry_after
from runnel.ingest.body import ClientGone, header
from runnel.ingest.normalise import Rejected
from runnel.ingest.text import clean_json
from runnel.model.event import PATH_MAX, Event
from runnel.model.query import MetricsQuery
from runnel.queue.base import Queue
from runnel.store.base import Store

WriteRoutes: TypeAlias = dict[tuple[str, str], ASGIApp]
"""`(method, path)` → ASGI callable."""

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
ErrorForm: TypeAlias = Callable[[str], Any]
"""The JSON body that a dialect gives a sentence about an error."""

log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Speaks:
    """What a dialect works with."""

    ingest: Ingest
    store: Store
    queue: Queue
    settings: Settings


class Dialect(Protocol):
    """A module of this package that speaks one foreign API."""

    def write_routes(self, ctx: Speaks) -> WriteRoutes: ...
    def read_routes(self, ctx: Speaks) -> list[BaseRoute]: ...
    def openapi(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`(paths, schemas)` for the OpenAPI document; schemas are named after the dialect."""


class Answer(NamedTuple):
    """A status, a body that becomes JSON, headers beside the usual ones, and a request id if not the header's."""

    status: int
    body: Any
    headers: Headers = ()
    request_id: str = ""


Take: TypeAlias = Callable[[Speaks, Scope, bytes, str], Awaitable[Answer]]
Read: TypeAlias = Callable[[Speaks, Mapping[str, str]], Awaitable[Any]]


class Refused(Exception):
    """The request is refused with this answer, which has the dialect's own form."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.answer = Answer(status, body)


def failure(error: RunnelError, form: ErrorForm) -> Answer:
    """The answer to one of Runnel's errors: its status and Retry-After, the dialect's body."""
    return Answer(error.status, form(error.message), retry_after(error))


class WriteRoute:
    """A raw ASGI route: read the body, hand it to `take`, answer. Bodies come cleaned of NUL and half surrogates."""

    def __init__(self, ctx: Speaks, route: str, take: Take, form: ErrorForm, headers: Headers = ()) -> None:
        """
        Args:
            route: the path, as metrics name it.
            take: gets context, scope, body and request id; may raise Refused and RunnelError.
            form: gives Runnel's errors the dialect's form.
            headers: go with every answer.
        """
        self._ctx = ctx
        self._route = route
        self._take = take
        self._form = form
        self._headers = headers
        self._seconds = ctx.ingest.metrics.http_seconds.labels(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = request_id_of(scope)
        try:
            body = clean_json(await self._ctx.ingest.read_body(scope, receive))
            answer = await self._take(self._ctx, scope, body, request_id)
        except ClientGone:
            return
        except Refused as refused:
            answer = refused.answer
        except RunnelError as error:
            answer = failure(error, self._form)
            if error.status >= 500:
                log.warning("request refused", request_id=request_id, code=error.code, error=error.message)
        headers = (*self._headers, *answer.headers)
        await reply(send, answer.status, _encoder.encode(answer.body), answer.request_id or request_id, headers)
        self._ctx.ingest.metrics.http_requests.labels(self._route, str(answer.status)).inc()
        self._seconds.observe(time.perf_counter() - started)


def derive_ids(scope: Scope, events: Sequence[Event]) -> None:
    """With an Idempotency-Key, events get ids from it and their place, so that a retry of the request is found (G2).

    For APIs whose events bring no id. Raises InvalidRequest when the key is too long.
    """
    key = header(scope, b"idempotency-key")
    if len(key) > IDEMPOTENCY_KEY_MAX:
        raise InvalidRequest(f"Idempotency-Key has more than {IDEMPOTENCY_KEY_MAX} characters")
    if key:
        for index, event in enumerate(events):
            event.event_id = ids.derived(f"{key.decode('latin-1')}\x1f{index}")


def read_route(ctx: Speaks, path: str, read: Read, form: ErrorForm, headers: Headers = ()) -> Route:
    """A GET route. `read` gets the query parameters, returns a JSON body or an Answer, and may raise as `take` may."""

    async def endpoint(request: Request) -> Response:
        request.scope["route"] = route  # by which the request is counted
        try:
            body = await read(ctx, request.query_params)
            answer = body if isinstance(body, Answer) else Answer(200, body)
        except Refused as refused:
            answer = refused.answer
        except RunnelError as error:
            answer = failure(error, form)
        response = Response(_encoder.encode(answer.body), answer.status, media_type="application/json")
        response.raw_headers.extend((*headers, *answer.headers))
        return response

    route = Route(path, endpoint, methods=["GET"], include_in_schema=False)
    return route


class _Path(msgspec.Struct, gc=False):
    path: str | None = None


_path_decoder = msgspec.json.Decoder(_Path)


def promoted_path(properties: bytes) -> str | None:
    """The member `path` of a JSON object's text, when it is a text that fits the event's field `path`."""
    if b'"path"' not in properties:
        return None
    try:
        path = _path_decoder.decode(properties).path
    except (msgspec.DecodeError, RecursionError):
        return None
    return path if path and len(path) <= PATH_MAX else None


def check_size(properties: bytes, settings: Settings) -> None:
    """Raises Rejected when properties alone are larger than an event may be."""
    if len(properties) > settings.max_event_bytes:
        raise Rejected(
            "event_too_large", f"the event has more than {len(properties)} bytes; at most {settings.max_event_bytes}"
        )


async def all_rows(store: Store, question: MetricsQuery) -> list[dict[str, Any]]:
    """The rows of every page of the answer. Raises as `Store.run` does."""
    rows: list[dict[str, Any]] = []
    while True:
        result = await store.run(question)
        rows += result.rows
        if result.next_cursor is None:
            return rows
        question = question.model_copy(update={"cursor": result.next_cursor})


# --- pieces of the OpenAPI document ----------------------------------------------------------------------------------


def openapi_answer(description: str, example: Any) -> dict[str, Any]:
    """A response object with an example body."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def openapi_body(schema: str) -> dict[str, Any]:
    """A request body that is the schema of this name."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"required": True, "content": {"application/json": {"schema": reference}}}


def openapi_query(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    """A query parameter."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def openapi_schemas(body: type[BaseModel] | type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schemas of a body and of what it is made of, by their names."""
    if issubclass(body, BaseModel):
        definitions: dict[str, Any] = models_json_schema([(body, "validation")], ref_template=_REFERENCE)[1]["$defs"]
        return definitions
    return msgspec.json.schema_components([body], ref_template=_REFERENCE.replace("model", "name"))[1]


_REFERENCE = "#/components/schemas/{model}"
