"""The figures as tables: for a terminal, and as Markdown for docs/build/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tallystick.cli.bench.report import LoadFigures, Machine, QueryFigures, Report

MIB = 1024 * 1024
WORDS = {"query", "kind", "from", "floor", "unit", "way", "what"}
"""Columns of text. All others are numbers and are aligned on the right."""

EXPERIMENTS = {
    "partitions": "A table partitioned by day, and a flat one",
    "copy": "COPY, and rows one by one",
    "queue": "Through the queue, and straight into the store",
}
"""Titles of the experiments."""


class Sheet(NamedTuple):
    """One table: a title, the columns' names, and rows of as many texts."""

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]


def show(report: Report, console: Console) -> None:
    """Print a table for each kind of figures that the report has."""
    for sheet in sheets(report):
        table = Table(title=sheet.title, title_justify="left")
        for name in sheet.names:
            table.add_column(name, justify="left" if name in WORDS else "right")
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    console.print(described(report.machine), style="dim", highlight=False)


def markdown(report: Report) -> str:
    """The same tables for a document."""
    parts = [described(report.machine)]
    for sheet in sheets(report):
        rules = [":--" if name in WORDS else "--:" for name in sheet.names]
        lines = ["| " + " | ".join(cells) + " |" for cells in (sheet.names, rules, *sheet.rows)]
        parts += [f"**{sheet.title}**", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def described(machine: Machine) -> str:
    """The machine in one line."""
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.kernel}, {machine.file_system}; "
        f"Tallystick {machine.tallystick}, Python {machine.python}, DuckDB {machine.packages['duckdb']}; {machine.at}"
    )


def sheets(report: Report) -> list[Sheet]:
    """One table for each kind of figures that the report has."""
    made = []
    if report.floor:
        rows = [[floor.what, f"{floor.per_second:,.0f}", floor.unit] for floor in report.floor]
        made.append(Sheet("What this machine did at best at that time", ["floor", "a second", "unit"], rows))
    if report.load:
        made += [_speed(report.load), _answers(report.load), _cost(report.load)]
    if report.paced:
        names = ["requests/s", "requests", "ack p50 ms", "p99 ms", "max ms"]
        rows = [
            [f"{p.requests_per_second:,.0f}", f"{p.requests:,}", *_ms(p.p50_ms, p.p99_ms, p.max_ms)]
            for p in report.paced
        ]
        made.append(Sheet("Single events at a fixed rate (open loop)", names, rows))
    if report.lag:
        names = ["load, events/s", "probes", "p50 ms", "p95 ms", "max ms"]
        rows = [[f"{g.events_per_second:,.0f}", f"{g.probes}", *_ms(g.p50_ms, g.p95_ms, g.max_ms)] for g in report.lag]
        made.append(Sheet("From 202 to queryable", names, rows))
    made += _queries(report)
    for experiment, title in EXPERIMENTS.items():
        if found := [figures for figures in report.experiments if figures.experiment == experiment]:
            rows = [[f.way, f.what, _value(f.value), f.unit] for f in found]
            made.append(Sheet(title, ["way", "what", "value", "unit"], rows))
    if report.dedupe:
        names = ["rows before", "events", "kind", "median ms", "min ms", "max ms"]
        rows = [[f"{d.rows:,}", f"{d.batch:,}", d.kind, *_ms(d.median_ms, d.min_ms, d.max_ms)] for d in report.dedupe]
        made.append(Sheet("One transaction of the store", names, rows))
    return made


def _speed(figures: Sequence[LoadFigures]) -> Sheet:
    names = ["events a body", "connections", "events", "accepted/s", "queryable after s", "end to end/s"]
    rows = [
        [
            f"{f.body_events:,}",
            f"{f.connections}",
            f"{f.events:,}",
            f"{f.accepted_per_second:,.0f}",
            f"{f.seconds_to_queryable:.1f}",
            f"{f.end_to_end_per_second:,.0f}",
        ]
        for f in figures
    ]
    return Sheet("Load (closed loop), in events", names, rows)


def _answers(figures: Sequence[LoadFigures]) -> Sheet:
    names = ["events a body", "requests/s", "ack p50 ms", "p99 ms", "max ms", "refused"]
    rows = [
        [f"{f.body_events:,}", f"{f.requests_per_second:,.0f}", *_ms(f.p50_ms, f.p99_ms, f.max_ms), f"{f.refused:,}"]
        for f in figures
    ]
    return Sheet("Acknowledgement under that load", names, rows)


def _cost(figures: Sequence[LoadFigures]) -> Sheet:
    names = ["events a body", "server CPU s", "peak MiB", "disk bytes/event", "warm start s", "idle MiB"]
    rows = [
        [
            f"{f.body_events:,}",
            _number(f.cpu_seconds, 1),
            _number(f.peak_bytes, 0, MIB),
            _number(f.disk_bytes_per_event, 1),
            _number(f.warm_start_seconds, 2),
            _number(f.idle_bytes, 0, MIB),
        ]
        for f in figures
    ]
    return Sheet("What the load cost the server", names, rows)


def _queries(report: Report) -> list[Sheet]:
    """The queries by section, and those that ran again under a load."""
    peak = report.query_peak_bytes
    memory = "" if peak is None else f"; the server's peak memory {peak / MIB:,.0f} MiB"
    about = f"of {report.query_events:,} events of 30 days"
    parts = {
        f"Queries on {report.query_events:,} events": [q for q in report.query if q.section == "questions"],
        f"Analyses {about}{memory}": [q for q in report.query if q.section == "analyses"],
        f"Analyses {about} while {report.query_load:,.0f} events a second come in": report.query_loaded,
    }
    names = ["query", "rows", "from", "median ms", "min ms", "max ms", "target ms"]
    return [Sheet(title, names, [_asked(q) for q in asked]) for title, asked in parts.items() if asked]


def _asked(q: QueryFigures) -> list[str]:
    if not q.runs:
        return [q.question, "–", "–", f"> {q.median_ms:,.0f}", "–", "–", _target(q)]
    source = "rollup" if q.from_rollup else "events"
    return [q.question, f"{q.rows:,}", source, *_ms(q.median_ms, q.min_ms, q.max_ms), _target(q)]


def _target(q: QueryFigures) -> str:
    return "" if q.target_ms is None else f"< {q.target_ms:,.0f} {'✓' if q.median_ms < q.target_ms else '✗'}"


def _ms(*values: float) -> list[str]:
    return [f"{value:,.1f}" for value in values]


def _number(value: float | None, places: int, unit: int = 1) -> str:
    return "–" if value is None else f"{value / unit:,.{places}f}"


def _value(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
