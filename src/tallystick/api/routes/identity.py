"""POST /v1/identity/split: takes joined ids apart again."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenAudit, GivenParts
from tallystick.api.query_answer import require_json
from tallystick.errors import NotFound
from tallystick.keys import EVERY_SITE
from tallystick.model.event import DEFAULT_SITE, SITE_ID_MAX, USER_ID_MAX
from tallystick.model.status import IdentitySplit

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class Split(BaseModel):
    """Which id."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(min_length=1, max_length=USER_ID_MAX, description="As it was sent: an id of the person.")
    site_id: str = Field(DEFAULT_SITE, min_length=1, max_length=SITE_ID_MAX)

    @field_validator("site_id")
    @classmethod
    def _one_site(cls, value: str) -> str:
        if value == EVERY_SITE:
            raise ValueError("ids are joined within a site: name one")
        return value


@router.post("/v1/identity/split", dependencies=[Depends(require_json)])
@access(Access.EVERY, Permission.ERASE)
async def split_identity(parts: GivenParts, audit: GivenAudit, order: Split) -> IdentitySplit:
    """Take an id out of its person. Ids that were joined to it go with it; the person's own id leaves all others.

    The joins up to `split_at` (event time) do not count any more; a later `identify` or `alias` event joins again.
    """
    report = await parts.store.split(order.site_id, order.user_id)
    if report is None:
        raise NotFound(f"{order.user_id!r} is joined to no other id on the site {order.site_id!r}")
    await audit.note("identity.split", "", order.site_id, ids=len(report.users))
    return IdentitySplit(
        site_id=order.site_id, person_id=report.person_id, split=list(report.users), split_at=report.split_at
    )
