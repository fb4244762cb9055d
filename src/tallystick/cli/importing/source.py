"""Turns a file into request bodies. A row's id follows from the file's bytes and the row's number."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid5

import msgspec

from tallystick.cli.importing.access_log import AccessLog
from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.content_ids import ContentIds, exact
from tallystick.cli.importing.foreign import ExpandedFile, log_mapper, preset_mapper
from tallystick.cli.importing.mapping import Mapper, Members, NotAnEvent, RowMapper
from tallystick.cli.importing.presets import PRESETS
from tallystick.cli.importing.reading.archive import is_archive, unpacked
from tallystick.cli.importing.reading.content import Survey
from tallystick.cli.importing.reading.delimited import CsvFile
from tallystick.cli.importing.reading.lines import LinesFile, LogFile
from tallystick.cli.importing.reading.parquet import ParquetFile
from tallystick.cli.importing.reading.rows import Broken, Row, RowFile
from tallystick.cli.importing.times import BadTime, Odd, TimeRule
from tallystick.errors import ConfigError
from tallystick.ingest.enrich.page import RULES, PageRules

Format = Literal["ndjson", "csv", "parquet", "combined"]

CHUNK_BYTES = 4 * 1024 * 1024
"""Most bytes in one request."""
NAMESPACE = UUID("5d1f6f0a-6f5b-4a86-9f5c-2f1c8f3f7a10")
"""Namespace of the ids of imported rows."""


class Reading(msgspec.Struct, frozen=True):
    """The options about how the file is read.

    Attributes:
        delimiter: of a CSV file's columns; None: the one that its header uses.
        empty: texts in a CSV file that mean "no value", beside the empty one.
        encoding: of a text file; None: that of its byte order mark, else UTF-8.
        odd_times: what becomes of rows without a plausible time.
    """

    delimiter: str | None = None
    empty: Sequence[str] = ()
    encoding: str | None = None
    odd_times: Odd = "reject"


_FORMATS: dict[str, Format] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".log": "combined",
}
_OTHER_IMPORT = re.compile(rb',"\$import":"[^"]*"|"\$import":"[^"]*",?')
_COMPRESSED = (".gz", ".zst")


class Chunk(msgspec.Struct, frozen=True):
    """The part of a file that one request sends.

    Attributes:
        body: the events, NDJSON.
        places: where each event's row is in the file: its line, or its number in a Parquet file; counted from 1.
        broken: rows among these that hold no event.
        end: the number of the first row of the next chunk.
        progress: how far into the file its end is, in the unit of the source's `total`.
    """

    body: bytes
    places: Sequence[int]
    broken: Sequence[Broken]
    end: int
    progress: int


def format_of(path: Path, given: Format | None) -> Format:
    """The file's format: the given one, else that of its ending.

    Raises:
        ConfigError: the ending is unknown.
    """
    if given is not None:
        return given
    ending = (path.with_suffix("") if path.suffix in _COMPRESSED else path).suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(
            f"{path}: the ending {ending!r} is not that of a format: add --format ndjson, csv, parquet or combined"
        )
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
        if is_archive(path):
            with unpacked(path) as whole:
                yield whole
        else:
            yield path
        return
    if kind == "parquet":
        raise ConfigError("Parquet cannot be read from standard input: name the file")
    with tempfile.NamedTemporaryFile(suffix=f".{kind or 'ndjson'}") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def open_source(
    path: Path,
    kind: Format,
    found: Survey,
    choices: Choices,
    reading: Reading,
    log: AccessLog | None = None,
    rules: PageRules = RULES,
) -> Source:
    """The file, ready to be read.

    Args:
        found: what a survey of it said.
        log: reads the lines of an access log.
        rules: how the pages of other systems' exports and of logs are read.

    Raises:
        InvalidRequest: it is not of that format, or lacks a column that an option names.
    """
    file: RowFile
    if kind == "combined":
        file = LogFile(path, found.lines, reading.encoding)
    elif kind == "ndjson":
        file = LinesFile(path, found.lines, reading.encoding)
    elif kind == "parquet":
        file = ParquetFile(path, choices.timezone)
    else:
        delimiter = reading.delimiter
        if (delimiter is None and path.with_suffix("").suffix == ".tsv") or path.suffix == ".tsv":
            delimiter = "\t"
        file = CsvFile(path, found.lines, delimiter, reading.empty, reading.encoding)
    try:
        times = TimeRule(choices.timezone, reading.odd_times, formats=choices.time_formats)
        mapper: Mapper
        if choices.preset is not None:
            preset = PRESETS[choices.preset]
            mapper = preset_mapper(preset, choices, file.columns, times, rules)
            file = file if preset.rows is None else ExpandedFile(file, preset)
        elif log is not None:
            mapper = log_mapper(log, choices, times, rules)
        else:
            mapper = RowMapper(choices, file.columns, times)
        return Source(file, mapper, uuid5(NAMESPACE, found.digest), times, by_content=choices.ids == "content")
    except BaseException:
        file.close()
        raise


class Source:
    """A file that is being imported.

    Attributes:
        file: its rows.
        times: what was seen of the rows' times.
        mapper: what makes events of the rows.
        import_id: what the events say that they came with; empty: nothing.
    """

    def __init__(self, file: RowFile, mapper: Mapper, namespace: UUID, times: TimeRule, *, by_content: bool) -> None:
        """
        Args:
            namespace: of the ids of rows that have none.
            by_content: these ids follow from what the events say, instead.
        """
        self.file = file
        self.times = times
        self.mapper = mapper
        self.import_id = ""
        self._namespace = namespace
        self._by_content = by_content

    def chunks(self, skip: int, most: int) -> Iterator[Chunk]:
        """The rows from number `skip` on, at most `most` to a chunk. Raises InvalidRequest on a damaged file."""
        if not self._by_content:
            yield from self._chunks(self.file.rows(skip, self.mapper.texts), RowIds(self._namespace), skip, most)
            return
        # An id depends on how often the same event was in the file before, also among the rows that are skipped.
        ids = ContentIds()
        rows = self.file.rows(0, self.mapper.texts)
        for row in islice(rows, skip):
            if row.values is not None:
                with suppress(NotAnEvent, BadTime):
                    event = self.mapper.members(row.values)
                    if event.event_id is None:
                        _content_id(ids, event)
        yield from self._chunks(rows, ids, skip, most)

    def _chunks(self, rows: Iterator[Row], ids: RowIds | ContentIds, skip: int, most: int) -> Iterator[Chunk]:
        chunk = _ChunkBuilder(ids, most, skip, self.import_id)
        for row in rows:
            if chunk.full:
                yield chunk.take(self.file.position())
            if row.values is None:
                chunk.skip(row.place, row.problem)
                continue
            try:
                chunk.add(row.place, self.mapper.members(row.values))
            except (NotAnEvent, BadTime) as error:
                chunk.skip(row.place, str(error))
        if chunk.end > chunk.start:
            yield chunk.take(self.file.position())

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


class _ChunkBuilder:
    """Collects rows until they fill a chunk."""

    def __init__(self, ids: RowIds | ContentIds, most: int, start: int, import_id: str = "") -> None:
        self._ids = ids
        self._mark = b'"$import":"%s"}' % import_id.encode() if import_id else b""
        self._most = most
        self.end = start
        self._begin()

    def _begin(self) -> None:
        self.start = self.end
        self.full = False
        self._lines: list[bytes] = []
        self._places: list[int] = []
        self._broken: list[Broken] = []
        self._size = 0

    def add(self, place: int, members: Members) -> None:
        """Add the next row's event. An event without an id gets one."""
        given = members.event_id
        if given is not None:
            identity = msgspec.json.encode(given)
        else:
            made = self._ids.of(self.end) if isinstance(self._ids, RowIds) else _content_id(self._ids, members)
            identity = made.encode().join((b'"', b'"'))
        line = b'{"event_id":%s,%s}\n' % (identity, self._marked(members.fields))
        self._lines.append(line)
        self._places.append(place)
        self._size += len(line)
        self.end += 1
        self.full = self._size >= CHUNK_BYTES or len(self._lines) >= self._most

    def _marked(self, fields: bytes) -> bytes:
        """The fields with the import's id at the end of `properties`, in place of another import's."""
        if not self._mark:
            return fields
        if b'"$import"' in fields:
            fields = _OTHER_IMPORT.sub(b"", fields)
        return fields[:-1] + (b"" if fields.endswith(b"{}") else b",") + self._mark

    def skip(self, place: int, reason: str) -> None:
        """Count the next row, which holds no event; with a reason it counts as broken."""
        self.end += 1
        if reason:
            self._broken.append(Broken(place, reason))
        self.full = self.full or self.end - self.start >= 10 * self._most

    def take(self, progress: int) -> Chunk:
        """The finished chunk; the builder starts the next one."""
        made = Chunk(b"".join(self._lines), self._places, self._broken, self.end, progress)
        self._begin()
        return made


def _content_id(ids: ContentIds, event: Members) -> str:
    return ids.of(exact(b"{%s}" % event.fields) if event.basis is None else event.basis)


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
