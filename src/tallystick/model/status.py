"""What Tallystick says about itself: the answers of the health, pipeline, receipt and dead-letter routes.

The CLI prints the same shapes, whether it asked a running server or opened a stopped one's folder.
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

    code: str = Field(description="Stable word for programs.")
    message: str = Field(description="One sentence for people.")


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
    """The closed books: `accepted = stored + duplicates + dead + queued`. Events, computed from stored rows."""

    accepted: int
    stored: int
    duplicates: int = Field(description="Events that were stored before, `conflicts` included.")
    conflicts: int = Field(description="Duplicates whose payload differs from the event that was stored first.")
    dead: int = Field(description="Events ever set aside as dead letters, replayed and dropped ones included.")
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
    """Something that does not add up."""

    check: str = Field(description="Which check found it: sequence, count, totals, …")
    message: str

    @classmethod
    def of(cls, difference: books.Difference) -> Difference:
        return cls(check=difference.check, message=difference.message)


class QueueStatus(Shape):
    """What waits between the 202 and the store."""

    blocks: int = Field(description="Those that other processes have are left out where the queue does not tell them.")
    events: int | None = Field(description="null: the queue cannot tell (RabbitMQ, unless nothing waits).")
    bytes: int | None = Field(description="null: as with events.")
    oldest_age_seconds: float | None = Field(description="null: nothing waits, or the queue cannot tell.")


class Rates(Shape):
    """Means over the last minute, or since the start when that is shorter, counted by this process."""

    accepted_per_second: float
    stored_per_second: float


class PipelineStatus(Shape):
    """The whole pipeline at a glance."""

    ledger: Ledger
    differences: list[Difference] = Field(description="Empty unless events were lost; `GET /v1/verify` checks more.")
    queue: QueueStatus
    rates: Rates
    durability: str
    started_at: datetime
    uptime_seconds: float
    versions: dict[str, str] = Field(description="tallystick, python and, where installed, sqlite and duckdb.")


class Verification(Shape):
    """What `tallystick verify` found. `ok` is true when there is no difference."""

    ok: bool
    ledger: Ledger
    differences: list[Difference]


class ReceiptStatus(Shape):
    """What became of the block that an accepted request's events travel in; others' events may be in it too."""

    receipt: str
    state: Literal["queued", "stored"]
    count: int | None = Field(
        None, description="Events in the block; null when its details were folded into a sum, or its queue cannot tell."
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
    attempts: int = Field(description="How often storing it was tried.")
    events: int = Field(description="1, or the events of a block that is itself broken.")
    dead_at: datetime
    receipt: str = Field(description="The receipt of the block it came in.")
    index: int = Field(description="Its position in the block; -1: the block itself is broken.")


class DeadLetterDetail(DeadLetterSummary):
    """A dead letter with its bytes."""

    original: str = Field(description="The canonical line, or the broken block's payload.")
    encoding: Literal["utf-8", "base64"] = Field(description="base64 only where the bytes are no UTF-8 text.")


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
    """What was put into the queue again. The events count as accepted once more; their ids stay the same."""

    replayed: list[int]
    receipt: str | None = Field(description="null when nothing was replayed.")
    not_replayed: list[NotDone]


class DropReport(Shape):
    """What was given up. The rows stay, marked as dropped."""

    dropped: list[int]
    not_dropped: list[NotDone]
