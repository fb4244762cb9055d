"""Encode the lines of one batch as rows of PostgreSQL's binary COPY format, and sum up what its rollups need.

numpy encodes the columns of fixed size (ids, times) for thousands of events at once. What repeats often (a site with a
name and a source, a path) is encoded once and cached. The rest takes a few small steps per event. The batch's rollups
are counted here from the same values, so PostgreSQL need not read the events again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from operator import attrgetter
from typing import Annotated
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallystick.errors import DataRejected
from tallystick.model import event as model
from tallystick.store.postgres.repeats import KEY_END, first_keys, outer_keys

COLUMNS = (
    "event_id",
    "timestamp",
    "received_at",
    "site_id",
    "name",
    "source",
    "user_id",
    "session_id",
    "path",
    "properties",
)
"""The columns of a row, in order."""
IDENTITY_COLUMNS = ("event_id", "timestamp", "received_at", "site_id")
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
PIECE_BYTES = 256 * 1024
"""Bytes of lines encoded at a time: about 2 ms, so that other threads can run in between."""
PIECE_ROWS = 1_000
"""Rows copied at a time."""
QUARTER_US = 900_000_000
"""Length of a rollup's bucket in microseconds."""

_TIMES: list[tuple[str, str]] = [
    ("timestamp_size", ">i4"),
    ("timestamp", ">i8"),
    ("received_size", ">i4"),
    ("received_at", ">i8"),
]
_ROW = np.dtype([("columns", ">i2"), ("id_size", ">i4"), ("event_id", "V16"), *_TIMES])
"""The columns of fixed size. They come first, so that one array holds them."""
_NUMBERED = struct.Struct(">hii")
"""The beginning of a row that has its line's number before its other columns."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from this time."""
_END = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_EPOCH_DAY = 10_957
"""Days from 1970-01-01 to `_EPOCH`."""
_HYPHENS = [8, 13, 18, 23]
_DIGITS = [index for index in range(36) if index not in _HYPHENS]
_TIME_MARKS = [4, 7, 10, 13, 16, 19, 26]
_TIME_DIGITS = [index for index in range(27) if index not in _TIME_MARKS]
_TENS = 10 ** np.arange(7, -1, -1)
_NULL = struct.pack(">i", -1)
_SIZES = [struct.pack(">i", size) for size in range(4096)]
_CACHE_MAX = 50_000
"""Most different paths cached."""
_BOT = b'"$bot"'
_ESCAPE = b"\\u"
"""Properties with neither of these bytes have no key `$bot`."""

Numbers = NDArray[np.int64]
Lines = Sequence[int]
"""Lines of a batch, counted from 0."""


def _at_most(longest: int) -> msgspec.Meta:
    return msgspec.Meta(max_length=longest)


class _Line(msgspec.Struct, gc=False):
    """A canonical line, decoded only as far as needed; the lengths are the limits that ingest applies."""

    event_id: str
    name: Annotated[str, _at_most(model.NAME_MAX)]
    timestamp: str
    received_at: str
    site_id: Annotated[str, _at_most(model.SITE_ID_MAX)] = model.DEFAULT_SITE
    user_id: Annotated[str, _at_most(model.USER_ID_MAX)] | None = None
    session_id: Annotated[str, _at_most(model.SESSION_ID_MAX)] | None = None
    source: Annotated[str, _at_most(model.SOURCE_MAX)] = ""
    path: Annotated[str, _at_most(model.PATH_MAX)] | None = None
    properties: msgspec.Raw = model.NO_PROPERTIES


_decoder = msgspec.json.Decoder(_Line)
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_id = attrgetter("event_id")
_kind = attrgetter("site_id", "name", "source")
_user = attrgetter("user_id")
_timestamp = attrgetter("timestamp")
_received_at = attrgetter("received_at")


class _Fields(dict[str | None, bytes]):
    """A cache of texts as COPY fields: size and bytes."""

    def __missing__(self, text: str | None) -> bytes:
        field = _NULL if text is None else _field(text)
        if len(self) < _CACHE_MAX:
            self[text] = field
        return field


