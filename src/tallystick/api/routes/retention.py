"""Retention: for how long events are kept, by default and on single sites."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tallystick.access.model import Permission, Reach
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.access.scoped_store import one_of
from tallystick.api.dependencies import GivenAudit, GivenParts, GivenReach, Parts
from tallystick.api.query_answer import require_json
from tallystick.api.streaming.disconnects import while_connected
from tallystick.errors import InvalidRequest, NotFound
from tallystick.keys import EVERY_SITE
from tallystick.model.event import DEFAULT_SITE, SITE_ID_MAX
from tallystick.model.query import MetricsQuery
from tallystick.model.status import RetentionChange, RetentionRules, SiteRetention
from tallystick.store.retention import DAYS_MAX, RetentionRule, borders_at

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class RulesParams(BaseModel):
    """Which rules."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(EVERY_SITE, max_length=SITE_ID_MAX, description="`*`: of every site.")


class SiteParams(BaseModel):
    """Which site's rule."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(DEFAULT_SITE, min_length=1, max_length=SITE_ID_MAX)
    dry_run: bool = Field(False, description="Change nothing, and only count what would be removed.")

    @field_validator("site_id")
    @classmethod
    def _one_site(cls, value: str) -> str:
        if value == EVERY_SITE:
            raise ValueError("a rule is of one site: name it; TALLYSTICK_RETENTION_DAYS is that of all others")
        return value


class SetRule(SiteParams):
    """A site's rule."""

    days: int | None = Field(
        ge=1, le=DAYS_MAX, description="Days for which events of the site are kept; null: for ever."
    )
    keep_rollups: bool | None = Field(
        None,
        description="Whether rollups of the site stay when its events go; null: as TALLYSTICK_RETENTION_ROLLUPS says. "
        "Left out: as the site's rule says until now. Not on ClickHouse.",
    )


@router.get("/v1/retention")
@access(Access.SITE)
async def retention_rules(
    parts: GivenParts, reach: GivenReach, params: Annotated[RulesParams, Query()]
) -> RetentionRules:
    """For how long events are kept: on sites without a rule of their own, and the rules of the sites that have one."""
    named = "site_id" in params.model_fields_set
    wanted = None if params.site_id == EVERY_SITE else params.site_id
    site = one_of(reach, wanted, named=True) if named else None
    rules = await parts.store.retention_rules()
    shown = [rule for rule in rules if rule.site_id in reach and site in (None, rule.site_id)]
    return RetentionRules(
        default_days=parts.settings.retention_days or None,
        default_keep_rollups=parts.settings.retention_rollups,
        rollups_can_stay=parts.store.keeps_rollups,
        rules=[SiteRetention(site_id=rule.site_id, days=rule.days, keep_rollups=rule.keep_rollups) for rule in shown],
    )


@router.post("/v1/retention", dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.ERASE)
async def set_retention(
    parts: GivenParts, reach: GivenReach, audit: GivenAudit, request: Request, order: SetRule
) -> RetentionChange:
    """Set for how long events of a site are kept, in the place of the default; with `dry_run` only count.

    A worker removes what is older, for good, when it finds the rule: within seconds while little waits to be stored.
    """
    site = _site_of(order, reach)
    keeps = order.keep_rollups
    if "keep_rollups" not in order.model_fields_set:
        rules = await parts.store.retention_rules()
        keeps = next((rule.keep_rollups for rule in rules if rule.site_id == site), None)
    if keeps and not parts.store.keeps_rollups:
        raise InvalidRequest("keep_rollups: ClickHouse has no rollups that could stay when their events go")
    rule = RetentionRule(site, order.days, keeps)
    found = await _change(parts, request, order, site, rule)
    if not order.dry_run:
        await parts.store.set_retention_rule(rule)
        kept = {"keep_rollups": int(found.keep_rollups), "kept_events": found.kept_events}
        await audit.note("retention.set", site, site, days=order.days or 0, events=found.events, **kept)
    return found


@router.delete("/v1/retention")
@access(Access.SITE, Permission.ERASE)
async def clear_retention(
    parts: GivenParts, reach: GivenReach, audit: GivenAudit, request: Request, params: Annotated[SiteParams, Query()]
) -> RetentionChange:
    """Delete a site's rule, so that the default counts for it again; with `dry_run` only count what goes then."""
    site = _site_of(params, reach)
    if all(rule.site_id != site for rule in await parts.store.retention_rules()):
        raise NotFound(f"the site {site!r} has no rule of its own")
    found = await _change(parts, request, params, site, None)
    if not params.dry_run:
        await parts.store.clear_retention_rule(site)
        await audit.note("retention.clear", site, site, events=found.events, kept_events=found.kept_events)
    return found


def _site_of(params: SiteParams, reach: Reach) -> str:
    """The rule's site. Raises Forbidden and InvalidRequest as `one_of`."""
    return one_of(reach, params.site_id, named="site_id" in params.model_fields_set) or params.site_id


async def _change(
    parts: Parts, request: Request, params: SiteParams, site: str, rule: RetentionRule | None
) -> RetentionChange:
    """What a rule, or (None) the default, removes of a site."""
    default, store = parts.settings.retention_days, parts.store
    given = [rule] if rule is not None else []
    borders = borders_at(datetime.now(UTC), default, given, parts.settings.retention_rollups)
    border, keeps, events = borders.of(site), borders.keeping.of(site), 0
    if border is not None:
        query = MetricsQuery(site_id=site, until=border, bots="include")
        result = await while_connected(request.receive, store.run(query))
        # The answer has the kept rollups too, whose events are gone already.
        events = int(result.rows[0]["events"]) - await store.kept_events(site, border)
    days: float | None = rule.days if rule is not None else (default or None)
    return RetentionChange(
        dry_run=params.dry_run,
        site_id=site,
        days=days,
        kept_from=border,
        events=events,
        keep_rollups=keeps,
        kept_events=0 if keeps else await store.kept_events(site),
    )
