"""Boards: reports side by side; and the links that show one to people without a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from tallystick.api.access import Access, Guarded, access
from tallystick.api.library.site_library import GivenShelf, board_of, changed
from tallystick.api.routes.query import require_json
from tallystick.api.routes.reports import ListedSite
from tallystick.api.share_access import digest_of, new_token, page_of
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

router = APIRouter(tags=["reports"], route_class=Guarded)

BoardId: TypeAlias = Annotated[str, Path(max_length=64)]
ShareId: TypeAlias = Annotated[str, Path(max_length=64)]


@router.get("/v1/boards")
@access(Access.SITE)
async def boards(shelf: GivenShelf, site_id: ListedSite = None) -> BoardList:
    """Boards, the oldest first."""
    return BoardList(boards=[board_of(found) for found in await shelf.all("board", site_id)])


@router.post("/v1/boards", status_code=201, dependencies=[Depends(require_json)])
@access(Access.SITE)
async def save_board(shelf: GivenShelf, fields: BoardFields) -> Board:
    """Make a board of saved reports."""
    made = shelf.new("board", fields)
    await shelf.library.add(made)
    return board_of(made)


@router.get("/v1/boards/{board_id}")
@access(Access.SITE)
async def board(shelf: GivenShelf, board_id: BoardId) -> Board:
    """One board."""
    return board_of(await shelf.one("board", board_id))


@router.put("/v1/boards/{board_id}", dependencies=[Depends(require_json)])
@access(Access.SITE)
async def change_board(shelf: GivenShelf, board_id: BoardId, fields: BoardChange) -> Board:
    """Put this in place of the version that was edited, which `updated_at` names."""
    old = await shelf.one("board", board_id)
    return board_of(await shelf.library.replace(changed(old, fields), fields.updated_at))


@router.delete("/v1/boards/{board_id}", status_code=204)
@access(Access.SITE)
async def delete_board(shelf: GivenShelf, board_id: BoardId) -> Response:
    """Delete a board with its share links. Its reports stay."""
    await shelf.library.remove("board", (await shelf.one("board", board_id)).id)
    return Response(status_code=204)


# --- share links ----------------------------------------------------------------------------------------------------


@router.get("/v1/boards/{board_id}/shares")
@access(Access.SITE)
async def shares(shelf: GivenShelf, board_id: BoardId) -> ShareList:
    """A board's share links, expired ones included; no tokens."""
    found = await shelf.library.shares((await shelf.one("board", board_id)).id)
    return ShareList(shares=[_summary(share) for share in found])


@router.post("/v1/boards/{board_id}/shares", status_code=201, dependencies=[Depends(require_json)])
@access(Access.SITE)
async def share_board(shelf: GivenShelf, board_id: BoardId, fields: ShareFields) -> NewShare:
    """Make a link that shows a board, as it is whenever it is looked at, to people without a key."""
    now = datetime.now(UTC)
    if fields.expires_at is not None and fields.expires_at <= now:
        raise InvalidRequest("expires_at: that is over already")
    shown = await shelf.one("board", board_id)
    share_id = new_id()
    token = new_token(share_id)
    made = Share(share_id, shown.id, fields.name, digest_of(token), now, fields.expires_at)
    await shelf.library.add_share(made)
    return NewShare(**_summary(made).model_dump(), token=token, url=page_of(token))


@router.delete("/v1/shares/{share_id}", status_code=204)
@access(Access.SITE)
async def revoke_share(shelf: GivenShelf, share_id: ShareId) -> Response:
    """Revoke a share link: from now on it shows nothing."""
    await shelf.board_of_share(share_id)
    await shelf.library.remove_share(share_id)
    return Response(status_code=204)


def _summary(share: Share) -> ShareSummary:
    return ShareSummary(
        id=share.id,
        name=share.name,
        created_at=share.created_at,
        expires_at=share.expires_at,
        last_used_at=share.last_used_at,
    )
