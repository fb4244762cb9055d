"""The answers of the health, pipeline, receipt and dead-letter routes.

The CLI prints the same shapes, from a running server or from the data folder of a stopped one.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from tallystick.model import books


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Shape):
    """Why a request has no answer."""

    code: str = Field(description="A stable error code for programs.")
    message: str = Field(description="One sentence for a human reader.")


class ErrorAnswer(Shape):
    """The body of every answer with a status of 400 and up."""

    error: Problem


class Health(Shape):
    """The process runs."""

    status: Literal["ok"] = "ok"


class Readiness(Shape):
    """The process takes requests."""

    status: Literal["ready"] = "ready"
    durability: str = Field(description="What a 202 has survived: `fsync`, `memory`, …")


class Ledger(Shape):
    """The closed books in events, from stored rows: `accepted = stored + duplicates + dead + erased + queued`."""

    accepted: int
    stored: int
    duplicates: int = Field(description="Events that were stored before, `conflicts` included.")
    conflicts: int = Field(description="Duplicates whose payload differs from the event that was stored first.")
    dead: int = Field(description="All events ever set aside as dead letters, including replayed and dropped ones.")
    erased: int = Field(0, description="Events of erased persons that came again and were not stored.")
    queued: int

    @classmethod
    def of(cls, totals: books.Totals) -> Ledger:
        return cls(
            accepted=totals.accepted,
            stored=totals.stored,
            duplicates=totals.duplicates,
            conflicts=totals.conflicts,
            dead=totals.dead,
            erased=totals.erased,
            queued=totals.queued,
        )


class Difference(Shape):
    """A fault that a check of the books found."""

    check: str = Field(description="The check that found it: sequence, count, totals, …")
    message: str

    @classmethod
    def of(cls, difference: books.Difference) -> Difference:
        return cls(check=difference.check, message=difference.message)


class QueueStatus(Shape):
    """What waits in the queue: accepted with a 202, not stored yet."""

    blocks: int = Field(description="Without the blocks of other processes where the queue does not report them.")
    events: int | None = Field(description="null: the queue does not know (RabbitMQ, unless nothing waits).")
    bytes: int | None = Field(description="null: the queue does not know, as with `events`.")
    oldest_age_seconds: float | None = Field(description="null: nothing waits, or the queue does not know.")


class Rates(Shape):
    """Means over the last minute, or since this process started if that is shorter. Counts this process only."""

    accepted_per_second: float
    stored_per_second: float


class PipelineStatus(Shape):
    """The state of the whole pipeline."""

    ledger: Ledger
    differences: list[Difference] = Field(description="Empty unless events were lost; `GET /v1/verify` checks more.")
    queue: QueueStatus
    rates: Rates
    durability: str
    started_at: datetime
    uptime_seconds: float
    versions: dict[str, str] = Field(description="tallystick, python and, where installed, sqlite and duckdb.")


Step: TypeAlias = Literal["auto", "true", "false"]
"""`auto`: what browsers send to POST /v1/events; `true`: every write route; `false`: off."""


class EnrichmentStatus(Shape):
    """Which facts this process adds to events from their web requests: the settings `TALLYSTICK_ENRICH_…`.

    `auto`: to what browsers send to POST /v1/events, as the snippet does. `true`: on every write route. `false`: off.
    """

    agent: Step = Field(description="Browser, operating system, device type, bot.")
    page: Step = Field(description="Path, referring domain, campaign tags, ad click.")
    visitor: Step = Field(description="An id for visitors without `user_id`.")
    country: Step = Field(description="The country of the address, when a file is given.")
    address: Step = Field(description="The truncated address.")


class InstallStatus(Shape):
    """What a client has to know to send events to this process."""

    write_key: bool = Field(description="Whether events need a write key. Keys are kept as digests: none can be shown.")
    snippet_path: str = Field(description="The path of the browser snippet.")
    command: str = Field(description="The command line as it is called from the folder that the server was started in.")


class Verification(Shape):
    """The result of `tallystick verify`. `ok` is true when there is no difference."""

    ok: bool
    ledger: Ledger
    differences: list[Difference]


Level: TypeAlias = Literal["ok", "warn", "fail"]
"""`warn`: look at it soon; `fail`: a promise does not hold, or soon will not."""


class Finding(Shape):
    """What one check of `tallystick doctor` found."""

    check: str = Field(description="What was looked at: disk, keys, backlog, …")
    level: Level
    message: str = Field(description="What is so, as a sentence.")
    do: str = Field("", description="What to change; empty when nothing is.")


class Checkup(Shape):
    """What is as it should be, and what is not: settings, machine, queue and store of a process."""

    level: Level = Field(description="The worst of the findings' levels.")
    now: datetime = Field(description="What the process's clock says.")
    versions: dict[str, str] = Field(description="As in GET /v1/pipeline.")
    findings: list[Finding]


class ReceiptStatus(Shape):
    """The state of the block with an accepted request's events. The block may have events of other requests too."""

    receipt: str
    state: Literal["queued", "stored"]
    count: int | None = Field(
        None,
        description="Events in the block; null: ledger compaction removed its details, or the queue does not know.",
    )
    stored: int | None = None
    duplicates: int | None = None
    dead: int | None = None
    erased: int | None = None
    loaded_at: datetime | None = None


