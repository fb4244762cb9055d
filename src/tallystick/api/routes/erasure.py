"""Erase a person, list the receipts, and everything about a person as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from tallystick.access.model import Permission, Reach
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.access.scoped_store import one_of
from tallystick.api.all_stored import all_stored
from tallystick.api.dependencies import GivenAudit, GivenParts, GivenReach
from tallystick.api.files.person import MEDIA_TYPE, write_person_file
from tallystick.api.query_answer import require_json
from tallystick.api.streaming.disconnects import while_connected
from tallystick.api.streaming.responses import MadeFile
from tallystick.disk import DiskGuard
from tallystick.errors import InvalidRequest
from tallystick.keys import EVERY_SITE
from tallystick.model.event import DEFAULT_SITE, SITE_ID_MAX, USER_ID_MAX
from tallystick.model.status import Erased, ErasureList, ErasureReceipt, PersonCounts
from tallystick.store.erasure import Erasure, PersonFound

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class PersonParams(BaseModel):
    """Which person."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(min_length=1, max_length=USER_ID_MAX, description="As it was sent: any id of the person.")
    site_id: str = Field(DEFAULT_SITE, min_length=1, max_length=SITE_ID_MAX)

    @field_validator("site_id")
    @classmethod
    def _one_site(cls, value: str) -> str:
        if value == EVERY_SITE:
            raise ValueError("a person is one of a site: name one")
        return value


class Erase(PersonParams):
    """Whom to erase, and how."""

    dry_run: bool = Field(False, description="Only count what would be removed.")
    block: bool = Field(
        False, description="Store no event of these ids any more. Otherwise later events are stored again."
    )


class ErasuresParams(BaseModel):
    """Which receipts."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(EVERY_SITE, min_length=1, max_length=SITE_ID_MAX, description="`*`: of every site.")
    user_id: str | None = Field(
        None,
        min_length=1,
        max_length=USER_ID_MAX,
        description="Only those of this id, as it was given when it was erased; needs a site.",
    )


@router.post("/v1/erase", dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.ERASE)
async def erase(parts: GivenParts, reach: GivenReach, audit: GivenAudit, request: Request, order: Erase) -> Erased:
    """Remove a person: all events of all joined ids, and what follows from them; with `dry_run` only count.

    Waits until the events that were accepted before are stored. Events of the person that were received or happened
    before are not stored again, whether they are sent again, replayed or imported; the books count them as `erased`.
    """
    site = _site_of(order, reach)
    await all_stored(parts)
    if order.dry_run:
        counted = await while_connected(request.receive, parts.store.person_found(site, order.user_id))
        return Erased(dry_run=True, site_id=site, found=_counts(counted), receipt=None)
    done = await parts.store.erase(site, order.user_id, block=order.block)
    await audit.note("person.erase", done.id, site, events=done.found.events)
    return Erased(dry_run=False, site_id=site, found=_counts(done.found), receipt=_receipt(done))


@router.get("/v1/erasures")
@access(Access.SITE, Permission.ERASE)
async def erasures(parts: GivenParts, reach: GivenReach, params: Annotated[ErasuresParams, Query()]) -> ErasureList:
    """The receipts of erasures, the last one first. They name persons by a keyed hash alone."""
    wanted = None if params.site_id == EVERY_SITE else params.site_id
    site = one_of(reach, wanted, named="site_id" in params.model_fields_set)
    if site is None and params.user_id is not None:
        raise InvalidRequest("user_id: a person is one of a site: name it with site_id")
    found = await parts.store.erasures(site, params.user_id)
    return ErasureList(erasures=[_receipt(one) for one in found])


@router.get(
    "/v1/person-data",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
@access(Access.SITE, Permission.EXPORT)
async def person_data(
    parts: GivenParts, reach: GivenReach, request: Request, params: Annotated[PersonParams, Query()]
) -> Response:
    """Everything about one person as a ZIP file: events (NDJSON), dead letters (NDJSON), the joined ids (JSON)."""
    site = _site_of(params, reach)
    headers = {"Content-Disposition": 'attachment; filename="person.zip"'}
    if request.state.head:
        return Response(headers=headers, media_type=MEDIA_TYPE)

    async def made(folder: Path) -> Path:
        target = folder / "person.zip"
        await write_person_file(parts.store, site, params.user_id, target, DiskGuard(folder, parts.settings))
        return target

    return MadeFile(parts, made, headers, MEDIA_TYPE)


def _site_of(params: PersonParams, reach: Reach) -> str:
    """The person's site. Raises Forbidden and InvalidRequest as `one_of`."""
    return one_of(reach, params.site_id, named="site_id" in params.model_fields_set) or params.site_id


def _counts(found: PersonFound) -> PersonCounts:
    return PersonCounts(**{name: getattr(found, name) for name in PersonFound.__struct_fields__})


def _receipt(done: Erasure) -> ErasureReceipt:
    return ErasureReceipt(
        id=done.id,
        site_id=done.site_id,
        user_hash=done.digest,
        erased_at=done.erased_at,
        until=done.until,
        blocked=done.blocked,
        removed=_counts(done.found),
    )
