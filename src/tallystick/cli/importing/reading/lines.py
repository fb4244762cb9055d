"""NDJSON files: one JSON object a line. A file that is one JSON array has its elements as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tallystick.cli.importing.reading.content import PIECE, Content
from tallystick.cli.importing.reading.rows import LINE_MAX, Broken, Row, Values, lost
from tallystick.errors import InvalidRequest

ARRAY_MAX = 1024 * 1024 * 1024
"""Largest file in bytes that is one JSON array. It is held in memory."""
LINE = "line"
"""The only column of a file of lines that are no JSON."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


class TooLong(NamedTuple):
    """A line that was skipped because it is too long; `size` in bytes."""

    size: int


class LinesFile:
    """An opened NDJSON file, plain or compressed."""

    arrays = True
    """Whether a file that begins with `[` is one JSON array."""
    columns: Sequence[str] | None = None
    word: Literal["line", "row"] = "line"
    unit: Literal["rows", "bytes"] = "bytes"
    broken_count = 0
    numeric_texts: Sequence[str] = ()

    def __init__(self, path: Path, lines: int, encoding: str | None = None) -> None:
        """Open `path`, which has this many lines.

        Raises:
            InvalidRequest: it is an array that is not JSON, or too large.
        """
        self.broken: list[Broken] = []
        self._path = path
        self._content = Content(path, encoding)
        self.total = self._content.size
        self.numbered = lines
        self.counted = 0
        self._elements: list[msgspec.Raw] | None = None
        try:
            with self._content.errors():
                self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        start = self._content.stream.peek(PIECE)
        if b"\n" not in start and b"\r" in start:
            self._content.end_lines_with_lf()
        if start.lstrip()[:1] == b"[" and not _is_whole(start.lstrip().splitlines()[0]):
            self._elements = self._read_array()
            self.numbered = len(self._elements)
            self.word = "row"

    def _read_array(self) -> list[msgspec.Raw]:
        text = self._content.stream.read(ARRAY_MAX + 1)
        if len(text) > ARRAY_MAX:
            raise InvalidRequest(
                f"{self._path} is one JSON array of more than {ARRAY_MAX:,} bytes: write it as one event a line, "
                "such as with jq -c '.[]'"
            )
        try:
            return _array.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"{self._path} begins as a JSON array, and is none: {error}") from error

    def rows(self, skip: int, texts: frozenset[str] | None = frozenset()) -> Iterator[Row]:
        """Every line without the first `skip`; an empty one as a row without values or problem."""
        self.counted = number = 0
        for number, line in enumerate(self._elements if self._elements is not None else self._lines(), 1):
            empty = not isinstance(line, TooLong) and not bytes(line).strip()
            self.counted += not empty
            if number > skip:
                yield Row(number, None) if empty else self._row(number, line)
        if number != self.numbered:
            raise lost(self._path, self.word, number, self.numbered)

    def _lines(self) -> Iterator[bytes | TooLong]:
        stream = self._content.stream
        number = 0
        with self._content.errors(lambda: f" after line {number}"):
            while line := stream.readline(LINE_MAX):
                number += 1
                if len(line) >= LINE_MAX:
                    yield TooLong(len(line) + self._rest_of(line))
                    continue
                end = len(line) - (2 if line.endswith(b"\r\n") else 1 if line.endswith((b"\n", b"\r")) else 0)
                if line.find(b"\r", 0, end) < 0:
                    yield line
                else:  # JSON has no bare CR inside a text, so it ends a line
                    parts = line[:end].split(b"\r")
                    number += len(parts) - 1
                    yield from parts

    def _rest_of(self, line: bytes) -> int:
        """Skip the rest of the line that begins with `line`. Returns the number of bytes skipped."""
        size = 0
        while line and not line.endswith(b"\n"):
            line = self._content.stream.readline(LINE_MAX)
            size += len(line)
        return size

    def _row(self, number: int, line: bytes | msgspec.Raw | TooLong) -> Row:
        if isinstance(line, TooLong):
            return Row(number, None, f"has {line.size:,} bytes; at most {LINE_MAX:,} are read")
        try:
            return Row(number, self._values(bytes(line)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Row(number, None, f"is not a JSON object: {error}")

    def _values(self, line: bytes) -> Values:
        if not line.isascii():
            line.decode()  # the decoder does not look into values
        return _object.decode(line)

    def position(self) -> int:
        """Bytes of the file that are read so far, in its compressed form."""
        return self._content.position

    def close(self) -> None:
        """Let go of the file."""
        self._content.close()


def _is_whole(line: bytes) -> bool:
    """Whether the line is an array by itself, so that it is a wrong line and not the beginning of the file's array."""
    try:
        return isinstance(msgspec.json.decode(line), list)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


class LogFile(LinesFile):
    """A text file whose lines are its rows, under the only column LINE. Bytes that are not UTF-8 become U+FFFD."""

    arrays = False
    columns = (LINE,)

    def _values(self, line: bytes) -> Values:
        return {LINE: msgspec.json.encode(line.decode("utf-8", "replace").rstrip("\r\n"))}
