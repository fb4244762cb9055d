"""What every kind of file gives: rows, each with its values as JSON texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from tallystick.errors import InvalidRequest

Values = Mapping[str, bytes | msgspec.Raw]
"""Column, or key of a JSON object → the JSON text of its value. A column without a value is absent."""

LINE_MAX = 16 * 1024 * 1024
"""Longest line, and longest row of several lines, that is read. A longer one is reported and skipped."""
COLUMNS_MAX = 2_000
"""Most columns of a CSV or Parquet file."""
REASONS_KEPT = 5
"""Unreadable rows that are kept with their reasons; the others are counted."""


class Row(NamedTuple):
    """One row.

    Attributes:
        place: the line at which it begins (CSV, NDJSON) or its number (Parquet), counted from 1.
        values: None when the row cannot be read, or is empty.
        problem: why it cannot be read; empty for an empty row, which is none of the file's rows.
    """

    place: int
    values: Values | None
    problem: str = ""


class Broken(msgspec.Struct, frozen=True):
    """A row that cannot be sent: its place (see `Row`), and why."""

    row: int
    reason: str


class RowFile(Protocol):
    """An opened file.

    Attributes:
        columns: its columns in order; None when each row has its own keys.
        word: what a row's place counts: "line" or "row".
        total: its size in `unit`, for a progress bar.
        numbered: how many rows `rows` gives, from the first.
        counted: how many rows the file has, those that `rows` leaves out included; empty ones are none. For NDJSON it
            is known after the last row.
        numeric_texts: columns of a CSV file that are text only because a number would not keep some of their values.
        broken: the first rows that were found unreadable when the file was opened; `rows` leaves these out.
        broken_count: how many these are.
    """

    @property
    def columns(self) -> Sequence[str] | None: ...

    word: Literal["line", "row"]
    total: int
    unit: Literal["rows", "bytes"]
    numbered: int
    counted: int
    numeric_texts: Sequence[str]
    broken: list[Broken]
    broken_count: int

    def rows(self, skip: int, texts: frozenset[str] | None) -> Iterator[Row]:
        """The rows in order, without the first `skip`.

        Args:
            texts: columns whose values stay texts, even when all of them are numbers; None: all columns.

        Raises:
            InvalidRequest: the file was changed, or a later part of it is damaged.
        """

    def position(self) -> int:
        """How far into the file the last row is, in `unit`."""

    def close(self) -> None: ...


def check_columns(path: object, names: Sequence[str]) -> None:
    """Raises InvalidRequest when the file has more than COLUMNS_MAX columns, or two with one name."""
    if len(names) > COLUMNS_MAX:
        raise InvalidRequest(f"{path} has {len(names):,} columns; at most {COLUMNS_MAX:,} are read: leave some out")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidRequest(f"{path}: two columns have the name {name!r}")
        seen.add(name)


def lost(path: object, word: str, read: int, counted: int) -> InvalidRequest:
    """The error for a file whose rows do not add up."""
    return InvalidRequest(
        f"{path}: {read:,} of its {counted:,} {word}s were read, so it was changed meanwhile or is read wrongly. "
        "The import is not complete; the same command starts it again, and no event counts twice"
    )
