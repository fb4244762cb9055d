"""The state of the process and of the pipeline: /healthz, /readyz, /metrics, /v1/pipeline, /v1/verify, /v1/doctor."""

from __future__ import annotations

import asyncio
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenParts, Parts
from tallystick.api.queue_gauges import set_queue_gauges
from tallystick.api.streaming.disconnects import while_connected
from tallystick.doctor.examine import examine
from tallystick.doctor.verified import note_verify
from tallystick.errors import TallystickError, Unavailable
from tallystick.invocation import invocation
from tallystick.logs import Seldom
from tallystick.model import books
from tallystick.model.books import close_books, stored_beyond
from tallystick.model.status import (
    Checkup,
    Difference,
    EnrichmentStatus,
    ErrorAnswer,
    Health,
    InstallStatus,
    Ledger,
    PipelineStatus,
    QueueStatus,
    Rates,
    Readiness,
    Verification,
)
from tallystick.store.waiting import in_thread

router = APIRouter(tags=["operations"], route_class=GuardedRoute)
_unready = Seldom(__name__, "not ready")


async def closed_books(parts: Parts) -> tuple[books.Totals, list[books.Difference]]:
    """The books as they are now. The queue is read before the ledger: `close_books` says why."""
    queue = await parts.queue.books()
    ledger = await parts.store.ledger()
    totals, differences = await asyncio.to_thread(close_books, queue, ledger)
    if stored_beyond(queue, ledger):  # a difference unless a second look shows that it was published since
        differences += stored_beyond(await parts.queue.books(), ledger)
    return totals, differences


async def why_not_ready(parts: Parts) -> str | None:
    """None while requests are welcome, else one sentence."""
    if reason := parts.ready():
        return reason
    try:
        await (parts.vital or parts.queue.depth)()
    except TallystickError as error:
        _unready.warning(error=error.whole)
        return error.public
    return None


@router.get("/healthz")
@access(Access.OPEN)
async def healthz() -> Health:
    """The process runs and answers; nothing else is looked at."""
    return Health()


@router.get("/readyz", responses={503: {"model": ErrorAnswer, "description": "Send requests elsewhere for now."}})
@access(Access.OPEN)
async def readyz(parts: GivenParts) -> Readiness:
    """200 while requests are welcome, 503 with the reason while not: starting, shutting down, queue out of reach, no
    query can be answered.
    """
    if reason := await why_not_ready(parts):
        raise Unavailable(reason)
    return Readiness(durability=parts.queue.durability)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
@access(Access.METRICS)
async def metrics(parts: GivenParts, request: Request) -> Response:
    """Prometheus metrics. Queue and ledger are read for each scrape."""
    own = parts.metrics
    own.info.labels(version("tallystick"), parts.queue.durability, own.process).set(1)
    own.ready.set(await why_not_ready(parts) is None)
    own.queries.labels("running").set(parts.store.turns.held)
    own.queries.labels("waiting").set(parts.store.turns.waiting)
    own.exports.set(parts.exports.taken)
    own.live.set(request.app.state.live.limit.taken)
    await set_queue_gauges(own, parts.queue)
    try:
        own.set_books((await closed_books(parts))[0])
        own.up.labels("store").set(1)
    except TallystickError:
        own.set_books(None)
        own.up.labels("store").set(0)
    return Response(own.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/pipeline")
@access(Access.EVERY)
async def pipeline(parts: GivenParts) -> PipelineStatus:
    """The closed books, the queue, rates, durability, versions."""
    totals, differences = await closed_books(parts)
    depth = await parts.queue.depth()
    return PipelineStatus(
        ledger=Ledger.of(totals),
        differences=[Difference.of(difference) for difference in differences],
        queue=QueueStatus(
            blocks=depth.blocks, events=depth.events, bytes=depth.bytes, oldest_age_seconds=depth.oldest_age
        ),
        rates=Rates(
            accepted_per_second=parts.metrics.events_accepted.per_second(),
            stored_per_second=parts.metrics.events_stored.per_second(),
        ),
        durability=parts.queue.durability,
        started_at=parts.started_at,
        uptime_seconds=(datetime.now(UTC) - parts.started_at).total_seconds(),
        versions=versions(),
    )


@router.get("/v1/enrichment")
@access(Access.OPEN)
async def enrichment(parts: GivenParts) -> EnrichmentStatus:
    """Which facts are added to events, by the settings of this process."""
    return EnrichmentStatus.model_validate(parts.settings.enrichment)


@router.get("/v1/install")
@access(Access.SITE)
async def install(parts: GivenParts, request: Request) -> InstallStatus:
    """What a client has to know to send events: whether it needs a write key, and where the browser snippet is."""
    return InstallStatus(
        write_key=request.app.state.gate.writes_guarded,
        snippet_path=parts.settings.snippet_path,
        command=invocation(),
    )


@router.get("/v1/verify")
@access(Access.EVERY)
async def verify(parts: GivenParts, request: Request) -> Verification:
    """Check that nothing was lost or counted twice: the books, holes in a sequence, rollups against raw events.

    Reads every event's row; `ok: false` is a finding, not an error of the request.
    """
    totals, differences = await closed_books(parts)
    found = [*differences, *await while_connected(request.receive, parts.store.verify())]
    await in_thread(note_verify, parts.settings, len(found))
    return Verification(
        ok=not found, ledger=Ledger.of(totals), differences=[Difference.of(difference) for difference in found]
    )


@router.get("/v1/doctor")
@access(Access.EVERY, Permission.OPERATE)
async def doctor(parts: GivenParts) -> Checkup:
    """What is as it should be and what is not: settings, machine, queue and store of this process."""
    held = parts.accounts.directory.held if parts.accounts else None
    return await examine(parts.settings, parts.queue, parts.store, versions(), held)


def versions() -> dict[str, str]:
    """The versions that a bug report asks for. SQLite's version is that of `apsw`, which bundles SQLite."""
    found = {"tallystick": version("tallystick"), "python": platform.python_version()}
    for name, package, parts in (("sqlite", "apsw", 3), ("duckdb", "duckdb", None)):
        try:
            found[name] = ".".join(version(package).split(".")[:parts])
        except PackageNotFoundError:
            continue
    return found
