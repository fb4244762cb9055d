"""Canonical lines as rows of PostgreSQL's binary COPY format, and properties without the repeats of their keys."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import DataRejected
from tallystick.model.event import Event, encode_lines
from tallystick.store.postgres.encode import COLUMNS, EncodedBatch, Encoder, pieces
from tallystick.store.postgres.repeats import KEY_END, first_keys, keys_apart, outer_keys
from tests.helpers.samples import sample_event

ZERO = datetime(2000, 1, 1, tzinfo=UTC)


def fields_of(data: bytes) -> list[list[bytes | None]]:
    """The rows of COPY data, field by field."""
    rows: list[list[bytes | None]] = []
    place = 0
    while place < len(data):
        (columns,) = struct.unpack_from(">h", data, place)
        place += 2
        row: list[bytes | None] = []
        for _ in range(columns):
            (size,) = struct.unpack_from(">i", data, place)
            place += 4
            row.append(None if size < 0 else data[place : place + size])
            place += max(size, 0)
        rows.append(row)
    return rows


def event_of(row: list[bytes | None]) -> Event:
    """The event that PostgreSQL reads from a row."""
    given = dict(zip(COLUMNS, row, strict=True))

    def instant(name: str) -> datetime:
        return ZERO + timedelta(microseconds=struct.unpack(">q", given[name] or b"")[0])

    def text(name: str) -> Any:
        value = given[name]
        return None if value is None else value.decode()

    return Event(
        event_id=UUID(bytes=given["event_id"]),
        name=text("name"),
        timestamp=instant("timestamp"),
        received_at=instant("received_at"),
        site_id=text("site_id"),
        user_id=text("user_id"),
        session_id=text("session_id"),
        source=text("source"),
        path=text("path"),
        properties=msgspec.Raw(given["properties"] or b""),
    )


instants = st.datetimes(datetime(1, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
events = st.builds(
    Event,
    event_id=st.uuids(),
    name=texts,
    timestamp=instants,
    received_at=instants,
    site_id=texts,
    user_id=st.none() | texts,
    session_id=st.none() | texts,
    source=texts,
    path=st.none() | texts,
    properties=st.dictionaries(texts, texts | st.integers()).map(lambda value: msgspec.Raw(msgspec.json.encode(value))),
)


def encoded(*pieces: bytes) -> EncodedBatch:
    encoder = Encoder()
    for piece in pieces:
        encoder.encode(piece)
    return encoder.finish()


def stored_rows(batch: EncodedBatch, load_id: int = 7) -> list[list[bytes | None]]:
    """The rows of `events`, without the load's id, which is the last column."""
    rows = fields_of(b"".join(batch.rows(load_id)))
    assert {row[-1] for row in rows} <= {struct.pack(">q", load_id)}
    return [row[:-1] for row in rows]


@given(st.lists(events, min_size=1, max_size=5))
def test_what_is_encoded_is_the_event(given_events: list[Event]) -> None:
    """Every field, to the microsecond and the byte, in any year."""
    batch = encoded(encode_lines(given_events))

    assert encode_lines([event_of(row) for row in stored_rows(batch)]) == encode_lines(given_events)
    numbered = fields_of(b"".join(batch.numbered_rows(range(len(batch)))))
    assert [row[1:] for row in numbered] == stored_rows(batch)
    assert [struct.unpack(">i", row[0] or b"")[0] for row in numbered] == list(range(len(given_events)))
    assert len(batch) == len(given_events)
    assert batch.oldest == min(event.timestamp for event in given_events)
    assert batch.newest == max(event.timestamp for event in given_events)
    assert batch.days == {(event.timestamp.date() - datetime(1970, 1, 1).date()).days for event in given_events}
    assert batch.sites == sorted({event.site_id for event in given_events})


@given(st.lists(events, min_size=1, max_size=8), st.sets(st.integers(0, 7)))
def test_a_batch_without_some_lines_is_the_batch_of_the_others(given_events: list[Event], gone: set[int]) -> None:
    left = [event for number, event in enumerate(given_events) if number not in gone]
    batch = encoded(encode_lines(given_events)).without([number for number in gone if number < len(given_events)])

    assert len(batch) == len(left)
    if left:
        other = encoded(encode_lines(left))
        assert stored_rows(batch) == stored_rows(other)
        assert (batch.sites, batch.days, batch.seen()) == (other.sites, other.days, other.seen())
        assert sorted(columns_of(batch)) == sorted(columns_of(other))


def test_rows_are_in_the_order_of_the_pieces() -> None:
    lines = encode_lines([sample_event(number) for number in range(5_000)])
    parts = list(pieces(lines))

    rows = stored_rows(encoded(*parts))

    assert len(parts) > 1
    assert b"".join(parts) == lines
    assert [row[0] for row in rows] == [UUID(int=number).bytes for number in range(5_000)]


