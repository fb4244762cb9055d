"""Questions: POST /v1/query takes any, the GET routes are for the simple ones."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tallystick.api.access import Access, Guarded, Questions, access
from tallystick.api.files import result as result_file
from tallystick.api.files.format import FileFormat
from tallystick.api.files.result import FILES, GivenFormat
from tallystick.api.parameters import (
    EventsParams,
    KeysParams,
    MetricsParams,
    PersonParams,
    TimelineParams,
    ValuesParams,
)
from tallystick.api.parts import GivenParts, GivenQuestions, Parts
from tallystick.api.responses import json_answer
from tallystick.errors import InvalidRequest, TallystickError
from tallystick.model import query as model

router = APIRouter(tags=["questions"], route_class=Guarded)


def require_json(request: Request) -> None:
    """Refuse bodies that are not declared as JSON: a browser may send those across sites without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send the body as JSON, with the header Content-Type: application/json")


async def answer(
    parts: Parts,
    store: Questions,
    query: model.Query,
    form: FileFormat | None = None,
    name: str = "",
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """Ask the store; the answer with its freshness, or as a file.

    Args:
        form: of the file; None: no file.
        name: what a file is called; empty: as the kind of question.
        more: fields of the answer beside a result's.
    """
    _check_instants(query)
    if form is not None and form != "json":
        return await result_file.as_file(parts, partial(_ask, parts, store), query, form, name or query.kind)
    result = await _ask(parts, store, query)
    headers = None if form is None else result_file.disposition(name or query.kind, form)
    return json_answer({**await _fields(parts, result), **more}, headers=headers)


async def _ask(parts: Parts, store: Questions, query: model.Query) -> model.Result:
    try:
        with parts.metrics.query_seconds.labels(query.kind).time():
            result = await store.run(query)
    except TallystickError as error:
        parts.metrics.query_failures.labels(query.kind, error.code).inc()
        raise
    return result


async def _fields(parts: Parts, result: model.Result) -> dict[str, Any]:
    return {
        "rows": result.rows,
        "next_cursor": result.next_cursor,
        **({"previous": result.previous.model_dump()} if result.previous is not None else {}),
        "exact": result.exact,
        "from_rollup": result.from_rollup,
        "elapsed_ms": result.elapsed_ms,
        "freshness": await _freshness(parts, result),
    }


async def _freshness(parts: Parts, result: model.Result) -> dict[str, Any]:
    """Without a queue to ask, its lag is left out: null would say that nothing waits."""
    freshness: dict[str, Any] = {"loaded_at": result.freshness.loaded_at}
    with suppress(TallystickError):
        freshness["queue_lag_seconds"] = (await parts.queue.depth()).oldest_age
    return freshness


def _check_instants(query: model.Scope) -> None:
    for name, moment in (("since", query.since), ("until", query.until)):
        try:
            if moment is not None:
                moment.astimezone(UTC)
        except OverflowError as error:
            raise InvalidRequest(f"{name}: {moment} lies outside of the years 1 to 9999 in UTC") from error


@router.post("/v1/query", response_model=model.Result, responses=FILES, dependencies=[Depends(require_json)])
@access(Access.SITE)
async def query(parts: GivenParts, store: GivenQuestions, question: model.Query, form: GivenFormat = None) -> Response:
    """Ask anything: metrics over time and broken down, single events, property keys, values."""
    return await answer(parts, store, question, form)


@router.get("/v1/query", response_model=model.Result, responses=FILES)
@access(Access.SITE)
async def simple_query(parts: GivenParts, store: GivenQuestions, params: Annotated[MetricsParams, Query()]) -> Response:
    """Metrics, for a browser's address line or curl: `?metric=events&interval=day&since=7d`."""
    return await answer(parts, store, params.question(datetime.now(UTC)), params.format)


@router.get("/v1/events", response_model=model.Result)
@access(Access.SITE)
async def events(parts: GivenParts, store: GivenQuestions, params: Annotated[EventsParams, Query()]) -> Response:
    """Single events, newest first."""
    return await answer(parts, store, params.question(datetime.now(UTC), params.user_id))


@router.get("/v1/users/{user_id:path}/events", response_model=model.Result)
@access(Access.SITE)
async def timeline(
    parts: GivenParts,
    store: GivenQuestions,
    user_id: Annotated[str, Path(max_length=256)],
    params: Annotated[TimelineParams, Query()],
) -> Response:
    """One user's events, oldest first."""
    return await answer(parts, store, params.question(datetime.now(UTC), user_id))


@router.get("/v1/users/{user_id:path}", response_model=model.Person)
@access(Access.SITE)
async def person(
    parts: GivenParts,
    store: GivenQuestions,
    user_id: Annotated[str, Path(min_length=1, max_length=256)],
    params: Annotated[PersonParams, Query()],
) -> Response:
    """Who an id belongs to: all ids of the person, and the event that joined each."""
    asked = params.question(datetime.now(UTC), user_id)
    _check_instants(asked)
    return json_answer((await _ask(parts, store, asked)).rows[0])


@router.get("/v1/properties", response_model=model.Result)
@access(Access.SITE)
async def properties(parts: GivenParts, store: GivenQuestions, params: Annotated[KeysParams, Query()]) -> Response:
    """Which property keys the newest events have, the most frequent first."""
    return await answer(parts, store, params.question(datetime.now(UTC)))


@router.get("/v1/values", response_model=model.Result)
@access(Access.SITE)
async def values(parts: GivenParts, store: GivenQuestions, params: Annotated[ValuesParams, Query()]) -> Response:
    """Which values a field has in the newest events, the most frequent first."""
    return await answer(parts, store, params.question(datetime.now(UTC)))
