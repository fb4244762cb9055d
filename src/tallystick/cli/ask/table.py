"""An answer as a table: numbers on the right, a bar for the first number, the change since the previous period."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tallystick.cli import console
from tallystick.cli.client import Answer

BAR = 16
"""Characters of the longest bar."""
DRAWN = {"metrics", "sessions"}
"""Kinds of queries whose first number is an amount, so that a bar shows it."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_NO_VALUE = "(none)"
_REST = "(other)"
INCOMPLETE = " *"
"""Stands after a bucket that the range or the current time cuts."""

Row = dict[str, Any]


def show(answer: dict[str, Any], kind: object, out: Console) -> None:
    """Print the answer to a query of any kind; with bars when the kind is in DRAWN."""
    rows: list[Row] = answer["rows"]
    target = console.for_tables(out)
    if rows:
        target.print(_table(rows, kind in DRAWN and target.encoding.lower().startswith("utf")))
    else:
        target.print("no rows")
    for line in _notes(answer):
        target.print(f"[dim]{escape(line)}[/]")


def beginning(events_from: str, in_sql: bool = False) -> str:
    """From when on there are events, as a sentence about the answer to a query, or to a statement in SQL."""
    day = f"{datetime.fromisoformat(events_from).astimezone(UTC):%Y-%m-%d}"
    said = f"events of before {day} (UTC) were removed"
    if not in_sql:
        return f"{said}: figures that kept rollups do not have begin there"
    return f"{said}: SQL does not have their kept rollups"


def tell_beginning(answer: Answer, in_sql: bool = False) -> None:
    """Say beside a file, which cannot, from when on there are events."""
    if answer.events_from:
        console.err.print(f"[dim]{escape(beginning(answer.events_from, in_sql))}[/]")


def _notes(answer: dict[str, Any]) -> list[str]:
    notes = []
    if previous := answer.get("previous"):
        edges = [datetime.fromisoformat(previous[edge]).astimezone(UTC) for edge in ("since", "until")]
        notes.append(f"before: {edges[0]:%Y-%m-%d %H:%M} to {edges[1]:%Y-%m-%d %H:%M} UTC")
    if any("bucket" in row and row.get("complete") is False for row in answer["rows"]):
        notes.append(f"{INCOMPLETE.strip()} not whole: the range or the current time cuts it")
    if not answer.get("exact", True):
        notes.append("estimated")
    if answer.get("events_from"):
        notes.append(beginning(answer["events_from"]))
    if answer.get("next_cursor"):
        notes.append("there are more rows: use --top, or --format csv for all of them")
    return notes


def _table(rows: Sequence[Row], draw: bool) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [name for name in names if name not in ("other", "previous", "complete")]
    compared = any("previous" in row for row in rows)
    numeric = [name for name in columns if any(_is_number(row.get(name)) for row in rows)]
    cells: list[Callable[[Row], str]] = []
    for name in columns:
        values = [row.get(name) for row in rows]
        table.add_column(escape(printable(name)), justify="right" if name in numeric else "left", overflow="fold")
        text = _column(name, values, name in numeric)
        cells.append(_marked(text) if name == "bucket" else text)
        if compared and name in numeric:
            table.add_column("before", justify="right", style="dim")
            table.add_column("change", justify="right")
            cells += [_before(name), _change(name)]
    if draw and numeric and len(rows) > 1:
        bar = _bar(numeric[0], rows)
        if bar is not None:
            table.add_column("", no_wrap=True)
            cells.append(bar)
    for row in rows:
        table.add_row(*(cell(row) for cell in cells))
    return table


def _column(name: str, values: Sequence[Any], numeric: bool) -> Callable[[Row], str]:
    if numeric:
        return lambda row: number(row.get(name))
    if name in ("bucket", "cohort"):
        moments = _moments(values)
        return lambda row: moments.get(row.get(name), "")

    no_value = _NO_VALUE if any(isinstance(value, str) for value in values) else ""

    def text(row: Row) -> str:
        value = row.get(name)
        if value is None:
            return _REST if row.get("other") else no_value
        return escape(printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))

    return text


def _marked(bucket: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: bucket(row) + (INCOMPLETE if row.get("complete") is False else "")


def _before(name: str) -> Callable[[Row], str]:
    return lambda row: number((row.get("previous") or {}).get(name))


def _change(name: str) -> Callable[[Row], str]:
    def change(row: Row) -> str:
        now, before = row.get(name), (row.get("previous") or {}).get(name)
        if not _is_number(now) or not _is_number(before) or not before or not _alike(row):
            return ""
        return f"{(now - before) / abs(before):+.1%}"

    return change


def _alike(row: Row) -> bool:
    """Whether a row and that of the other period are whole; two cut buckets need not have the same length."""
    return all(part.get("complete", True) for part in (row, row["previous"]))


def _bar(name: str, rows: Sequence[Row]) -> Callable[[Row], str] | None:
    """Makes the bars of a column; None: the column has negative numbers or nothing above 0."""
    values = [row[name] for row in rows if _is_number(row.get(name))]
    largest = max(values, default=0)
    if largest <= 0 or min(values) < 0:
        return None

    def bar(row: Row) -> str:
        eighths = round((row.get(name) or 0) / largest * BAR * 8)
        return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()

    return bar


def _moments(values: Sequence[Any]) -> dict[Any, str]:
    """Readable instants: only dates when all are midnights; with the offset when the offsets differ."""
    found = {value: datetime.fromisoformat(value) for value in values if isinstance(value, str)}
    if all((moment.hour, moment.minute) == (0, 0) for moment in found.values()):
        return {value: f"{moment:%Y-%m-%d}" for value, moment in found.items()}
    several = len({moment.utcoffset() for moment in found.values()}) > 1
    return {value: f"{moment:%Y-%m-%d %H:%M}" + (value[-6:] if several else "") for value, moment in found.items()}


def number(value: Any) -> str:
    """A number with thousands separators and at most three decimals; empty for None."""
    if not _is_number(value):
        return "" if value is None else escape(printable(str(value)))
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    if not 1e-3 <= abs(value) < 1e15:
        return f"{value:.3e}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def printable(text: str) -> str:
    """The text with control characters escaped: an event's name may hold any, and they would control the terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
