"""Rollups: count them again from the raw events, day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenAudit, GivenParts
from tallystick.api.query_answer import require_json
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.status import RebuiltDay, RollupDays

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class DaysParams(BaseModel):
    """A range of UTC days."""

    model_config = ConfigDict(extra="forbid")

    since: date | None = Field(None, description="First UTC day, included. Absent: from the first event.")
    until: date | None = Field(None, description="UTC day, excluded. Absent: up to the newest event.")


class Rebuild(BaseModel):
    """Which counts to make anew."""

    model_config = ConfigDict(extra="forbid")

    day: date = Field(description="A UTC day.")
    site_id: str | None = Field(None, min_length=1, max_length=SITE_ID_MAX, description="null: every site.")


@router.get("/v1/rollups/days")
@access(Access.EVERY)
async def rollup_days(parts: GivenParts, params: Annotated[DaysParams, Query()]) -> RollupDays:
    """The UTC days that have events or rollups, ascending."""
    first, last = params.since or date.min, params.until or date.max
    days = await parts.store.rollup_days()
    return RollupDays(days=[day.date() for day in days if first <= day.date() < last])


@router.post("/v1/rollups/rebuild", dependencies=[Depends(require_json)])
@access(Access.EVERY, Permission.OPERATE)
async def rebuild_rollups(parts: GivenParts, audit: GivenAudit, order: Rebuild) -> RebuiltDay:
    """Count one day's rollups again from its raw events, in one transaction. Loading waits for it."""
    report = await parts.store.rebuild_rollups(_start(order.day), order.site_id)
    await audit.note("rollups.rebuild", order.day.isoformat(), order.site_id, wrong=report.wrong)
    return RebuiltDay(day=order.day, events=report.events, wrong=report.wrong)


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
