"""Saved reports: questions with a name and a range, asked again whenever somebody looks."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from tallystick.api.access import Access, Guarded, access
from tallystick.api.files.result import FILES, GivenFormat
from tallystick.api.library import saved_reports as saved
from tallystick.api.library.site_library import GivenShelf, changed, report_of
from tallystick.api.parts import GivenParts, GivenQuestions
from tallystick.api.routes.query import require_json
from tallystick.model import library
from tallystick.model.library import Report, ReportChange, ReportFields, ReportList, ReportResult, RunOrder

router = APIRouter(tags=["reports"], route_class=Guarded)

ReportId: TypeAlias = Annotated[str, Path(max_length=64)]
ListedSite: TypeAlias = Annotated[
    library.ListedSite | None, Query(description="Only this site's; `*`: those of every site together. Absent: all.")
]


@router.get("/v1/reports")
@access(Access.SITE)
async def reports(shelf: GivenShelf, site_id: ListedSite = None) -> ReportList:
    """Saved reports, the oldest first."""
    return ReportList(reports=[report_of(found) for found in await shelf.all("report", site_id)])


@router.post("/v1/reports", status_code=201, dependencies=[Depends(require_json)])
@access(Access.SITE)
async def save_report(shelf: GivenShelf, fields: ReportFields) -> Report:
    """Save a question as a report."""
    made = shelf.new("report", fields)
    await shelf.library.add(made)
    return report_of(made)


@router.get("/v1/reports/{report_id}")
@access(Access.SITE)
async def report(shelf: GivenShelf, report_id: ReportId) -> Report:
    """One report."""
    return report_of(await shelf.one("report", report_id))


@router.put("/v1/reports/{report_id}", dependencies=[Depends(require_json)])
@access(Access.SITE)
async def change_report(shelf: GivenShelf, report_id: ReportId, fields: ReportChange) -> Report:
    """Put this in place of the version that was edited, which `updated_at` names."""
    old = await shelf.one("report", report_id)
    return report_of(await shelf.library.replace(changed(old, fields), fields.updated_at))


@router.delete("/v1/reports/{report_id}", status_code=204)
@access(Access.SITE)
async def delete_report(shelf: GivenShelf, report_id: ReportId) -> Response:
    """Delete a report that no board shows."""
    await shelf.library.remove("report", (await shelf.one("report", report_id)).id)
    return Response(status_code=204)


@router.post(
    "/v1/reports/{report_id}/run", response_model=ReportResult, responses=FILES, dependencies=[Depends(require_json)]
)
@access(Access.SITE)
async def run_report(
    parts: GivenParts,
    store: GivenQuestions,
    shelf: GivenShelf,
    report_id: ReportId,
    order: RunOrder,
    form: GivenFormat = None,
) -> Response:
    """Ask a report's question, for its range or another one."""
    found = report_of(await shelf.one("report", report_id))
    return await saved.run(
        parts, store, found, range_=order.range, timezone=order.timezone, filter_=order.filter, form=form
    )
