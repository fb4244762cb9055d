"""What an import says at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.markup import escape

from tallystick.cli import console
from tallystick.cli.importing.sending import REASONS_SHOWN, State
from tallystick.cli.importing.source import Source

COLUMNS_SHOWN = 10


def times_of(source: Source) -> list[str]:
    """Lines about the times that were read: which they span, and how many rows got another one."""
    times = source.times
    found = []
    if times.first is not None and times.last is not None:
        found.append(f"times: {_shown(times.first)} to {_shown(times.last)}")
    if times.replaced:
        found.append(f"rows without a plausible time: {times.replaced:,}; they have the time of the import")
    if times.untimed:
        found.append(
            f"rows that say nothing about their time: {times.untimed:,}; they have the time of the import. "
            "--map timestamp=COLUMN names the column that holds it"
        )
    return found


def notes_of(source: Source) -> list[str]:
    """Lines about what the file has otherwise than the options, or their reader, may expect."""
    found = [f"{option}: no row has a value there" for option in source.mapper.unused()]
    texts = source.mapper.texts
    numeric = [] if texts is None else [name for name in source.file.numeric_texts if name not in texts]
    if numeric:
        shown = ", ".join(numeric[:COLUMNS_SHOWN]) + (" …" if len(numeric) > COLUMNS_SHOWN else "")
        found.append(
            f"text, because a number would change some of their values (1.10, 007, 1e5, too many digits): {shown}; "
            f"--type {numeric[0]}=number makes numbers of them"
        )
    return found


def summary(source: Source, state: State) -> dict[str, object]:
    """What an import says at its end, for --json."""
    times = source.times
    first, last = (None if moment is None else moment.isoformat() for moment in (times.first, times.last))
    return {
        "rows": source.file.counted,
        "accepted": state.accepted,
        "rejected": state.rejected + source.file.broken_count,
        "first": first,
        "last": last,
        "notes": [*times_of(source), *notes_of(source)],
        "reasons": _reasons(source, state.reasons),
    }


def _reasons(source: Source, reasons: Sequence[str]) -> list[str]:
    word = source.file.word
    return [*(f"{word} {broken.row}: {broken.reason}" for broken in source.file.broken), *reasons][:REASONS_SHOWN]


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def show_reasons(source: Source, reasons: Sequence[str], rejected: int) -> None:
    """Print the first reasons of rejections, and how many more there are."""
    shown = _reasons(source, reasons)
    for reason in shown:
        console.out.print(f"  [yellow]{escape(reason)}[/]")
    if rejected > len(shown) > 0:
        console.out.print(f"  … and {rejected - len(shown):,} more")
