"""A route of its own for each analysis: POST /v1/query/<kind>, whose body does not have to name the kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenParts, GivenScopedStore
from tallystick.api.files.result import FILES, GivenFormat
from tallystick.api.query_answer import answer_query, require_json
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.retention import ActiveUsersQuery, LifecycleQuery, RetentionQuery, StickinessQuery
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.queries.users import PeopleQuery
from tallystick.model.query import Result

ANALYSES: dict[type[Any], str] = {
    SessionsQuery: "Sessions: counts, bounce rate, duration, pages; over time, by channel, referrer, entry and exit "
    "page.",
    PathsQuery: "The paths that sessions take through pages or events.",
    PeopleQuery: "Users with when they were seen and how much they did, page by page.",
    FunnelQuery: "How many persons get how far through a series of steps, and how long it takes them.",
    FunnelUsersQuery: "The users who did a step of a funnel, or dropped out there, page by page.",
    RetentionQuery: "The share of the persons who began in a day, week or month that came back in the following ones.",
    LifecycleQuery: "New, returning, resurrecting and dormant persons by day, week or month.",
    StickinessQuery: "How many persons were active on how many days, weeks or months.",
    ActiveUsersQuery: "DAU, WAU and MAU of each day, and their ratios.",
}
"""The model of each analysis and the summary of its route. Path and operation id are the model's `kind`."""

router = APIRouter(tags=["analyses"], route_class=GuardedRoute, dependencies=[Depends(require_json)])


def _endpoint(model: type[Any]) -> Callable[..., Awaitable[Response]]:
    """The endpoint that answers queries of this model."""

    async def analysis(parts: GivenParts, store: GivenScopedStore, query: Any, form: GivenFormat = None) -> Response:
        return await answer_query(parts, store, query, form)

    analysis.__annotations__["query"] = model  # FastAPI reads the body's model from the signature
    return access(Access.SITE)(analysis)


for _model, _summary in ANALYSES.items():
    _kind = _model.model_fields["kind"].default
    router.add_api_route(
        f"/v1/query/{_kind}",
        _endpoint(_model),
        methods=["POST"],
        name=_kind,
        description=_summary,
        response_model=Result,
        responses=FILES,
    )
