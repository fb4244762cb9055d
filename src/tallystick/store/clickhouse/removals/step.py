"""A removal of events as it is written down before the events go, so that it can be finished when it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tallystick.analysis.buckets import micros
from tallystick.model.sql import load_statements
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection, Row
from tallystick.store.clickhouse.server.rows import TIMES, json_rows

SQL = load_statements("tallystick.store.clickhouse", "sql/removal.sql")


@dataclass(frozen=True)
class Step:
    """One removal as it is written down.

    Attributes:
        kind: purge, retention (a purge of one site), import or erasure.
        subject: the import's or the erasure's id; else empty.
        site_id: None: every site.
        first, until: the range of event times; `until` is excluded. An erasure has none.
        counts: how many events each site loses.
    """

    id: UUID
    removed_at: datetime
    kind: str
    subject: str
    site_id: str | None
    first: datetime
    until: datetime
    counts: Sequence[tuple[str, int]] = ()

    @property
    def parameters(self) -> dict[str, object]:
        """Those of its statements."""
        if self.kind == "erasure":
            return {"erasure": self.subject}
        span: dict[str, object] = {"first": self.first, "until": self.until}
        span |= {"first_us": micros(self.first), "until_us": micros(self.until)}
        if self.kind == "purge":
            return span
        return span | ({} if self.kind == "retention" else {"subject": self.subject}) | {"site": self.site_id}

    @property
    def events(self) -> int:
        """How many events it removes."""
        return sum(events for _, events in self.counts)


def step_of(row: Row) -> Step:
    """A step as it was written down."""
    id_, removed_at, kind, subject, site_id, first, until, sites, counts = row
    return Step(id_, removed_at, kind, subject, site_id, first, until, list(zip(sites, counts, strict=True)))


async def counts_of(connection: Connection, step: Step) -> list[tuple[str, int]]:
    """How many events of a step are there, by site."""
    rows = await connection.query(SQL[f"count_{step.kind}"], step.parameters, seconds=UNHURRIED)
    return [(row[0], row[1]) for row in rows]


async def write_down(connection: Connection, step: Step, *, done: bool) -> None:
    """Write a step down, before its events go and when it has ended."""
    row: dict[str, object] = {
        "id": step.id,
        "removed_at": step.removed_at,
        "kind": step.kind,
        "subject": step.subject,
        "site_id": step.site_id,
        "first": step.first,
        "until": step.until,
        "sites": [site for site, _ in step.counts],
        "counts": [events for _, events in step.counts],
        "done": int(done),
    }
    await connection.insert(SQL["write_down"], json_rows([row]), settings=TIMES)
