"""The answers of the health, pipeline, receipt and dead-letter routes.

The CLI prints the same shapes, from a running server or from the data folder of a stopped one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

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
    """The closed books in events, from stored rows: `accepted = stored + duplicates + dead + queued`."""

    accepted: int
    stored: int
    duplicates: int = Field(description="Events that were stored before, `conflicts` included.")
    conflicts: int = Field(description="Duplicates whose payload differs from the event that was stored first.")
    dead: int = Field(description="All events ever set aside as dead letters, including replayed and dropped ones.")
    queued: int

    @classmethod
    def of(cls, totals: books.Totals) -> Ledger:
        return cls(
            accepted=totals.accepted,
            stored=totals.stored,
            duplicates=totals.duplicates,
            conflicts=totals.conflicts,
            dead=totals.dead,
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


class Verification(Shape):
    """The result of `tallystick verify`. `ok` is true when there is no difference."""

    ok: bool
    ledger: Ledger
    differences: list[Difference]


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
    loaded_at: datetime | None = None


class DeadLetterSummary(Shape):
    """An event that the store could not take."""

    id: int
    state: Literal["dead", "replayed", "dropped"]
    code: str
    reason: str
    attempts: int = Field(description="How often the worker tried to store it.")
    events: int = Field(description="1, or all events of a block that is itself broken.")
    dead_at: datetime
    receipt: str = Field(description="The receipt of its block.")
    index: int = Field(description="Its position in the block; -1: the block itself is broken.")


class DeadLetterDetail(DeadLetterSummary):
    """A dead letter with its bytes."""

    original: str = Field(description="The canonical line, or the broken block's payload.")
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


class DropReport(Shape):
    """The dead letters that were dropped. Their rows stay, marked as dropped."""

    dropped: list[int]
    not_dropped: list[NotDone]
