"""CSV files. Each line of the file belongs to exactly one row, so that no row is lost to another's broken quote.

The dialect is RFC 4180 with one delimiter; lines end with LF, CRLF or CR, also mixed. It is fixed and never guessed, so
that one odd line cannot change how the others are read. A row that does not fit is reported with its line:

- A quote that breaks a row (`"x"y`) breaks that row alone: reading goes on with the line after the one it begins in.
- So does a quote that is never closed, or only by the quote of a later row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Literal, NamedTuple

from tallystick.cli.importing.reading.content import Content
from tallystick.cli.importing.reading.rows import (
    LINE_MAX,
    REASONS_KEPT,
    Broken,
    Row,
    check_columns,
    lost,
)
from tallystick.cli.importing.types import ColumnType, TypeFinder, encoder_of
from tallystick.errors import InvalidRequest

DELIMITERS = ",;\t|"
FETCH = 2_048
"""Rows whose types are looked at together."""


Record = tuple[int, list[str] | None, str]
"""A row as the file has it: the line where it begins, counted from 1; its cells; or None and why it has none."""


class CsvFile:
    """An opened CSV file.

    Opening it reads it once, to detect the type of each column and to count the rows: a type that is guessed from the
    first lines may be wrong for the last ones.

    Attributes:
        numeric_texts: columns that are text only because some of their numbers are not written canonically.
    """

    word: Literal["line", "row"] = "line"
    unit: Literal["rows", "bytes"] = "rows"

    def __init__(
        self,
        path: Path,
        lines: int,
        delimiter: str | None = None,
        empty: Sequence[str] = (),
        encoding: str | None = None,
    ) -> None:
        """Open `path`, which has this many lines. `empty` lists the texts that mean "no value", beside the empty one.

        Raises:
            InvalidRequest: it has no header that can be used, or is damaged.
        """
        self._path = path
        self._encoding = encoding
        self._empty = frozenset(("", *empty))
        self._lines = lines
        self.broken: list[Broken] = []
        self.broken_count = self.numbered = self._at = 0
        self.columns, self._delimiter = self._header(delimiter)
        self._types = self._survey()
        self.total = self.numbered
        self.counted = self.numbered + self.broken_count

    def _header(self, delimiter: str | None) -> tuple[list[str], str]:
        """The column names (`column3` for an empty name), and the delimiter.

        If the caller gives no delimiter, it is the most frequent of `, ; tab |` in the first line.
        """
        with Content(self._path, self._encoding) as content, content.errors():
            lines = Lines(content)
            first = lines.take()
            if not isinstance(first, str) or not first.strip():
                raise InvalidRequest(f"{self._path} has no header line")
            lines.give_back([first])
            delimiter = delimiter or max(DELIMITERS, key=first.count)
            _, header, problem = next(records(lines, delimiter))
        if header is None:
            raise InvalidRequest(f"{self._path} cannot be read as csv: its header {problem}")
        names = [name or f"column{number}" for number, name in enumerate(header, 1)]
        check_columns(self._path, names)
        return names, delimiter

    def _records(self) -> Iterator[Record]:
        """The rows after the header. Raises InvalidRequest when the lines do not add up."""
        with Content(self._path, self._encoding) as content:
            lines = Lines(content)
            found = records(lines, self._delimiter, len(self.columns))
            with content.errors(lambda: f" after line {lines.number}"):
                next(found)  # the header
                yield from found
            if lines.number != self._lines:
                raise lost(self._path, "line", lines.number, self._lines)

    def _survey(self) -> list[ColumnType]:
        """The type of each column; counts the rows on the way."""
        types = TypeFinder(len(self.columns), self._empty)
        batch: list[list[str]] = []
        for line, cells, problem in self._records():
            if cells is None:
                self.broken_count += 1
                if len(self.broken) < REASONS_KEPT:
                    self.broken.append(Broken(line, problem))
                continue
            self.numbered += 1
            batch.append(cells)
            if len(batch) == FETCH:
                types.see(batch)
                batch = []
        types.see(batch)
        self.numeric_texts: Sequence[str] = [
            name for name, numeric in zip(self.columns, types.numeric_texts(), strict=True) if numeric
        ]
        return types.found()

    def rows(self, skip: int, texts: frozenset[str] | None = frozenset()) -> Iterator[Row]:
        """The readable rows; see `RowFile`."""
        encoders = [
            (name, encoder_of("text" if texts is None or name in texts else kind))
            for name, kind in zip(self.columns, self._types, strict=True)
        ]
        empty = self._empty
        number = 0
        for line, cells, _ in self._records():
            if cells is None:
                continue
            number += 1
            self._at = number
            if number > skip:
                pairs = zip(encoders, cells, strict=True)
                yield Row(line, {name: encode(cell) for (name, encode), cell in pairs if cell not in empty})
        if number != self.numbered:
            raise lost(self._path, "row", number, self.numbered)

    def position(self) -> int:
        """Rows read so far."""
        return self._at

    def close(self) -> None:
        """Nothing stays open between readings."""


# --- lines and records ----------------------------------------------------------------------------------------------


class TooLong(NamedTuple):
    """A line that was skipped because it is too long; `size` in characters."""

    size: int


Line = str | TooLong
"""A line, with what ends it."""


class Lines:
    """The lines of a file. Those that were taken can be given back.

    Attributes:
        number: how many were taken and not given back: the number of the last one.
    """

    def __init__(self, content: Content) -> None:
        self._text = TextIOWrapper(content.stream, encoding="utf-8", errors="surrogateescape", newline="")
        self._back: list[Line] = []
        self.number = 0

    def take(self) -> Line | None:
        """The next line; None at the end."""
        if self._back:
            self.number += 1
            return self._back.pop()
        text = self._text.readline(LINE_MAX)
        if not text:
            return None
        self.number += 1
        return text if len(text) < LINE_MAX else self._too_long(text)

    def _too_long(self, text: str) -> TooLong:
        size = len(text)
        while not text.endswith(("\n", "\r")) and (text := self._text.readline(LINE_MAX)):
            size += len(text)
        return TooLong(size)

    def give_back(self, lines: Sequence[Line]) -> None:
        """Make these the next ones."""
        self._back += reversed(lines)
        self.number -= len(lines)


def records(lines: Lines, delimiter: str, columns: int | None = None) -> Iterator[Record]:
    """The rows of the lines, each with as many cells as the file has columns. Blank lines are none.

    Args:
        columns: how many cells the rows after the first have; None: any number.
    """
    csv.field_size_limit(LINE_MAX)  # of the process: Python's own limit is 128 KiB
    expected: int | None = None
    while (text := lines.take()) is not None:
        begin = lines.number
        if isinstance(text, TooLong):
            yield begin, None, f"has {text.size:,} characters; at most {LINE_MAX:,} are read"
            continue
        cells: list[str] | None
        if '"' not in text:
            bare = text.rstrip("\r\n")
            if not bare and expected != 1:  # in a file of one column, an empty line is a row with an empty cell
                continue
            cells, problem = bare.split(delimiter), ""
        else:
            try:  # most rows end with their line; of the others `_quoted` knows more lines, or what is wrong
                cells, problem = next(csv.reader((text,), delimiter=delimiter, strict=True)), ""
            except (csv.Error, StopIteration):
                cells, problem = _quoted(text, lines, delimiter, expected)
        if cells is not None:
            if expected is not None and len(cells) != expected:
                count, cells = len(cells), None
                problem = f"has {count} cells; the header has {expected}"
            elif not text.isascii() or lines.number > begin:
                try:
                    "".join(cells).encode()
                except UnicodeEncodeError:
                    cells, problem = None, "is not UTF-8 text; --encoding, such as cp1252, names another"
        expected = columns
        yield begin, cells, problem


def _quoted(first: str, lines: Lines, delimiter: str, columns: int | None) -> tuple[list[str] | None, str]:
    """The cells of the row that begins with this line, which has a quote; or None and why it has none."""
    used: list[Line] = []

    def texts() -> Iterator[str]:
        size = 0
        line: Line | None = first
        while isinstance(line, str) and size + len(line) <= LINE_MAX:
            size += len(line)
            yield line
            line = lines.take()
            if line is not None:
                used.append(line)

    cells: list[str] | None = None
    problem = ""
    try:
        cells = next(csv.reader(texts(), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        if "end of data" in str(error) or not str(error):
            problem = "opens a quote that is not closed"
        else:
            problem = f"has a broken quote ({error}); inside a quoted cell a quote is written twice"
    torn = cells is not None and used and columns is not None and len(cells) != columns
    if torn and any(isinstance(line, str) and line.count(delimiter) + 1 == columns for line in used):
        # A quote that the quote of a later row closes. The lines between look like rows of their own, so they are.
        cells, problem = None, f"opens a quote that is closed only in line {lines.number}"
    if cells is None:
        lines.give_back(used)
    return cells, problem