class DeadLetterSummary(Shape):
    """An event that the store could not take."""

    id: int
    state: Literal["dead", "replayed", "dropped", "erased"]
    code: str
    reason: str
    attempts: int = Field(description="How often the worker tried to store it; 0: it was refused on arrival.")
    events: int = Field(description="1, or all events of a block that is itself broken.")
    dead_at: datetime
    receipt: str = Field(description="The receipt of its block.")
    index: int = Field(description="Its position in the block; -1: the block itself is broken.")


class DeadLetterDetail(DeadLetterSummary):
    """A dead letter with its bytes."""

    original: str = Field(description="The canonical line, the event as it was sent, or the broken block's payload.")
    encoding: Literal["utf-8", "base64"] = Field(description="base64 only if the bytes are not UTF-8 text.")


class DeadLetterList(Shape):
    """Dead letters by ascending id."""

    dead: list[DeadLetterSummary]
    next_after: int | None = Field(None, description="`after` of the next page; null: this was the last.")


class NotDone(Shape):
    """A dead letter that was left as it is, and why."""

    id: int
    code: str
    message: str


class ReplayReport(Shape):
    """The dead letters that were queued again. Their events count as accepted once more and keep their ids."""

    replayed: list[int]
    receipt: str | None = Field(description="null when nothing was replayed.")
    not_replayed: list[NotDone]


class RollupDays(Shape):
    """UTC days that have events or rollups."""

    days: list[date]


class RebuiltDay(Shape):
    """A UTC day whose rollups were counted again from its raw events."""

    day: date
    events: int = Field(description="Events that were counted.")
    wrong: int = Field(description="Rows of the day's rollups that differed from the events before, of every site.")


class DropReport(Shape):
    """The dead letters that were dropped. Their rows stay, marked as dropped."""

    dropped: list[int]
    not_dropped: list[NotDone]


class IdentitySplit(Shape):
    """Ids whose join no longer counts."""

    site_id: str
    person_id: str = Field(description="The person that the id resolved to before.")
    split: list[str] = Field(description="The ids that are joined to no other now, unless a later event joins them.")
    split_at: datetime = Field(description="Joins of these ids count if their event time is later than this.")


class ImportedPart(Shape):
    """What is stored of one import on one site."""

    import_id: str
    site_id: str
    events: int
    first: datetime = Field(description="The earliest event time.")
    last: datetime = Field(description="The latest event time.")
    began: datetime = Field(description="When its first event was received.")
    ended: datetime = Field(description="When its last event was received.")


class ImportList(Shape):
    """The imports of which events are stored, the last one first."""

    imports: list[ImportedPart]


class RemovedPart(Shape):
    """One step in which events of an import were taken back."""

    removed_at: datetime
    site_id: str
    events: int


class ImportStatus(Shape):
    """What is stored of an import, and what was taken back of it."""

    import_id: str
    events: int = Field(description="Events that are stored, on all sites.")
    parts: list[ImportedPart]
    removed: list[RemovedPart]


class ImportUndone(Shape):
    """How many events were removed, or with `dry_run` would be."""

    import_id: str
    events: int
    dry_run: bool


class PersonCounts(Shape):
    """What is stored of a person."""

    ids: int = Field(description="Ids that are this person: the given one, and all that were joined to it.")
    events: int
    sessions: int = Field(description="Sessions, by `session_id`, that have events of the person.")
    dead_letters: int = Field(description="Dead letters with an event of the person.")
    first: datetime | None = Field(description="The earliest event time.")
    last: datetime | None = Field(description="The latest event time.")


class ErasureReceipt(Shape):
    """What an erasure removed. It names the person by a keyed hash alone."""

    id: str
    site_id: str
    user_hash: str = Field(
        description="Keyed hash of the id that was given; `GET /v1/erasures?user_id=` finds it again."
    )
    erased_at: datetime
    until: datetime = Field(
        description="Events that happened until then are not stored again, nor those received until `erased_at`."
    )
    blocked: bool = Field(description="Whether no event of the person is stored any more, whatever its time.")
    removed: PersonCounts


class Erased(Shape):
    """The result of an erasure, or with `dry_run` what it would remove."""

    dry_run: bool
    site_id: str
    found: PersonCounts
    receipt: ErasureReceipt | None = Field(description="null: nothing was removed.")


class ErasureList(Shape):
    """Receipts of erasures, the last one first."""

    erasures: list[ErasureReceipt]


class SiteRetention(Shape):
    """For how long events of a site are kept."""

    site_id: str
    days: int | None = Field(description="null: for ever.")
    keep_rollups: bool | None = Field(
        description="Whether rollups stay when their events go; null: as `default_keep_rollups` says."
    )


class RetentionRules(Shape):
    """For how long events are kept."""

    default_days: float | None = Field(
        description="On sites without a rule: TALLYSTICK_RETENTION_DAYS; null: for ever."
    )
    default_keep_rollups: bool = Field(
        description="Whether rollups stay when their events go, on sites whose rule does not say it: "
        "TALLYSTICK_RETENTION_ROLLUPS."
    )
    rollups_can_stay: bool = Field(description="Whether this store can keep rollups of events that go.")
    rules: list[SiteRetention] = Field(description="The sites with a rule of their own, by site.")


class RetentionChange(Shape):
    """For how long events of a site are kept from now on, or with `dry_run` would be."""

    dry_run: bool
    site_id: str
    days: float | None = Field(description="null: for ever.")
    kept_from: datetime | None = Field(description="Events before it are removed; null: none are.")
    events: int = Field(description="Stored events that are removed for it.")
    keep_rollups: bool = Field(description="Whether their rollups stay.")
    kept_events: int = Field(
        description="Events that were removed before, and whose kept rollups go now, because they no longer stay."
    )
