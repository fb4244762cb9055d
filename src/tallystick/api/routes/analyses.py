"""The analyses by a route of their own: POST /v1/query/<kind>, without naming the kind in the body."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from tallystick.api.access import Access, Guarded, access
from tallystick.api.files.result import FILES, GivenFormat
from tallystick.api.parts import GivenParts, GivenQuestions
from tallystick.api.routes.query import answer, require_json
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.retention import ActiveUsersQuery, LifecycleQuery, RetentionQuery, StickinessQuery
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.queries.users import PeopleQuery
from tallystick.model.query import Result

router = APIRouter(tags=["analyses"], route_class=Guarded, dependencies=[Depends(require_json)])


@router.post("/v1/query/sessions", response_model=Result, responses=FILES)
@access(Access.SITE)
async def sessions(
    parts: GivenParts, store: GivenQuestions, question: SessionsQuery, form: GivenFormat = None
) -> Response:
    """Sessions: counts, bounce rate, duration, pages; over time, by channel, referrer, entry and exit page."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/paths", response_model=Result, responses=FILES)
@access(Access.SITE)
async def paths(parts: GivenParts, store: GivenQuestions, question: PathsQuery, form: GivenFormat = None) -> Response:
    """The ways that sessions take through pages or events."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/people", response_model=Result, responses=FILES)
@access(Access.SITE)
async def people(parts: GivenParts, store: GivenQuestions, question: PeopleQuery, form: GivenFormat = None) -> Response:
    """Users with when they were seen and how much they did, page by page."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/funnel", response_model=Result, responses=FILES)
@access(Access.SITE)
async def funnel(parts: GivenParts, store: GivenQuestions, question: FunnelQuery, form: GivenFormat = None) -> Response:
    """How many persons get how far through a series of steps, and how long it takes them."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/funnel_users", response_model=Result, responses=FILES)
@access(Access.SITE)
async def funnel_users(
    parts: GivenParts, store: GivenQuestions, question: FunnelUsersQuery, form: GivenFormat = None
) -> Response:
    """Who did a step of a funnel, or dropped there, page by page."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/retention", response_model=Result, responses=FILES)
@access(Access.SITE)
async def retention(
    parts: GivenParts, store: GivenQuestions, question: RetentionQuery, form: GivenFormat = None
) -> Response:
    """Which share of those who began in a day, week or month came back in the following ones."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/lifecycle", response_model=Result, responses=FILES)
@access(Access.SITE)
async def lifecycle(
    parts: GivenParts, store: GivenQuestions, question: LifecycleQuery, form: GivenFormat = None
) -> Response:
    """New, returning, resurrecting and dormant persons by day, week or month."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/stickiness", response_model=Result, responses=FILES)
@access(Access.SITE)
async def stickiness(
    parts: GivenParts, store: GivenQuestions, question: StickinessQuery, form: GivenFormat = None
) -> Response:
    """How many persons were active on how many days, weeks or months."""
    return await answer(parts, store, question, form)


@router.post("/v1/query/active_users", response_model=Result, responses=FILES)
@access(Access.SITE)
async def active_users(
    parts: GivenParts, store: GivenQuestions, question: ActiveUsersQuery, form: GivenFormat = None
) -> Response:
    """DAU, WAU and MAU of each day, and their ratios."""
    return await answer(parts, store, question, form)
