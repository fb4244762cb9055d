"""The figures as tables: for a terminal, and as Markdown for docs/build/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console

from tallystick.cli.bench.report import (
    FillFigures,
    LoadFigures,
    Machine,
    PacedFigures,
    QueryFigures,
    Report,
    ScenarioFigures,
)
from tallystick.cli.bench.scale.tables import scale_sheets
from tallystick.cli.console import new_table

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
        table = new_table(sheet.title)
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
        made.append(_paced(report.paced))
    if report.lag:
        names = ["load, events/s", "probes", "p50 ms", "p95 ms", "max ms"]
        rows = [[f"{g.events_per_second:,.0f}", f"{g.probes}", *_ms(g.p50_ms, g.p95_ms, g.max_ms)] for g in report.lag]
        made.append(Sheet("From 202 to queryable", names, rows))
    if report.scenario:
        made += [_scenario(report.scenario), _scenario_answers(report.scenario), _scenario_stored(report.scenario)]
    if report.scale:
        made += [Sheet(*sheet) for sheet in scale_sheets(report.scale)]
    if report.fill:
        made.append(_fill(report.fill))
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


def _scenario(figures: Sequence[ScenarioFigures]) -> Sheet:
    names = ["kind", "users", "events a body", "seconds", "requests/s", "events/s"]
    rows = [
        [
            f.scenario,
            f"{f.users:,}",
            f"{f.body_events:,}",
            f"{f.seconds:.1f}",
            f"{f.requests_per_second:,.0f}",
            f"{f.events_per_second:,.0f}",
        ]
        for f in figures
    ]
    return Sheet("Virtual users", names, rows)


def _scenario_stored(figures: Sequence[ScenarioFigures]) -> Sheet:
    names = ["kind", "accepted events", "stored events", "stored after s"]
    rows = [[f.scenario, f"{f.events:,}", f"{f.stored:,}", f"{f.seconds_to_stored:.1f}"] for f in figures]
    return Sheet("What was accepted, and what was stored", names, rows)


def _scenario_answers(figures: Sequence[ScenarioFigures]) -> Sheet:
    names = ["kind", "requests", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors"]
    rows = [
        [
            f.scenario,
            f"{f.requests:,}",
            *_ms(f.p50_ms, f.p95_ms, f.p99_ms, f.max_ms),
            ", ".join(f"{kind}: {count:,}" for kind, count in sorted(f.errors.items())) or "0",
        ]
        for f in figures
    ]
    return Sheet("What they saw", names, rows)


def _paced(figures: Sequence[PacedFigures]) -> Sheet:
    names = ["requests/s", "requests", "ack p50 ms", "p99 ms", "max ms"]
    rows = [[f"{p.requests_per_second:,.0f}", f"{p.requests:,}", *_ms(p.p50_ms, p.p99_ms, p.max_ms)] for p in figures]
    if all(p.bare for p in figures):
        names += ["p99.9 ms", "p99 ÷ bare", "p99.9 ÷ bare"]
        for row, p in zip(rows, figures, strict=True):
            bare_p99, bare_p999 = p.bare or (1.0, 1.0)
            row += [*_ms(p.p999_ms), f"{p.p99_ms / bare_p99:.1f}", f"{p.p999_ms / bare_p999:.1f}"]
    return Sheet("Single events at a fixed rate (open loop)", names, rows)


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
    if any(f.share_of_bare for f in figures):
        names.append("of bare uvicorn")
        for row, f in zip(rows, figures, strict=True):
            row.append("–" if f.share_of_bare is None else f"{f.share_of_bare:.0%}")
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


def _fill(figures: Sequence[FillFigures]) -> Sheet:
    names = ["events", "seconds", "CPU µs an event", "until stored", "of all the server's", "disk bytes an event"]
    rows = []
    for f in figures:
        whole = f.cpu_seconds + (f.server_cpu_seconds or 0.0)
        cpu = [value and value * 1e6 / f.events for value in (whole, f.stored_cpu_seconds, f.server_cpu_seconds)]
        size = f.disk_bytes and f.disk_bytes / f.events
        rows.append([f"{f.events:,}", f"{f.seconds:.0f}", *(_number(each, 2) for each in cpu), _number(size, 1)])
    return Sheet("Storing the history, housekeeping included", names, rows)


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
