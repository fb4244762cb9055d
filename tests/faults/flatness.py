"""What was measured every few seconds of a long run: whether it stays level, and a picture of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import NamedTuple

import numpy as np

MIB = 1024 * 1024
WARM_SHARE = 0.2
"""The first part of a run, in which caches fill, is not looked at."""
CHANGE_SHARE = 0.25
"""A line may change by this share of its median over the run."""
LEAST = 12
"""Measurements that a statement about a line needs."""


@dataclass(frozen=True)
class Sample:
    """One look at a deployment. Sizes are of all its processes together, latencies of the time since the last look.

    Attributes:
        at: seconds since the run began.
        load: processes that run or wait for a processor, the mean of a minute (load average).
        calm: no fault was at work since the last look, nor just before it.
        resident: bytes; None: a process was missing.
    """

    at: float
    calm: bool
    resident: int | None
    descriptors: int | None
    load: float
    write_p50: float | None
    write_p99: float | None
    query_p50: float | None
    query_p99: float | None


class Line(NamedTuple):
    """One measured size over the run.

    Attributes:
        points: seconds and values, in the unit of the title.
        noise: a change of less than this is none.
    """

    title: str
    points: list[tuple[float, float]]
    noise: float

    @property
    def median(self) -> float:
        return float(np.median([value for _, value in self.points])) if self.points else 0.0

    @property
    def change(self) -> float | None:
        """By how much it changes over the run, after warming up: the slope is the median of those of all pairs
        (Theil and Sen), which single peaks do not move. None: too few points.
        """
        if not self.points:
            return None
        first, last = self.points[0][0], self.points[-1][0]
        warm = np.array([point for point in self.points if point[0] >= first + WARM_SHARE * (last - first)])
        if len(warm) < LEAST:
            return None
        start, end = np.triu_indices(len(warm), 1)
        slopes = (warm[end, 1] - warm[start, 1]) / (warm[end, 0] - warm[start, 0])
        return float(np.median(slopes)) * (last - first)

    @property
    def allowed(self) -> float:
        return max(CHANGE_SHARE * self.median, self.noise)

    @property
    def complaint(self) -> str:
        """Why it is not level; empty: it is. A line that falls is level."""
        if self.change is None:
            return f"{self.title}: {len(self.points)} measurements are too few"
        if self.change > self.allowed:
            return f"{self.title}: it grows by {self.change:.1f} over the run; {self.allowed:.1f} are allowed"
        return ""


def lines(samples: Sequence[Sample]) -> list[Line]:
    """The lines that have to be level. While a fault is at work neither size nor latency says anything."""
    calm = [sample for sample in samples if sample.calm]
    return [
        _line("resident memory, MiB", calm, "resident", 1 / MIB, 32.0),
        _line("open descriptors", calm, "descriptors", 1.0, 10.0),
        _line("accepting, median, ms", calm, "write_p50", 1e3, 20.0),
        _line("accepting, 99th percentile, ms", calm, "write_p99", 1e3, 100.0),
        _line("queries, median, ms", calm, "query_p50", 1e3, 50.0),
        _line("queries, 99th percentile, ms", calm, "query_p99", 1e3, 200.0),
    ]


def _line(title: str, samples: Sequence[Sample], name: str, scale: float, noise: float) -> Line:
    found = ((sample.at, getattr(sample, name)) for sample in samples)
    return Line(title, [(at, value * scale) for at, value in found if value is not None], noise)


def as_csv(samples: Sequence[Sample]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [field.name for field in fields(Sample)]
    writer.writerow(names)
    writer.writerows([[getattr(sample, name) for name in names] for sample in samples])
    return out.getvalue()


# --- the picture ----------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP = 900, 120, 70, 26
"""Pixels: a panel, the room for its scale and for its title."""


def as_svg(drawn: Sequence[Line], faults: Sequence[tuple[float, str]], title: str) -> str:
    """A panel for each line, with a mark where each fault began."""
    end = max([at for line in drawn for at, _ in line.points] + [at for at, _ in faults] + [1.0])
    panels = [_panel(line, faults, end, TOP + 10 + number * (HEIGHT + TOP + 14)) for number, line in enumerate(drawn)]
    height = TOP + 10 + len(drawn) * (HEIGHT + TOP + 14)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="18" font-size="14">{escape(title)}</text>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(line: Line, faults: Sequence[tuple[float, str]], end: float, top: float) -> str:
    highest = max([value for _, value in line.points] + [1e-9]) * 1.05
    bottom = top + TOP + HEIGHT

    def across(at: float) -> float:
        return LEFT + at / end * WIDTH

    marks = [
        f'<line x1="{across(at):.1f}" x2="{across(at):.1f}" y1="{top + TOP}" y2="{bottom}" stroke="#e0b0b0">'
        f"<title>{escape(name)}</title></line>"
        for at, name in faults
    ]
    dots = [
        f'<circle cx="{across(at):.1f}" cy="{bottom - value / highest * HEIGHT:.1f}" r="1.6" fill="#1f5fa8"/>'
        for at, value in line.points
    ]
    level = bottom - line.median / highest * HEIGHT
    change = "too few" if line.change is None else f"{line.change:+.1f} over the run, {line.allowed:.1f} allowed"
    return "\n".join(
        [
            f'<text x="{LEFT}" y="{top + TOP - 8}">{escape(line.title)}: median {line.median:.1f}; {change}</text>',
            f'<rect x="{LEFT}" y="{top + TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
            f'<text x="{LEFT - 6}" y="{top + TOP + 10}" text-anchor="end">{highest:.0f}</text>',
            f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
            f'<text x="{LEFT + WIDTH}" y="{bottom + 12}" text-anchor="end">{end:.0f} s</text>',
            *marks,
            f'<path d="M{LEFT},{level:.1f}h{WIDTH}" stroke="#888" stroke-dasharray="4"/>',
            *dots,
        ]
    )
