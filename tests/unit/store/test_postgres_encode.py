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
from tallystick.store.postgres.encode import COLUMNS, Encoder, pieces
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


@given(st.lists(events, min_size=1, max_size=5))
def test_what_is_encoded_is_the_event(given_events: list[Event]) -> None:
    """Every field, to the microsecond and the byte, in any year."""
    rows = Encoder().encode(encode_lines(given_events))

    read = fields_of(rows.data)
    assert encode_lines([event_of(row) for row in read]) == encode_lines(given_events)
    assert [struct.unpack(">i", row[0] or b"")[0] for row in read] == list(range(len(given_events)))
    assert rows.count == len(given_events)
    oldest = min(event.timestamp for event in given_events)
    assert rows.oldest == oldest
    assert rows.days == {(event.timestamp.date() - datetime(1970, 1, 1).date()).days for event in given_events}


def test_lines_are_numbered_through_the_pieces() -> None:
    encoder = Encoder()
    lines = encode_lines([sample_event(number) for number in range(5_000)])
    parts = list(pieces(lines))

    numbers = [row[0] for part in parts for row in fields_of(encoder.encode(part).data)]

    assert len(parts) > 1
    assert b"".join(parts) == lines
    assert numbers == [struct.pack(">i", number) for number in range(5_000)]


def test_an_id_without_hyphens_is_read_like_any_other() -> None:
    line = encode_lines([sample_event(1), sample_event(2)])
    bare = line.replace(str(UUID(int=2)).encode(), UUID(int=2).hex.encode())

    rows = fields_of(Encoder().encode(bare).data)

    assert [row[1] for row in rows] == [UUID(int=1).bytes, UUID(int=2).bytes]


@pytest.mark.parametrize(
    "change",
    [
        (b"00000000-0000", b"00000000+0000"),
        (b"00000000-0000", b"00000000-00 0"),
        (b"2026-03-01T12:00:01Z", b"2026-03-01T12:00:01"),
        (b"2026-03-01T12:00:01Z", b"12026-03-01T12:00:01Z"),
        (b"page_view", b"p" * 201),
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
