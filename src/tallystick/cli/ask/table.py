"""An answer as a table: numbers to the right, a bar for the first, and how far each is from the period before."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

BAR = 16
"""Characters of the longest bar."""
PIPED_WIDTH = 1_000
"""Characters that a line may have where no terminal limits it."""
DRAWN = {"metrics", "sessions"}
"""Kinds of questions whose first number is an amount."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_NOBODY = "(none)"
_REST = "(other)"

Row = dict[str, Any]


def show(answer: dict[str, Any], kind: object, out: Console) -> None:
    """Print an answer of any kind of question; those of a kind in DRAWN with bars."""
    rows: list[Row] = answer["rows"]
    target = out if out.is_terminal else Console(file=sys.stdout, width=PIPED_WIDTH, highlight=False)
    if rows:
        target.print(_table(rows, kind in DRAWN and target.encoding.lower().startswith("utf")))
    else:
        target.print("no rows")
    for line in _notes(answer):
        target.print(f"[dim]{escape(line)}[/]")


def _notes(answer: dict[str, Any]) -> list[str]:
    notes = []
    if previous := answer.get("previous"):
        edges = [datetime.fromisoformat(previous[edge]).astimezone(UTC) for edge in ("since", "until")]
        notes.append(f"before: {edges[0]:%Y-%m-%d %H:%M} to {edges[1]:%Y-%m-%d %H:%M} UTC")
    if not answer.get("exact", True):
        notes.append("estimated")
    if answer.get("next_cursor"):
        notes.append("there are more rows: take --top, or --format csv for all of them")
    return notes


def _table(rows: Sequence[Row], draw: bool) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [name for name in names if name not in ("other", "previous")]
    compared = any("previous" in row for row in rows)
    numeric = [name for name in columns if any(_is_number(row.get(name)) for row in rows)]
    cells: list[Callable[[Row], str]] = []
    for name in columns:
        values = [row.get(name) for row in rows]
        table.add_column(escape(printable(name)), justify="right" if name in numeric else "left", overflow="fold")
        cells.append(_column(name, values, name in numeric))
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

    nobody = _NOBODY if any(isinstance(value, str) for value in values) else ""

    def text(row: Row) -> str:
        value = row.get(name)
        if value is None:
            return _REST if row.get("other") else nobody
        return escape(printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))

    return text


def _before(name: str) -> Callable[[Row], str]:
    return lambda row: number((row.get("previous") or {}).get(name))


def _change(name: str) -> Callable[[Row], str]:
    def change(row: Row) -> str:
        now, before = row.get(name), (row.get("previous") or {}).get(name)
        if not _is_number(now) or not _is_number(before) or not before:
            return ""
        return f"{(now - before) / abs(before):+.1%}"

    return change


def _bar(name: str, rows: Sequence[Row]) -> Callable[[Row], str] | None:
    """Bars of a column; None where it has nothing to draw."""
    values = [row[name] for row in rows if _is_number(row.get(name))]
    largest = max(values, default=0)
    if largest <= 0 or min(values) < 0:
        return None

    def bar(row: Row) -> str:
        eighths = round((row.get(name) or 0) / largest * BAR * 8)
        return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()

    return bar


def _moments(values: Sequence[Any]) -> dict[Any, str]:
    """Instants as people write them: dates where all are midnights; with the offset where it is not the same in all."""
    found = {value: datetime.fromisoformat(value) for value in values if isinstance(value, str)}
    if all((moment.hour, moment.minute) == (0, 0) for moment in found.values()):
        return {value: f"{moment:%Y-%m-%d}" for value, moment in found.items()}
    several = len({moment.utcoffset() for moment in found.values()}) > 1
    return {value: f"{moment:%Y-%m-%d %H:%M}" + (value[-6:] if several else "") for value, moment in found.items()}


def number(value: Any) -> str:
    """A number with its thousands apart and at most three decimals; empty where there is none."""
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
    """The text, with what would steer a terminal written out: an event may be called anything."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
