"""Encode canonical lines as rows of PostgreSQL's binary COPY format.

numpy encodes the columns of fixed size (ids, times) for thousands of events at once. Texts that repeat often (sites,
names, sources, paths) are encoded once and cached. The rest takes a few small steps per event.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Annotated
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallystick.errors import DataRejected
from tallystick.model import event as model
from tallystick.store.postgres.repeats import KEY_END, first_keys, keys_apart, outer_keys

COLUMNS = (
    "line",
    "event_id",
    "timestamp",
    "received_at",
    "site_id",
    "name",
    "user_id",
    "session_id",
    "source",
    "path",
    "properties",
)
"""The columns of a row, in order."""
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
PIECE_BYTES = 256 * 1024
"""Bytes of lines encoded at a time: about 2 ms, so that other threads can run in between."""

_ROW = np.dtype(
    [
        ("columns", ">i2"),
        ("line_size", ">i4"),
        ("line", ">i4"),
        ("id_size", ">i4"),
        ("event_id", "V16"),
        ("timestamp_size", ">i4"),
        ("timestamp", ">i8"),
        ("received_size", ">i4"),
        ("received_at", ">i8"),
    ]
)
"""The columns of fixed size. They come first, so that one array holds them."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from this time."""
_END = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_EPOCH_DAY = 10_957
"""Days from 1970-01-01 to `_EPOCH`."""
_HYPHENS = [8, 13, 18, 23]
_DIGITS = [index for index in range(36) if index not in _HYPHENS]
_NULL = struct.pack(">i", -1)
_SIZES = [struct.pack(">i", size) for size in range(4096)]
_CACHE_MAX = 50_000
"""Most different texts cached per column."""


def _at_most(longest: int) -> msgspec.Meta:
    return msgspec.Meta(max_length=longest)


_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Line(msgspec.Struct, gc=False):
    """A canonical line, decoded only as far as needed; the lengths are the limits that ingest applies."""

    event_id: str
    name: Annotated[str, _at_most(model.NAME_MAX)]
    timestamp: _Instant
    received_at: _Instant
    site_id: Annotated[str, _at_most(model.SITE_ID_MAX)] = model.DEFAULT_SITE
    user_id: Annotated[str, _at_most(model.USER_ID_MAX)] | None = None
    session_id: Annotated[str, _at_most(model.SESSION_ID_MAX)] | None = None
    source: Annotated[str, _at_most(model.SOURCE_MAX)] = ""
    path: Annotated[str, _at_most(model.PATH_MAX)] | None = None
    properties: msgspec.Raw = model.NO_PROPERTIES


_decoder = msgspec.json.Decoder(_Line)
_id = attrgetter("event_id")


class _Texts(dict[str | None, bytes]):
    """A cache of texts as COPY fields: size and bytes."""

    def __missing__(self, text: str | None) -> bytes:
        if text is None:
            field = _NULL
        else:
            data = text.encode()
            field = _size(len(data)) + data
        if len(self) < _CACHE_MAX:
            self[text] = field
        return field


class Rows(msgspec.Struct, frozen=True):
    """An encoded piece of a batch.

    Attributes:
        data: the rows, without header and trailer.
        count: the number of rows.
        days: the UTC days of the events, counted from 1970-01-01.
        oldest: the oldest event time.
        newest: the newest event time.
    """

    data: bytes
    count: int
    days: frozenset[int]
    oldest: datetime
    newest: datetime


