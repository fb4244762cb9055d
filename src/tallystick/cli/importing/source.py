"""Turns a file into request bodies. A row's id follows from the file's bytes and the row's number."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID, uuid5

import msgspec

from tallystick.cli.importing.columns import Choices, fields_of, properties_of
from tallystick.cli.importing.ndjson import LINE_MAX, LineFile, LineMapper, Members, NotAnEvent, TooLong
from tallystick.errors import ConfigError

if TYPE_CHECKING:
    from tallystick.store.duckdb.files import TableFile

Format = Literal["ndjson", "csv", "parquet"]

CHUNK_BYTES = 4 * 1024 * 1024
"""Most bytes in one request."""
NAMESPACE = UUID("5d1f6f0a-6f5b-4a86-9f5c-2f1c8f3f7a10")
"""Namespace of the ids of imported rows."""

_FORMATS: dict[str, Format] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSED = (".gz", ".zst")


class Broken(msgspec.Struct, frozen=True):
    """A row that cannot be sent: its number, counted from 1, and why."""

    row: int
    reason: str


class Chunk(msgspec.Struct, frozen=True):
    """The part of a file that one request sends.

    Attributes:
        body: the events, NDJSON.
        rows: the number of each event's row, counted from 0.
        broken: rows among these that hold no event.
        end: the number of the first row of the next chunk.
        progress: how far into the file its end is, in the unit of the source's `total`.
    """

    body: bytes
    rows: Sequence[int]
    broken: Sequence[Broken]
    end: int
    progress: int


class Source(Protocol):
    """A file that is being imported.

    Attributes:
        total: its size in `unit`, for the progress bar.
        broken: rows that were found invalid when the file was opened.
    """

    total: int
    unit: Literal["rows", "bytes"]
    broken: Sequence[Broken]

    def chunks(self, skip: int, most: int) -> Iterator[Chunk]:
        """The rows from number `skip` on, at most `most` to a chunk. Raises InvalidRequest on a damaged file."""

    def close(self) -> None: ...


def format_of(path: Path, given: Format | None) -> Format:
    """The file's format: the given one, else that of its ending.

    Raises:
        ConfigError: the ending is unknown.
    """
    if given is not None:
        return given
    ending = (path.with_suffix("") if path.suffix in _COMPRESSED else path).suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(f"{path}: the ending {ending!r} is not that of a format: add --format ndjson, csv or parquet")
    return _FORMATS[ending]


@contextmanager
def on_disk(file: str, kind: Format | None) -> Iterator[Path]:
    """The file's path; standard input (`-`) is first copied to a temporary file, so that it can be read twice.

    Raises:
        ConfigError: there is no such file, or standard input would have to be Parquet.
    """
    if file != "-":
        path = Path(file)
        if not path.is_file():
            raise ConfigError(f"there is no file {file}: give the name of one file, without wildcards")
        yield path
        return
    if kind == "parquet":
        raise ConfigError("Parquet cannot be read from standard input: name the file")
    with tempfile.NamedTemporaryFile(suffix=f".{kind or 'ndjson'}") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def fingerprint(path: Path) -> str:
    """A digest of the file's bytes. Files with the same digest count as the same file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def open_source(
    path: Path, kind: Format, digest: str, choices: Choices, delimiter: str | None, empty: Sequence[str]
) -> Source:
    """The file, ready to be read.

    Raises:
        InvalidRequest: it is not of that format, or lacks a column that an option names.
    """
    namespace = uuid5(NAMESPACE, digest)
    if kind == "ndjson":
        return _Lines(path, choices, namespace)
    if (delimiter is None and path.with_suffix("").suffix == ".tsv") or path.suffix == ".tsv":
        delimiter = "\t"
    from tallystick.store.duckdb.files import (
        TableFile,  # imported late: it loads DuckDB, which other commands do not need
    )

    return _Table(TableFile(path, kind, delimiter, empty), choices, namespace)