def test_an_id_without_hyphens_is_read_like_any_other() -> None:
    line = encode_lines([sample_event(1), sample_event(2)])
    bare = line.replace(str(UUID(int=2)).encode(), UUID(int=2).hex.encode())

    assert [row[0] for row in stored_rows(encoded(bare))] == [UUID(int=1).bytes, UUID(int=2).bytes]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-28T23:59:59.999999Z", datetime(2026, 2, 28, 23, 59, 59, 999999, UTC)),
        ("1969-12-31T00:00:00.000001Z", datetime(1969, 12, 31, 0, 0, 0, 1, UTC)),
        ("2026-02-28T23:59:59Z", datetime(2026, 2, 28, 23, 59, 59, 0, UTC)),
        ("2026-02-28T23:59:59.5+02:00", datetime(2026, 2, 28, 21, 59, 59, 500000, UTC)),
        ("2026-02-28T23:59:59.5+02:00 ", None),
        ("2026-02-28T23:59:59.99999xZ", None),
        ("2026-02-28 23:59:59.999999z", datetime(2026, 2, 28, 23, 59, 59, 999999, UTC)),
        ("2026-02-29T23:59:59.999999Z", None),
        ("2026-13-01T23:59:59.999999Z", None),
        ("0000-01-01T23:59:59.999999Z", None),
        ("2026-02-28T24:00:00.000000Z", None),
        ("2026-02-28T23:60:00.000000Z", None),
        ("2026-02-28T23:59:61.000000Z", None),
    ],
)
def test_times_are_read_as_canonical_lines_are(text: str, moment: datetime | None) -> None:
    """The quick way, for times of 27 characters, takes and rejects what the other does."""
    line = encode_lines([sample_event(1)]).replace(b"2026-03-01T12:00:01Z", text.encode(), 1)

    if moment is None:
        with pytest.raises(DataRejected):
            encoded(line)
    else:
        assert encoded(line).oldest == moment


# --- identities and rollups -----------------------------------------------------------------------------------------

QUARTER = timedelta(minutes=15)


def columns_of(batch: EncodedBatch) -> list[tuple[Any, ...]]:
    """The batch's rows of the table `rollup`."""
    rollup = batch.rollup()
    return list(zip(*(getattr(rollup, name) for name in rollup.__struct_fields__), strict=True))


few = st.sampled_from(["a", "b", "é", ""])
bot_properties = st.sampled_from(
    [
        (b"{}", False),
        (b'{"$bot":true}', True),
        (b'{"$bot":false,"a":"$b"}', False),
        (b'{"$bot":"true"}', False),
        (b'{"$bot" : true }', True),
        (rb'{"\u0024bot":true}', True),
        (b'{"a":{"$bot":true}}', False),
        (b'{"$bot":true,"$bot":false}', True),
    ]
)
close_events = st.tuples(
    st.builds(
        Event,
        event_id=st.integers(0, 3).map(lambda number: UUID(int=number << 60)),
        name=few,
        timestamp=st.datetimes(datetime(1999, 12, 31, 23), datetime(2000, 1, 1, 1), timezones=st.just(UTC)),
        received_at=instants,
        site_id=few,
        user_id=st.none() | few,
        session_id=st.none(),
        source=few,
        path=st.none(),
    ),
    bot_properties,
)