class Encoder:
    """Encodes the lines of one batch, numbered from 0."""

    def __init__(self) -> None:
        self.lines = 0
        self._texts = tuple(_Texts() for _ in range(4))

    def sites(self) -> list[str]:
        """The sites of the lines encoded so far; at most _CACHE_MAX."""
        return [site for site in self._texts[0] if site is not None]

    def may_have(self, names: Iterable[str]) -> bool:
        """Whether a line encoded so far may have one of these names. Exact unless the cache of names is full."""
        known = self._texts[1]
        return len(known) >= _CACHE_MAX or any(name in known for name in names)

    def encode(self, lines: bytes) -> Rows:
        """Encode complete lines as rows.

        Raises:
            DataRejected: a line is not a canonical event.
        """
        try:
            events = _decoder.decode_lines(lines)
            if len(events) != lines.count(b"\n"):
                raise DataRejected(f"{lines.count(10)} lines hold {len(events)} events")
            return self._encode(events, keys_apart(lines))
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError) as error:
            raise DataRejected(f"not a canonical event: {error}") from error

    def _encode(self, events: list[_Line], apart: bool) -> Rows:
        fixed = np.empty(len(events), _ROW)
        fixed["columns"] = len(COLUMNS)
        fixed["line_size"] = 4
        fixed["line"] = np.arange(self.lines, self.lines + len(events))
        fixed["id_size"] = 16
        fixed["event_id"] = np.frombuffer(_ids(list(map(_id, events))), "V16")
        fixed["timestamp_size"] = fixed["received_size"] = 8
        happened = _micros([event.timestamp - _EPOCH for event in events])
        if happened.max() >= _END:
            raise DataRejected("an event of the year 9999 has no partition")
        fixed["timestamp"] = happened
        fixed["received_at"] = _micros([event.received_at - _EPOCH for event in events])
        self.lines += len(events)
        data = b"".join(self._fields(events, fixed.tobytes(), apart))
        days = frozenset((np.unique(happened // 86_400_000_000) + _EPOCH_DAY).tolist())
        oldest, newest = (_EPOCH + timedelta(microseconds=int(end)) for end in (happened.min(), happened.max()))
        return Rows(data, len(events), days, oldest, newest)

    def _fields(self, events: list[_Line], fixed: bytes, apart: bool) -> list[bytes]:
        sites, names, sources, paths = self._texts
        fields: list[bytes] = []
        extend = fields.extend
        start, size = 0, _ROW.itemsize
        for event in events:
            properties = bytes(event.properties)
            # As many different keys as `":` means that no key repeats; see repeats.KEY_END.
            if apart or len(outer_keys(event.properties)) != properties.count(KEY_END):
                properties = first_keys(properties)
            user = session = _NULL
            if event.user_id is not None:
                user = event.user_id.encode()
                user = _SIZES[len(user)] + user
            if event.session_id is not None:
                session = event.session_id.encode()
                session = _SIZES[len(session)] + session
            extend(
                (
                    fixed[start : start + size],
                    sites[event.site_id],
                    names[event.name],
                    user,
                    session,
                    sources[event.source],
                    paths[event.path],
                    _size(len(properties)),
                    properties,
                )
            )
            start += size
        return fields


def pieces(lines: bytes) -> Iterator[bytes]:
    """Split lines into pieces of about PIECE_BYTES, each of complete lines."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + PIECE_BYTES) + 1 or len(lines)
        yield lines[start:end]
        start = end


def _size(size: int) -> bytes:
    return _SIZES[size] if size < 4096 else struct.pack(">i", size)


def _micros(spans: list[timedelta]) -> NDArray[np.int64]:
    """Durations in microseconds."""
    return np.array([span.days * 86_400_000_000 + span.seconds * 1_000_000 + span.microseconds for span in spans])


def _ids(texts: list[str]) -> bytes:
    """UUIDs as 16 bytes each.

    Raises:
        ValueError: a text is not a UUID.
    """
    joined = "".join(texts).encode("ascii")
    if len(joined) == 36 * len(texts) and set(map(len, texts)) <= {36}:
        characters = np.frombuffer(joined, np.uint8).reshape(-1, 36)
        if (characters[:, _HYPHENS] == ord("-")).all():
            ids = bytes.fromhex(characters[:, _DIGITS].tobytes().decode("ascii"))
            if len(ids) == 16 * len(texts):
                return ids
    return b"".join(UUID(text).bytes for text in texts)
