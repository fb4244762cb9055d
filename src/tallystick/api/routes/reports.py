"""Saved reports: queries with a name and a time range, which are run again each time the report is opened."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenParts, GivenScopedStore
from tallystick.api.files.result import FILES, GivenFormat
from tallystick.api.library import saved_reports
from tallystick.api.library.site_library import DocumentId, GivenLibrary, ListedSite, report_of
from tallystick.api.query_answer import require_json
from tallystick.model.library import Report, ReportChange, ReportFields, ReportList, ReportResult, RunOrder

router = APIRouter(tags=["reports"], route_class=GuardedRoute)


@router.get("/v1/reports")
@access(Access.SITE)
async def reports(library: GivenLibrary, site_id: ListedSite = None) -> ReportList:
    """Saved reports, the oldest first."""
    return ReportList(reports=[report_of(found) for found in await library.documents("report", site_id)])


@router.post("/v1/reports", status_code=201, dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.EDIT)
async def save_report(library: GivenLibrary, fields: ReportFields) -> Report:
    """Save a query as a report."""
    return report_of(await library.create("report", fields))


@router.get("/v1/reports/{report_id}")
@access(Access.SITE)
async def report(library: GivenLibrary, report_id: DocumentId) -> Report:
    """One report."""
    return report_of(await library.document("report", report_id))


@router.put("/v1/reports/{report_id}", dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.EDIT)
async def change_report(library: GivenLibrary, report_id: DocumentId, fields: ReportChange) -> Report:
    """Replace the version of the report that was edited, which `updated_at` names."""
    return report_of(await library.change("report", report_id, fields))


@router.delete("/v1/reports/{report_id}", status_code=204)
@access(Access.SITE, Permission.EDIT)
async def delete_report(library: GivenLibrary, report_id: DocumentId) -> Response:
    """Delete a report that no board shows."""
    await library.delete("report", report_id)
    return Response(status_code=204)


@router.post(
    "/v1/reports/{report_id}/run", response_model=ReportResult, responses=FILES, dependencies=[Depends(require_json)]
)
@access(Access.SITE)
async def run_report(
    parts: GivenParts,
    store: GivenScopedStore,
    library: GivenLibrary,
    report_id: DocumentId,
    order: RunOrder,
    form: GivenFormat = None,
) -> Response:
    """Run a report's query, for the report's range or another one."""
    found = report_of(await library.document("report", report_id))
    return await saved_reports.run(
        parts, store, found, range_=order.range, timezone=order.timezone, filter_=order.filter, form=form
    )
