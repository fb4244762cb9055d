"""The analyses by a route of their own: POST /v1/query/<kind>, without naming the kind in the body."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from runnel.model.paths import PathsQuery
from runnel.model.people import PeopleQuery
from runnel.model.query import Result
from runnel.model.sessions import SessionsQuery
from runnel.query.access import Access, Guarded, access
from runnel.query.parts import GivenParts, GivenQuestions
from runnel.query.routes_query import answer, require_json

router = APIRouter(tags=["analyses"], route_class=Guarded, dependencies=[Depends(require_json)])


@router.post("/v1/query/sessions", response_model=Result)
@access(Access.SITE)
async def sessions(parts: GivenParts, store: GivenQuestions, question: SessionsQuery) -> Response:
    """Sessions: counts, bounce rate, duration, pages; over time, by channel, referrer, entry and exit page."""
    return await answer(parts, store, question)


@router.post("/v1/query/paths", response_model=Result)
@access(Access.SITE)
async def paths(parts: GivenParts, store: GivenQuestions, question: PathsQuery) -> Response:
    """The ways that sessions take through pages or events."""
    return await answer(parts, store, question)


@router.post("/v1/query/people", response_model=Result)
@access(Access.SITE)
async def people(parts: GivenParts, store: GivenQuestions, question: PeopleQuery) -> Response:
    """Users with when they were seen and how much they did, page by page."""
    return await answer(parts, store, question)
