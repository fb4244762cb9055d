"""What a share link shows: its board, and the answers of that board's reports."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tallystick.access.model import Reach
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.api.dependencies import GivenParts, Parts
from tallystick.api.library import saved_reports
from tallystick.api.library.shared_report import shared_page, shared_report
from tallystick.api.library.site_library import DocumentId, board_of, report_of
from tallystick.api.query_answer import require_json
from tallystick.errors import InvalidRequest, NotFound, Unauthorized
from tallystick.model.library import Board, Report, ReportResult, SharedBoard, SharedRunOrder
from tallystick.store.library import Share

router = APIRouter(tags=["reports"], route_class=GuardedRoute)


def _share_of(request: Request) -> Share:
    share: Share = request.state.share  # set by the gate; fails on a route that the gate does not guard
    return share


GivenShare: TypeAlias = Annotated[Share, Depends(_share_of)]


@router.get("/v1/shared")
@access(Access.SHARE)
async def shared_board(parts: GivenParts, share: GivenShare) -> SharedBoard:
    """The board of a share link, with what is shown of its reports: no filters and no descriptions of them."""
    board = await _board_of(parts, share)
    ids = dict.fromkeys(tile.report_id for tile in board.tiles)
    found = [await _report_of(parts, report_id) for report_id in ids]
    return SharedBoard(
        board=shared_page(board),
        reports=[shared_report(report) for report in found if report is not None],
        expires_at=share.expires_at,
    )


@router.post("/v1/shared/reports/{report_id}/run", response_model=ReportResult, dependencies=[Depends(require_json)])
@access(Access.SHARE)
async def run_shared_report(
    request: Request,
    parts: GivenParts,
    share: GivenShare,
    report_id: DocumentId,
    order: SharedRunOrder,
) -> Response:
    """Run the query of a report on the link's board, for the report's range or one of the presets."""
    board = await _board_of(parts, share)
    shown = any(tile.report_id == report_id for tile in board.tiles)
    report = await _report_of(parts, report_id) if shown else None
    if report is None:
        raise NotFound(f"the board has no report {report_id!r}")
    store = ScopedStore(parts.store, Reach.of(report.site_id), request.receive)
    try:
        return await saved_reports.run(parts, store, report, range_=order.range)
    except InvalidRequest as error:  # its text names fields and values of the query, which the link does not show
        raise InvalidRequest("this report has no answer for this range") from error


async def _board_of(parts: Parts, share: Share) -> Board:
    """The board that the link shows. Raises Unauthorized when it was deleted a moment ago."""
    found = await parts.store.library.document("board", share.board_id)
    if found is None:
        raise Unauthorized
    return board_of(found)


async def _report_of(parts: Parts, report_id: str) -> Report | None:
    found = await parts.store.library.document("report", report_id)
    return None if found is None else report_of(found)