class _Table:
    """A CSV or Parquet file."""

    unit: Literal["rows", "bytes"] = "rows"

    def __init__(self, table: TableFile, choices: Choices, namespace: UUID) -> None:
        columns = [column.name for column in table.columns]
        try:
            fields = fields_of(columns, choices)
        except BaseException:
            table.close()
            raise
        from tallystick.store.duckdb.files import Plan

        self._plan = Plan(fields, choices.constants, properties_of(columns, fields, choices), choices.timezone)
        self._table = table
        self._namespace = namespace
        self.total = table.rows
        self.broken: Sequence[Broken] = [Broken(bad.line, bad.reason) for bad in table.bad_lines]

    def chunks(self, skip: int, most: int) -> Iterator[Chunk]:
        chunk = _ChunkBuilder(self._namespace, most, skip)
        for rows in self._table.read(self._plan, skip):
            for members in rows:
                if chunk.full:
                    yield chunk.take(chunk.end)
                chunk.add(members)
        if chunk.end > chunk.start:
            yield chunk.take(chunk.end)

    def close(self) -> None:
        self._table.close()


class _Lines:
    """An NDJSON file."""

    unit: Literal["rows", "bytes"] = "bytes"
    broken: Sequence[Broken] = ()

    def __init__(self, path: Path, choices: Choices, namespace: UUID) -> None:
        self._file = LineFile(path)
        self._mapper = LineMapper(choices)
        self._namespace = namespace
        self.total = self._file.size

    def chunks(self, skip: int, most: int) -> Iterator[Chunk]:
        chunk = _ChunkBuilder(self._namespace, most, skip)
        for number, line in enumerate(self._file.lines()):
            if number < skip:
                continue
            if chunk.full:
                yield chunk.take(self._file.position)
            if isinstance(line, TooLong):
                chunk.skip(f"has {line.size:,} bytes; at most {LINE_MAX:,} are read")
                continue
            if not line.strip():
                chunk.skip()
                continue
            try:
                chunk.add(self._mapper.members(line))
            except NotAnEvent as error:
                chunk.skip(str(error))
        if chunk.end > chunk.start:
            yield chunk.take(self._file.position)

    def close(self) -> None:
        self._file.close()


class _ChunkBuilder:
    """Collects rows until they fill a chunk."""

    def __init__(self, namespace: UUID, most: int, start: int) -> None:
        self._ids = RowIds(namespace)
        self._most = most
        self.end = start
        self._begin()

    def _begin(self) -> None:
        self.start = self.end
        self.full = False
        self._lines: list[bytes] = []
        self._rows: list[int] = []
        self._broken: list[Broken] = []
        self._size = 0

    def add(self, members: Members) -> None:
        """Add the next row's event. An event without an id gets one from the file's bytes and the row's number."""
        given, others = members
        identity = msgspec.json.encode(given).decode() if given else f'"{self._ids.of(self.end)}"'
        line = f'{{"event_id":{identity},{others}}}\n'.encode()
        self._lines.append(line)
        self._rows.append(self.end)
        self._size += len(line)
        self.end += 1
        self.full = self._size >= CHUNK_BYTES or len(self._lines) >= self._most

    def skip(self, reason: str | None = None) -> None:
        """Count the next row, which holds no event; with a reason it counts as broken."""
        self.end += 1
        if reason is not None:
            self._broken.append(Broken(self.end, reason))
        self.full = self.full or self.end - self.start >= 10 * self._most

    def take(self, progress: int) -> Chunk:
        """The finished chunk; the builder starts the next one."""
        made = Chunk(b"".join(self._lines), self._rows, self._broken, self.end, progress)
        self._begin()
        return made


_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""Maps the hex digit at the variant's position of a UUID to one with the variant's bits set."""


class RowIds:
    """Makes `uuid5(namespace, str(row))` in a fifth of the time, because every row needs one."""

    def __init__(self, namespace: UUID) -> None:
        self._start = hashlib.sha1(namespace.bytes, usedforsecurity=False)

    def of(self, row: int) -> str:
        """The id of the row with this number, as text."""
        sha = self._start.copy()
        sha.update(b"%d" % row)
        h = sha.hexdigest()
        return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"
