"""Boards, which show several saved reports, and share links, which show a board to readers without a key."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Depends
from starlette.responses import Response

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.access.share_gate import digest_of, new_token, page_of
from tallystick.api.library.site_library import DocumentId, GivenLibrary, ListedSite, board_of
from tallystick.api.query_answer import require_json
from tallystick.errors import InvalidRequest
from tallystick.model.library import (
    Board,
    BoardChange,
    BoardFields,
    BoardList,
    NewShare,
    ShareFields,
    ShareList,
    ShareSummary,
    new_id,
)
from tallystick.store.library import Share

router = APIRouter(tags=["reports"], route_class=GuardedRoute)


@router.get("/v1/boards")
@access(Access.SITE)
async def boards(library: GivenLibrary, site_id: ListedSite = None) -> BoardList:
    """Boards, the oldest first."""
    return BoardList(boards=[board_of(found) for found in await library.documents("board", site_id)])


@router.post("/v1/boards", status_code=201, dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.EDIT)
async def save_board(library: GivenLibrary, fields: BoardFields) -> Board:
    """Make a board of saved reports."""
    return board_of(await library.create("board", fields))


@router.get("/v1/boards/{board_id}")
@access(Access.SITE)
async def board(library: GivenLibrary, board_id: DocumentId) -> Board:
    """One board."""
    return board_of(await library.document("board", board_id))


@router.put("/v1/boards/{board_id}", dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.EDIT)
async def change_board(library: GivenLibrary, board_id: DocumentId, fields: BoardChange) -> Board:
    """Replace the version of the board that was edited, which `updated_at` names."""
    return board_of(await library.change("board", board_id, fields))


@router.delete("/v1/boards/{board_id}", status_code=204)
@access(Access.SITE, Permission.EDIT)
async def delete_board(library: GivenLibrary, board_id: DocumentId) -> Response:
    """Delete a board with its share links. Its reports stay."""
    await library.delete("board", board_id)
    return Response(status_code=204)


# --- share links ----------------------------------------------------------------------------------------------------


@router.get("/v1/boards/{board_id}/shares")
@access(Access.SITE)
async def shares(library: GivenLibrary, board_id: DocumentId) -> ShareList:
    """A board's share links, expired ones included; no tokens."""
    found = await library.library.shares((await library.document("board", board_id)).id)
    return ShareList(shares=[_summary(share) for share in found])


@router.post("/v1/boards/{board_id}/shares", status_code=201, dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.EDIT)
async def share_board(library: GivenLibrary, board_id: DocumentId, fields: ShareFields) -> NewShare:
    """Make a link that shows a board in its current state to readers without a key."""
    now = datetime.now(UTC)
    if fields.expires_at is not None and fields.expires_at <= now:
        raise InvalidRequest("expires_at: that instant is over already")
    shown = await library.document_to_change("board", board_id)
    share_id = new_id()
    token = new_token(share_id)
    made = Share(share_id, shown.id, fields.name, digest_of(token), now, fields.expires_at)
    await library.library.add_share(made)
    return NewShare(**_summary(made).model_dump(), token=token, url=page_of(token))


@router.delete("/v1/shares/{share_id}", status_code=204)
@access(Access.SITE, Permission.EDIT)
async def revoke_share(library: GivenLibrary, share_id: DocumentId) -> Response:
    """Revoke a share link: from now on it shows nothing."""
    await library.board_of_share(share_id)
    await library.library.remove_share(share_id)
    return Response(status_code=204)


def _summary(share: Share) -> ShareSummary:
    return ShareSummary(
        id=share.id,
        name=share.name,
        created_at=share.created_at,
        expires_at=share.expires_at,
        last_used_at=share.last_used_at,
    )
