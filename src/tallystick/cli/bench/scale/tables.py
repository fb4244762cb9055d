"""The figures of `tallystick bench scale`, all rounds of a number of processes together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tallystick.cli.bench.report import ScaleFigures

MIB = 1024 * 1024
ROLES = ("ingest", "work", "queue", "store")
"""Whose processor time is measured; the last two are servers."""


class ScaleRow(NamedTuple):
    """All rounds of one number of processes.

    Attributes:
        accepted_per_second, stored_per_second: events.
        peaks: the most resident memory of one `ingest` and of one `work`, in bytes; None: not known.
        cpu_seconds: of each of ROLES; None: not known.
        cpu_us: the same for each event, in microseconds.
    """

    processes: int
    rounds: int
    events: int
    accepted_per_second: float
    stored_per_second: float
    refused: int
    peaks: tuple[int | None, ...]
    cpu_seconds: tuple[float | None, ...]

    @property
    def cpu_us(self) -> tuple[float | None, ...]:
        return tuple(None if value is None else value / self.events * 1_000_000 for value in self.cpu_seconds)

    @property
    def whole_us(self) -> float | None:
        """Microseconds an event of all roles together; None when one of them is not known."""
        return whole(self.cpu_us)


def scale_rows(figures: Sequence[ScaleFigures]) -> list[ScaleRow]:
    """A row for each number of processes, ascending."""
    return [
        _row(number, [f for f in figures if f.processes == number]) for number in sorted({f.processes for f in figures})
    ]


def _row(number: int, found: Sequence[ScaleFigures]) -> ScaleRow:
    events = sum(f.events for f in found)
    return ScaleRow(
        processes=number,
        rounds=len(found),
        events=events,
        accepted_per_second=events / sum(f.seconds_to_accepted for f in found),
        stored_per_second=events / sum(f.seconds_to_stored for f in found),
        refused=sum(f.refused for f in found),
        peaks=tuple(
            max((value for f in found if (value := getattr(f, name)) is not None), default=None)
            for name in ("ingest_peak_bytes", "work_peak_bytes")
        ),
        cpu_seconds=tuple(whole([getattr(f.cpu, role) for f in found]) for role in ROLES),
    )


def whole(values: Sequence[float | None]) -> float | None:
    """The sum; None when one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def ratios(rows: Sequence[ScaleRow]) -> tuple[float | None, ...]:
    """Processor time an event with the most processes through that with the fewest: of each of ROLES, and of all."""
    fewest, most = rows[0], rows[-1]
    pairs = zip((*most.cpu_us, most.whole_us), (*fewest.cpu_us, fewest.whole_us), strict=True)
    return tuple(after / before if after is not None and before else None for after, before in pairs)


def scale_sheets(figures: Sequence[ScaleFigures]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Titles, names of columns and rows: throughput, processor seconds, and microseconds an event with the ratio."""
    rows = scale_rows(figures)
    throughput = [
        [
            f"{row.processes}",
            f"{row.rounds}",
            f"{row.events:,}",
            f"{row.accepted_per_second:,.0f}",
            f"{row.stored_per_second:,.0f}",
            f"{row.refused:,}",
            *(_number(peak and peak / MIB, 0) for peak in row.peaks),
        ]
        for row in rows
    ]
    seconds = [[f"{row.processes}", *(_number(value, 1) for value in row.cpu_seconds)] for row in rows]
    each = [[f"{row.processes}", *(_number(value, 2) for value in (*row.cpu_us, row.whole_us))] for row in rows]
    if len(rows) > 1:
        each.append([f"{rows[-1].processes} ÷ {rows[0].processes}", *(_number(value, 2) for value in ratios(rows))])
    names = ["processes", "ingest", "work", "queue's server", "store's server"]
    return [
        (
            "Events, by the number of ingest processes and as many workers",
            ["processes", "rounds", "events", "accepted/s", "stored/s", "refused", "ingest MiB", "work MiB"],
            throughput,
        ),
        ("Processor seconds", names, seconds),
        ("Processor microseconds an event", [*names, "all"], each),
    ]


def _number(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:,.{places}f}"