class _Kinds(dict[tuple[str, str, str], int]):
    """Numbers the kinds of events in a batch: site, name and source. `fields` has their COPY fields."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[bytes] = []

    def __missing__(self, kind: tuple[str, str, str]) -> int:
        self[kind] = number = len(self)
        self.fields.append(b"".join(map(_field, kind)))
        return number


class RollupRows(msgspec.Struct, frozen=True):
    """A batch's rows of the table `rollup`, a list for each column."""

    sites: list[str]
    buckets: list[datetime]
    names: list[str]
    sources: list[str]
    events: list[int]
    last_received: list[datetime]
    bots: list[bool]


class Seen(msgspec.Struct, frozen=True):
    """The users of one site's quarter hour.

    Attributes:
        users: those with an event that is not a bot's.
        bots: those of whom all events are bots'.
    """

    users: set[str]
    bots: set[str]


Quarter = tuple[str, int]
"""A site, and the beginning of a quarter hour in microseconds since 2000."""


class EncodedBatch:
    """The events of a batch as rows of `events`, with their columns that other tables need."""

    def __init__(
        self,
        rows: list[bytes],
        event_ids: NDArray[np.void],
        timestamps: Numbers,
        received: Numbers,
        kinds: Sequence[tuple[str, str, str]],
        kind_of: Numbers,
        users: list[str | None],
        bots: NDArray[np.bool_],
        bot_sites: set[str],
    ) -> None:
        """`kinds` are the different sites with names and sources; `kind_of` has the number of each event's."""
        self._rows = rows
        self._event_ids = event_ids
        self._timestamps = timestamps
        self._received = received
        self._kinds = kinds
        self._kind_of = kind_of
        self._users = users
        self._bots = bots
        self.bot_sites = sorted(bot_sites)
        """Sites that have bots' events now."""

    def __len__(self) -> int:
        return len(self._rows)

    def without(self, lines: Lines) -> EncodedBatch:
        """The batch without some of its events. The sites of bots remain: one too many is allowed."""
        if not len(lines):
            return self
        kept = np.ones(len(self), np.bool_)
        kept[np.asarray(lines, np.int64)] = False
        return EncodedBatch(
            list(compress(self._rows, kept)),
            self._event_ids[kept],
            self._timestamps[kept],
            self._received[kept],
            self._kinds,
            self._kind_of[kept],
            list(compress(self._users, kept)),
            self._bots[kept],
            set(self.bot_sites),
        )

    # --- its extent -------------------------------------------------------------------------------------------------

    @property
    def days(self) -> set[int]:
        """UTC days of the events, counted from 1970."""
        return set((np.unique(self._timestamps // 86_400_000_000) + _EPOCH_DAY).tolist())

    @property
    def oldest(self) -> datetime:
        return instant(int(self._timestamps.min()))

    @property
    def newest(self) -> datetime:
        return instant(int(self._timestamps.max()))

    @property
    def sites(self) -> list[str]:
        """The sites of the events in order."""
        return sorted({self._kinds[kind][0] for kind in np.unique(self._kind_of).tolist()})

    def lines_named(self, names: Iterable[str]) -> Lines:
        """The lines of the events that have one of these names."""
        wanted = frozenset(names)
        kinds = [number for number, kind in enumerate(self._kinds) if kind[1] in wanted]
        return np.flatnonzero(np.isin(self._kind_of, kinds)).tolist() if kinds else []

    # --- rows to copy -----------------------------------------------------------------------------------------------

    def rows(self, load_id: int) -> Iterator[bytes]:
        """The rows of all events in pieces, with the load's id after COLUMNS."""
        end = struct.pack(">iq", 8, load_id)
        for start in range(0, len(self._rows), PIECE_ROWS):
            yield end.join(self._rows[start : start + PIECE_ROWS])
            yield end

    def numbered_rows(self, lines: Lines) -> Iterator[bytes]:
        """The rows of some events, with the line's number before COLUMNS."""
        for start in range(0, len(lines), PIECE_ROWS):
            some = lines[start : start + PIECE_ROWS]
            yield b"".join(_NUMBERED.pack(len(COLUMNS) + 1, 4, line) + self._rows[line][2:] for line in some)

    def identities(self, numbered: bool = False) -> tuple[list[bytes], bool]:
        """Rows with IDENTITY_COLUMNS in pieces, ascending by site and id, and whether an identity is there twice.

        Args:
            numbered: the line's number comes before the other columns.
        """
        sites = self.sites
        ranks = {site: rank for rank, site in enumerate(sites)}
        rank_of_kind = np.array([ranks.get(kind[0], -1) for kind in self._kinds], np.int64)
        rank = rank_of_kind[self._kind_of]
        halves = self._event_ids.view(">u8").reshape(-1, 2).astype(np.uint64)
        order = np.lexsort((halves[:, 1], halves[:, 0], rank))
        halves, rank = halves[order], rank[order]
        repeated = bool(((halves[1:] == halves[:-1]).all(axis=1) & (rank[1:] == rank[:-1])).any())
        ends = np.searchsorted(rank, np.arange(len(sites)), side="right").tolist()
        pieces, start = [], 0
        for site, end in zip(sites, ends, strict=True):
            pieces.append(self._identities_of(site, order[start:end], numbered))
            start = end
        return pieces, repeated

    def _identities_of(self, site: str, lines: Numbers, numbered: bool) -> bytes:
        field = np.void(_field(site))
        number: list[tuple[str, str]] = [("line_size", ">i4"), ("line", ">i4")] if numbered else []
        shape = [("columns", ">i2"), *number, ("id_size", ">i4"), ("event_id", "V16"), *_TIMES, ("site", field.dtype)]
        rows = np.empty(len(lines), np.dtype(shape))
        rows["columns"] = len(IDENTITY_COLUMNS) + numbered
        if numbered:
            rows["line_size"] = 4
            rows["line"] = lines
        _fill(rows, self._event_ids[lines], self._timestamps[lines], self._received[lines])
        rows["site"] = field
        return rows.tobytes()

    # --- rollups ----------------------------------------------------------------------------------------------------

    def rollup(self) -> RollupRows:
        """The events counted by quarter hour, site, name and source, with bots apart."""
        buckets, bucket_of = np.unique(self._timestamps // QUARTER_US, return_inverse=True)
        groups, group_of = np.unique((self._kind_of * len(buckets) + bucket_of) * 2 + self._bots, return_inverse=True)
        last = np.full(len(groups), np.iinfo(np.int64).min)
        np.maximum.at(last, group_of, self._received)
        kinds = [self._kinds[number] for number in (groups // 2 // len(buckets)).tolist()]
        return RollupRows(
            sites=[kind[0] for kind in kinds],
            buckets=[instant(bucket * QUARTER_US) for bucket in buckets[groups // 2 % len(buckets)].tolist()],
            names=[kind[1] for kind in kinds],
            sources=[kind[2] for kind in kinds],
            events=np.bincount(group_of).tolist(),
            last_received=[instant(received) for received in last.tolist()],
            bots=(groups % 2).astype(np.bool_).tolist(),
        )

    def seen(self) -> dict[Quarter, Seen]:
        """The users of each site's quarter hours."""
        sites = self.sites
        ranks = {site: rank for rank, site in enumerate(sites)}
        site_of_kind = np.array([ranks.get(kind[0], -1) for kind in self._kinds], np.int64)
        buckets, bucket_of = np.unique(self._timestamps // QUARTER_US, return_inverse=True)
        group_of = site_of_kind[self._kind_of] * len(buckets) + bucket_of
        starts = (buckets * QUARTER_US).tolist()
        order = np.argsort(group_of, kind="stable")
        groups, first = np.unique(group_of[order], return_index=True)
        lines, ends = order.tolist(), [*first[1:].tolist(), len(order)]
        users, bots = self._users, self._bots.tolist() if self._bots.any() else None
        seen: dict[Quarter, Seen] = {}
        for group, start, end in zip(groups.tolist(), first.tolist(), ends, strict=True):
            some = lines[start:end]
            found = {users[line] for line in some if not (bots and bots[line])}
            found_bots = {users[line] for line in some if bots[line]} - found if bots else set()
            of_group = Seen(
                {user for user in found if user is not None}, {bot for bot in found_bots if bot is not None}
            )
            if of_group.users or of_group.bots:
                seen[sites[group // len(buckets)], starts[group % len(buckets)]] = of_group
        return seen


class Encoder:
    """Encodes the lines of one batch, numbered from 0."""

    def __init__(self) -> None:
        self._kinds = _Kinds()
        self._paths = _Fields()
        self._rows: list[bytes] = []
        self._fixed: list[NDArray[np.void]] = []
        self._kind_of: list[int] = []
        self._users: list[str | None] = []
        self._bots: list[int] = []
        self._bot_sites: set[str] = set()

    def encode(self, lines: bytes) -> None:
        """Encode complete lines as rows.

        Raises:
            DataRejected: a line is not a canonical event.
        """
        try:
            events = _decoder.decode_lines(lines)
            if len(events) != lines.count(b"\n"):
                raise DataRejected(f"{lines.count(10)} lines hold {len(events)} events")
            self._encode(events, *_looks(lines))
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError) as error:
            raise DataRejected(f"not a canonical event: {error}") from error

    def finish(self) -> EncodedBatch:
        """The batch, once all of its lines are encoded."""
        fixed = np.concatenate(self._fixed) if self._fixed else np.empty(0, _ROW)
        bots = np.zeros(len(fixed), np.bool_)
        bots[self._bots] = True
        return EncodedBatch(
            self._rows,
            np.ascontiguousarray(fixed["event_id"]),
            fixed["timestamp"].astype(np.int64),
            fixed["received_at"].astype(np.int64),
            list(self._kinds),
            np.array(self._kind_of, np.int64),
            self._users,
            bots,
            self._bot_sites,
        )

    def _encode(self, events: list[_Line], apart: bool, may_have_bots: bool) -> None:
        fixed = np.empty(len(events), _ROW)
        fixed["columns"] = len(COLUMNS) + 1  # one more is added to each row that is copied
        happened = _micros(list(map(_timestamp, events)))
        if happened.max() >= _END:
            raise DataRejected("an event of the year 9999 has no partition")
        received = _micros(list(map(_received_at, events)))
        _fill(fixed, np.frombuffer(_ids(list(map(_id, events))), "V16"), happened, received)
        kinds = [self._kinds[kind] for kind in map(_kind, events)]
        properties = self._properties(events, apart)
        if may_have_bots:
            self._find_bots(events, properties)
        self._append_rows(events, fixed.tobytes(), kinds, properties)
        self._fixed.append(fixed)
        self._kind_of += kinds
        self._users += map(_user, events)

    def _append_rows(self, events: list[_Line], fixed: bytes, kinds: list[int], properties: list[bytes]) -> None:
        fields, paths, sizes = self._kinds.fields, self._paths, _SIZES
        append, join = self._rows.append, b"".join
        start, size = 0, _ROW.itemsize
        for event, kind, json in zip(events, kinds, properties, strict=True):
            user = session = _NULL
            if event.user_id is not None:
                user = event.user_id.encode()
                user = sizes[len(user)] + user
            if event.session_id is not None:
                session = event.session_id.encode()
                session = sizes[len(session)] + session
            row = (fixed[start : start + size], fields[kind], user, session, paths[event.path], _size(len(json)), json)
            append(join(row))
            start += size

    def _properties(self, events: list[_Line], apart: bool) -> list[bytes]:
        """The properties of each event, without repeated keys."""
        found = [bytes(event.properties) for event in events]
        for number, properties in enumerate(found):
            # As many different keys as `":` means that no key repeats; see repeats.KEY_END.
            if apart or len(outer_keys(properties)) != properties.count(KEY_END):
                found[number] = first_keys(properties)
        return found

    def _find_bots(self, events: list[_Line], properties: list[bytes]) -> None:
        """Note which events are bots', and their sites. Only decoding finds a key that is written with escapes."""
        for number, (event, json) in enumerate(zip(events, properties, strict=True), len(self._rows)):
            if (_BOT in json or _ESCAPE in json) and (value := outer_keys(json).get("$bot")) is not None:
                self._bot_sites.add(event.site_id)
                if bytes(value) == b"true":
                    self._bots.append(number)


def instant(micros: int) -> datetime:
    """A time from its microseconds since 2000."""
    return _EPOCH + timedelta(microseconds=micros)


def pieces(lines: bytes) -> Iterator[bytes]:
    """Split lines into pieces of about PIECE_BYTES, each of complete lines."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + PIECE_BYTES) + 1 or len(lines)
        yield lines[start:end]
        start = end


def _fill(rows: NDArray[np.void], event_ids: NDArray[np.void], timestamps: Numbers, received: Numbers) -> None:
    """Fill in the columns of fixed size, with the sizes before them."""
    rows["id_size"] = 16
    rows["event_id"] = event_ids
    rows["timestamp_size"] = rows["received_size"] = 8
    rows["timestamp"] = timestamps
    rows["received_at"] = received


def _field(text: str) -> bytes:
    """A text as a COPY field."""
    data = text.encode()
    return _size(len(data)) + data


def _size(size: int) -> bytes:
    return _SIZES[size] if size < 4096 else struct.pack(">i", size)


def _looks(lines: bytes) -> tuple[bool, bool]:
    """Whether these lines may contain white space between a key and its colon, and the key `$bot`.

    One look at all characters: searching the lines for each of the texts takes ten times as long.
    """
    characters = np.frombuffer(lines, np.uint8)
    apart = (characters[np.flatnonzero(characters == ord(":")) - 1] <= ord(" ")).any()
    escaped = b"\\" in lines and _ESCAPE in lines
    return bool(apart), escaped or (characters[np.flatnonzero(characters[:-1] == ord("$")) + 1] == ord("b")).any()


def _micros(texts: list[str]) -> Numbers:
    """Canonical times as microseconds since 2000.

    Raises:
        ValueError: a text is not a time with a time zone.
    """
    joined = "".join(texts).encode("ascii")
    if len(joined) == 27 * len(texts) and set(map(len, texts)) <= {27}:
        characters = np.ascontiguousarray(np.frombuffer(joined, np.uint8).reshape(-1, 27).T)
        digits = characters[_TIME_DIGITS] - np.uint8(ord("0"))
        marked = all((characters[at] == mark).all() for at, mark in zip(_TIME_MARKS, b"--T::.Z", strict=True))
        hours, minutes = digits[8] * 10 + digits[9], digits[10] * 10 + digits[11]
        micros = _TENS @ digits[12:].astype(np.int64)
        if marked and digits.max() <= 9 and hours.max() < 24 and minutes.max() < 60 and micros.max() < 60_000_000:
            days, day_of = np.unique(_TENS @ digits[:8].astype(np.int64), return_inverse=True)
            starts = [datetime(day // 10_000, day // 100 % 100, day % 100, tzinfo=UTC) for day in days.tolist()]
            start_of = np.array([_since_epoch(start) for start in starts])
            return np.asarray(start_of[day_of] + (hours.astype(np.int64) * 60 + minutes) * 60_000_000 + micros)
    return np.array([_since_epoch(msgspec.convert(text, _Instant)) for text in texts])


def _since_epoch(moment: datetime) -> int:
    span = moment - _EPOCH
    return span.days * 86_400_000_000 + span.seconds * 1_000_000 + span.microseconds


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
