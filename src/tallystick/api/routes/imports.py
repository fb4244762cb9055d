"""Imports: list what is stored of them, and take one back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.all_stored import all_stored
from tallystick.api.dependencies import GivenAudit, GivenParts
from tallystick.api.streaming.disconnects import while_connected
from tallystick.errors import NotFound
from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.status import ImportedPart, ImportList, ImportStatus, ImportUndone, RemovedPart
from tallystick.store.base import ImportedEvents

ImportId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="As the import printed it.")]
router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class UndoParams(BaseModel):
    """What is taken back."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(
        EVERY_SITE, max_length=SITE_ID_MAX, description="Only events of this site; `*`: of every site."
    )
    dry_run: bool = Field(False, description="Only count the events.")


@router.get("/v1/imports")
@access(Access.EVERY)
async def imports(parts: GivenParts, request: Request) -> ImportList:
    """What is stored of each import on each site, the last one first. Reads the properties of every event."""
    found = await while_connected(request.receive, parts.store.imports())
    return ImportList(imports=[_shown(part) for part in found])


@router.get("/v1/imports/{import_id}")
@access(Access.EVERY)
async def one_import(
    parts: GivenParts,
    request: Request,
    import_id: ImportId,
    removed_only: Annotated[bool, Query(description="Only what was taken back, without reading events.")] = False,
) -> ImportStatus:
    """What is stored of an import, and what was taken back of it."""
    found: Sequence[ImportedEvents] = ()
    if not removed_only:
        found = await while_connected(request.receive, parts.store.imports(import_id))
    return ImportStatus(
        import_id=import_id,
        events=sum(part.events for part in found),
        parts=[_shown(part) for part in found],
        removed=[
            RemovedPart(removed_at=step.removed_at, site_id=step.site_id, events=step.events)
            for step in await parts.store.removals(import_id)
        ],
    )


@router.delete("/v1/imports/{import_id}")
@access(Access.EVERY, Permission.ERASE)
async def undo_import(
    parts: GivenParts, audit: GivenAudit, request: Request, import_id: ImportId, params: Annotated[UndoParams, Query()]
) -> ImportUndone:
    """Remove the events of an import, with everything that follows from them; with `dry_run` only count them.

    Waits until the events that were accepted before are stored. A request that was interrupted can be repeated.
    """
    await all_stored(parts)
    site = None if params.site_id == EVERY_SITE else params.site_id
    if params.dry_run:
        found = await while_connected(request.receive, parts.store.imports(import_id))
        events = sum(part.events for part in found if site in (None, part.site_id))
    else:
        events = await parts.store.undo_import(import_id, site)
        if events:
            await audit.note("import.undo", import_id, site, events=events)
    if not events and not await parts.store.removals(import_id):
        raise NotFound(f"no event came with the import {import_id}")
    return ImportUndone(import_id=import_id, events=events, dry_run=params.dry_run)


def _shown(part: ImportedEvents) -> ImportedPart:
    return ImportedPart(**msgspec.structs.asdict(part))
