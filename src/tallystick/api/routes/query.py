"""POST /v1/query takes a query of any kind; the GET routes take simple ones in the query string."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenParts, GivenScopedStore
from tallystick.api.files.result import FILES, GivenFormat
from tallystick.api.parameters import (
    EventsParams,
    KeysParams,
    MetricsParams,
    PersonParams,
    TimelineParams,
    ValuesParams,
)
from tallystick.api.query_answer import answer_query, check_range, require_json, run_query
from tallystick.api.responses import json_answer
from tallystick.model import query as model

router = APIRouter(tags=["queries"], route_class=GuardedRoute)


@router.post("/v1/query", response_model=model.Result, responses=FILES, dependencies=[Depends(require_json)])
@access(Access.SITE)
async def query(parts: GivenParts, store: GivenScopedStore, query: model.Query, form: GivenFormat = None) -> Response:
    """Answer a query of any kind: metrics over time and broken down, single events, property keys, values."""
    return await answer_query(parts, store, query, form)


@router.get("/v1/query", response_model=model.Result, responses=FILES)
@access(Access.SITE)
async def simple_query(
    parts: GivenParts, store: GivenScopedStore, params: Annotated[MetricsParams, Query()]
) -> Response:
    """Metrics, for a browser's address line or curl: `?metric=events&interval=day&since=7d`."""
    return await answer_query(parts, store, params.query(datetime.now(UTC)), params.format)


@router.get("/v1/events", response_model=model.Result)
@access(Access.SITE)
async def events(parts: GivenParts, store: GivenScopedStore, params: Annotated[EventsParams, Query()]) -> Response:
    """Single events, newest first."""
    return await answer_query(parts, store, params.query(datetime.now(UTC), params.user_id))


@router.get("/v1/users/{user_id:path}/events", response_model=model.Result)
@access(Access.SITE)
async def timeline(
    parts: GivenParts,
    store: GivenScopedStore,
    user_id: Annotated[str, Path(max_length=256)],
    params: Annotated[TimelineParams, Query()],
) -> Response:
    """One user's events, oldest first."""
    return await answer_query(parts, store, params.query(datetime.now(UTC), user_id))


@router.get("/v1/users/{user_id:path}", response_model=model.Person)
@access(Access.SITE)
async def person(
    parts: GivenParts,
    store: GivenScopedStore,
    user_id: Annotated[str, Path(min_length=1, max_length=256)],
    params: Annotated[PersonParams, Query()],
) -> Response:
    """Who an id belongs to: all ids of the person, and the event that joined each."""
    query = params.query(datetime.now(UTC), user_id)
    check_range(query)
    return json_answer((await run_query(parts, store, query)).rows[0])


@router.get("/v1/properties", response_model=model.Result)
@access(Access.SITE)
async def properties(parts: GivenParts, store: GivenScopedStore, params: Annotated[KeysParams, Query()]) -> Response:
    """Which property keys the newest events have, the most frequent first."""
    return await answer_query(parts, store, params.query(datetime.now(UTC)))


@router.get("/v1/values", response_model=model.Result)
@access(Access.SITE)
async def values(parts: GivenParts, store: GivenScopedStore, params: Annotated[ValuesParams, Query()]) -> Response:
    """Which values a field has in the newest events, the most frequent first."""
    return await answer_query(parts, store, params.query(datetime.now(UTC)))