@given(st.lists(close_events, min_size=1, max_size=30))
def test_rollups_are_what_the_events_say(given_events: list[tuple[Event, tuple[bytes, bool]]]) -> None:
    """G10: counted while they are encoded, by the rules of the columns and of bots."""
    lines = [
        msgspec.structs.replace(event, properties=msgspec.Raw(properties)) for event, (properties, _) in given_events
    ]
    counts: dict[tuple[Any, ...], list[datetime]] = {}
    users: dict[tuple[str, int], set[str]] = {}
    bots: dict[tuple[str, int], set[str]] = {}
    for event, (_, bot) in given_events:
        bucket = ZERO + (event.timestamp - ZERO) // QUARTER * QUARTER
        counts.setdefault((event.site_id, bucket, event.name, event.source, bot), []).append(event.received_at)
        if event.user_id is not None:
            key = (event.site_id, (bucket - ZERO) // timedelta(microseconds=1))
            (bots if bot else users).setdefault(key, set()).add(event.user_id)

    batch = encoded(encode_lines(lines))

    expected = [(*key[:4], len(arrived), max(arrived), key[4]) for key, arrived in counts.items()]
    assert sorted(columns_of(batch)) == sorted(expected)
    seen = batch.seen()
    assert {key: of_key.users for key, of_key in seen.items() if of_key.users} == users
    only_bots = {key: found - users.get(key, set()) for key, found in bots.items()}
    assert {key: of_key.bots for key, of_key in seen.items() if of_key.bots} == {
        k: v for k, v in only_bots.items() if v
    }
    assert {event.site_id for event, (_, bot) in given_events if bot} <= set(batch.bot_sites)


@given(st.lists(close_events, min_size=1, max_size=8))
def test_identities_ascend_and_repeats_are_found(given_events: list[tuple[Event, tuple[bytes, bool]]]) -> None:
    """G2: in one order, whatever the batch, so that two batches cannot deadlock."""
    lines = [event for event, _ in given_events]
    batch = encoded(encode_lines(lines))

    data, repeated = batch.identities()
    rows = fields_of(b"".join(data))

    order = [(row[3], row[0]) for row in rows]
    assert order == sorted(order, key=lambda key: ((key[0] or b"").decode(), key[1]))
    assert repeated == (len(set(order)) < len(order))
    numbered, _ = batch.identities(numbered=True)
    for line, *row in fields_of(b"".join(numbered)):
        event = lines[struct.unpack(">i", line or b"")[0]]
        assert row[0] == event.event_id.bytes
        assert row[3] == event.site_id.encode()
        assert row[1] == struct.pack(">q", (event.timestamp - ZERO) // timedelta(microseconds=1))


@pytest.mark.parametrize(
    "change",
    [
        (b"00000000-0000", b"00000000+0000"),
        (b"00000000-0000", b"00000000-00 0"),
        (b"2026-03-01T12:00:01Z", b"2026-03-01T12:00:01"),
        (b"2026-03-01T12:00:01Z", b"12026-03-01T12:00:01Z"),
        (b"page_view", b"p" * 256),
        (b'"user-1"', b'"' + b"u" * 257 + b'"'),
        (b"page_view", b"caf\xe9"),
        (b"}\n", b',"properties":[1]}\n'),
        (b"}\n", b',"properties":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}\n"),
        (b"}\n", b"}{}\n"),
        (b"}\n", b"}\n\n"),
    ],
    ids=lambda change: change[1][:20].decode("latin-1"),
)
def test_what_is_no_canonical_line_is_rejected(change: tuple[bytes, bytes]) -> None:
    line = encode_lines([sample_event(1)])
    assert change[0] in line

    with pytest.raises(DataRejected):
        Encoder().encode(line.replace(*change))


# --- repeated keys --------------------------------------------------------------------------------------------------

keys = st.sampled_from(["a", "b", 'q"', "c\\", "d:", "é", "", "a\tb"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts | keys


class Pairs(list[tuple[str, Any]]):
    """An object that may name a key twice."""


values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.lists(st.tuples(keys, inner)).map(Pairs), max_leaves=12
)
objects = st.lists(st.tuples(keys, values), max_size=5).map(Pairs)
spaces = st.sampled_from(["", "", " ", "\t", "  "])


def written(value: Any, space: str) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(k)}{space}:{written(v, space)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(inner, space) for inner in value) + "]"
    return json.dumps(value)


def first_of(value: Any) -> Any:
    """What the object means when the first of a key counts."""
    if isinstance(value, Pairs):
        result: dict[str, Any] = {}
        for key, inner in value:
            result.setdefault(key, first_of(inner))
        return result
    return [first_of(inner) for inner in value] if isinstance(value, list) else value


@given(objects, spaces)
def test_the_first_of_a_repeated_key_counts(value: Pairs, space: str) -> None:
    """PostgreSQL reads the last one, so the others are taken out; nested ones too."""
    text = written(value, space).encode()
    meant = first_of(value)

    kept = first_keys(text)

    assert json.loads(kept) == meant
    names = json.loads(kept, object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert len(set(names)) == len(names)
    if json.loads(text, object_pairs_hook=Pairs) == json.loads(kept, object_pairs_hook=Pairs):
        assert kept == text


@given(objects, spaces)
def test_the_quick_look_never_overlooks_a_repeat(value: Pairs, space: str) -> None:
    text = written(value, space).encode()

    if not keys_apart(text) and len(outer_keys(msgspec.Raw(text))) == text.count(KEY_END):
        assert first_keys(text) == text


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ('{"n":123456789012345678901234567890,"n":1}', '{"n":123456789012345678901234567890}'),
        ('{"n":1e400,"n":1}', '{"n":1e400}'),
        ('{"n":1.50,"m":-0.0,"n":1}', '{"n":1.50,"m":-0.0}'),
        ('{"a":1,"\\u0061":2}', '{"a":1}'),
        ('{"n":1e400, "x": [ 1 ]}', '{"n":1e400, "x": [ 1 ]}'),
        ('{"text":"\\"a\\":1","a":1}', '{"text":"\\"a\\":1","a":1}'),
    ],
)
def test_everything_but_the_repeats_stays_as_written(given_text: str, kept: str) -> None:
    assert first_keys(given_text.encode()).decode() == kept
