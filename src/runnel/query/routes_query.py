"""Questions: POST /v1/query takes any, the GET routes are for the simple ones."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from runnel.errors import InvalidRequest, RunnelError
from runnel.model import query as model
from runnel.query.access import Access, Guarded, Questions, access
from runnel.query.answers import json_answer
from runnel.query.params import EventsParams, KeysParams, MetricsParams, TimelineParams, ValuesParams
from runnel.query.parts import GivenParts, GivenQuestions, Parts

router = APIRouter(tags=["questions"], route_class=Guarded)


def require_json(request: Request) -> None:
    """Refuse bodies that are not declared as JSON: a browser may send those across sites without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send the body as JSON, with the header Content-Type: application/json")


async def answer(parts: Parts, store: Questions, query: model.Query) -> Response:
    """Ask the store; the answer with its freshness."""
    _check_instants(query)
    try:
        with parts.metrics.query_seconds.labels(query.kind).time():
            result = await store.run(query)
    except RunnelError as error:
        parts.metrics.query_failures.labels(query.kind, error.code).inc()
        raise
    return json_answer(
        {
            "rows": result.rows,
            "next_cursor": result.next_cursor,
            "exact": result.exact,
            "from_rollup": result.from_rollup,
            "elapsed_ms": result.elapsed_ms,
            "freshness": await _freshness(parts, result),
        }
    )


async def _freshness(parts: Parts, result: model.Result) -> dict[str, Any]:
    """Without a queue to ask, its lag is left out: null would say that nothing waits."""
    freshness: dict[str, Any] = {"loaded_at": result.freshness.loaded_at}
    with suppress(RunnelError):
        freshness["queue_lag_seconds"] = (await parts.queue.depth()).oldest_age
    return freshness


def _check_instants(query: model.Scope) -> None:
    for name, moment in (("since", query.since), ("until", query.until)):
        try:
            if moment is not None:
                moment.astimezone(UTC)
        except OverflowError as error:
            raise InvalidRequest(f"{name}: {moment} lies outside of the years 1 to 9999 in UTC") from error


@router.post("/v1/query", response_model=model.Result, dependencies=[Depends(require_json)])
@access(Access.SITE)
async def query(parts: GivenParts, store: GivenQuestions, question: model.Query) -> Response:
    """Ask anything: metrics over time and broken down, single events, property keys, values."""
    return await answer(parts, store, question)


@router.get("/v1/query", response_model=model.Result)
@access(Access.SITE)
async def simple_query(
    parts: GivenParts, store: GivenQuestions, params: Annotated[MetricsParams, Query()]
) -> Response:
    """Metrics, for a browser's address line or curl: `?metric=events&interval=day&since=7d`."""
    return await answer(parts, store, params.question(datetime.now(UTC)))


@router.get("/v1/events", response_model=model.Result)
@access(Access.SITE)
async def events(
    parts: GivenParts, store: GivenQuestions, params: Annotated[EventsParams, Query()]
) -> Response:
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


@router.get("/v1/properties", response_model=model.Result)
@access(Access.SITE)
async def properties(
    parts: GivenParts, store: GivenQuestions, params: Annotated[KeysParams, Query()]
) -> Response:
    """Which property keys the newest events have, the most frequent first."""
    return await answer(parts, store, params.question(datetime.now(UTC)))


@router.get("/v1/values", response_model=model.Result)
@access(Access.SITE)
async def values(
    parts: GivenParts, store: GivenQuestions, params: Annotated[ValuesParams, Query()]
) -> Response:
    """Which values a field has in the newest events, the most frequent first."""
    return await answer(parts, store, params.question(datetime.now(UTC)))
