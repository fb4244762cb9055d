"""The native API's bodies: every form, partial requests, limits, odd input; and both ways of decoding agree."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tallystick.config import Settings
from tallystick.errors import InvalidRequest, TooLarge
from tallystick.ingest import ids
from tallystick.ingest.decode import Decoded, _decode_carefully, _decode_fast, _split, decode_native
from tallystick.ingest.text import clean_json
from tallystick.model.event import Event, decode_line

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SETTINGS = Settings()
ID = "6f1c2b7e-58f3-4d6f-9f0a-0d1c2b3a4e5f"


def decode(body: bytes | str, **how: Any) -> Decoded:
    return decode_native(body.encode() if isinstance(body, str) else body, NOW, SETTINGS, **how)


def events_of(decoded: Decoded) -> list[Event]:
    lines = decoded.lines.splitlines()
    assert len(lines) == decoded.count
    return [decode_line(line) for line in lines]


def only(body: bytes | str, **how: Any) -> Event:
    decoded = decode(body, **how)
    assert decoded.rejected == []
    (event,) = events_of(decoded)
    return event


def refusals(decoded: Decoded) -> list[tuple[int, str]]:
    return [(rejection.index, rejection.code) for rejection in decoded.rejected]


def with_properties(properties: str) -> str:
    return f'{{"name":"a","event_id":"{ID}","properties":{properties}}}'


@pytest.mark.parametrize("others", [0, 1, 40])
@pytest.mark.parametrize(
    "given",
    [
        ID,
        ID.upper(),
        ID.replace("-", ""),
        "6f1c2b7e5-8f3-4d6f-9f0a-0d1c2b3a4e5f",
        "g" + ID[1:],
        "-" * 36,
        "é" * 18,
        "é" * 36,
    ],
)
def test_one_id_of_many_has_another_form(given: str, others: int) -> None:
    """Ids are checked together, and one of them is as it would be alone."""
    events = [{"name": "a", "event_id": ID[:-2] + f"{n:02x}"} for n in range(others)] + [
        {"name": "a", "event_id": given}
    ]
    found = events_of(decode(json.dumps(events)))
    assert found[-1] == only(json.dumps(events[-1]))
    assert [event.event_id for event in found[:-1]] == [UUID(ID[:-2] + f"{n:02x}") for n in range(others)]
    assert (str(found[-1].event_id) == ID) == (given in (ID, ID.upper(), ID.replace("-", "")))


def test_made_ids_ascend_among_given_ones() -> None:
    """Ids of the fast way are of version 7, unique and in the order of the events."""
    events = events_of(decode(json.dumps([{"name": "a"}, {"name": "b", "event_id": ID}, *[{"name": "c"}] * 50])))
    made = [event.event_id for event in events if str(event.event_id) != ID]
    assert len(made) == 51
    assert made == sorted(set(made))
    assert {each.version for each in made} == {7}


def test_made_ids_ascend_across_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the random half of an id is so large that the ids after it have another first half."""
    monkeypatch.setattr(random, "getrandbits", lambda bits: (1 << bits) - 3 if bits > 32 else 7)
    monkeypatch.setattr(time, "time_ns", lambda: 1_772_366_400_000_000_000)
    made = []
    for count in (3, 5, 1):
        made += [event.event_id for event in events_of(decode(json.dumps([{"name": "a"}] * count)))]
        made.append(ids.uuid7())
    assert len(made) == 12
    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}


# --- the fast way and the careful way -------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "a", "é", "\U0001f600", "\0", "\ud800", "\udc00\ud800", "a\u2028b", "\\u0000", '"', "\x7f"]),
    st.integers(60, 2060).map(lambda n: "x" * n),
    st.sampled_from([64, 128, 200, 256, 2048]).flatmap(lambda n: st.sampled_from(["é" * n, "é" * (n + 1)])),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
IDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda u: u.hex),
    st.uuids().map(lambda u: str(u).upper()),
    st.uuids().map(lambda u: f"{{{u}}}"),
    st.uuids().map(lambda u: f"urn:uuid:{u}"),
    st.uuids().map(lambda u: f"urn:{u.hex}"),
    st.uuids().map(lambda u: f"{str(u)[:8]}{str(u)[9:]}"),
    SCALARS,
)
DAYS = ("2026-02-01", "20260201", "2000-01-01", "1999-12-31", "2026-03-02", "2026-02-30", "9999-12-31", "10000-01-01")
CLOCKS = ("T00:00:00", "t12:34:56", " 23:59:59", "T12:00", "T24:00:00", "T23:59:60", "")
FRACTIONS = ("", ".5", ".123456", ".1234565", ".123456789", ".9999999", ",25", ".")
OFFSETS = ("Z", "z", "", "+00:00", "-00:00", "+05:30", "-0800", "+23:59", "+24:00", "+01", "+01:00:30")
WRITTEN_TIMES = ["".join(parts) for parts in product(DAYS, CLOCKS, FRACTIONS, OFFSETS)]
TIMES = st.one_of(
    st.sampled_from(WRITTEN_TIMES),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.isoformat() + "Z"),
    st.integers(-(10**20), 10**20),
    st.sampled_from([1772366400, 1772366400.25, 1772366400123, 1772366400123456, 1e300, 10**400]),
    SCALARS,
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
DEEP = st.integers(55, 70).map(lambda depth: json.loads('{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"))
FIELDS = ("site_id", "user_id", "session_id", "source", "path")
ODD: dict[str, st.SearchStrategy[Any]] = {
    "name": st.one_of(st.just("page_view"), TEXTS, SCALARS),
    "event_id": IDS,
    "timestamp": TIMES,
    "received_at": TIMES,
    "other": JSON,
    "properties": st.one_of(st.dictionaries(TEXTS, JSON, max_size=4), DEEP, JSON),
    **dict.fromkeys(FIELDS, SCALARS),
}
ODD_IN_ONE = st.sampled_from(sorted(ODD)).flatmap(lambda field: ODD[field].map(lambda value: {field: value}))
"""One odd field must not hide the effect of another."""
EVENTS = st.one_of(
    ODD_IN_ONE.map(lambda odd: {"name": "page_view", **odd}),
    st.tuples(ODD_IN_ONE, ODD_IN_ONE).map(lambda two: {"name": "page_view", **two[0], **two[1]}),
    st.fixed_dictionaries({}, optional=ODD),
    JSON,
)


def comparable(decoded: Decoded, given_ids: list[bool]) -> list[dict[str, Any]]:
    """The events' fields; an id only where the client gave one."""
    places = sorted(set(range(len(given_ids))) - {rejection.index for rejection in decoded.rejected})
    shown = []
    for place, event in zip(places, events_of(decoded), strict=True):
        fields = {field: getattr(event, field) for field in Event.__struct_fields__}
        fields["properties"] = bytes(event.properties)
        assert event.received_at == NOW
        if not given_ids[place]:
            assert event.event_id.version == 7
            del fields["event_id"]
        shown.append(fields)
    return shown


@examples(max_examples=500)
@given(
    events=st.lists(EVENTS, min_size=1, max_size=3),
    form=st.sampled_from(["array", "events", "lines", "one"]),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_both_ways_give_the_same(events: list[Any], form: str, ascii_only: bool, indent: int | None) -> None:
    if form == "one":
        events = events[:1]
    texts = [json.dumps(event, ensure_ascii=ascii_only, indent=None if form == "lines" else indent) for event in events]
    text = {
        "array": f"[{','.join(texts)}]",
        "events": f'{{"events":[{",".join(texts)}]}}',
        "lines": "\n".join(texts),
        "one": texts[0],
    }[form]
    body = clean_json(text.encode("utf-8", "surrogatepass"))
    fast = _decode_fast(body, NOW, SETTINGS, form == "lines")
    try:
        careful = _decode_carefully(_split(body, form == "lines", 5_000)[0], NOW, SETTINGS, None)
    except InvalidRequest:
        assert fast is None
        return
    given_ids = [isinstance(event, dict) and event.get("event_id") not in (None, "") for event in events]
    shown = comparable(careful, given_ids)
    if fast is not None:
        assert careful.rejected == fast.rejected == []
        assert comparable(fast, given_ids) == shown


def test_both_ways_read_every_written_time_alike() -> None:
    """G9: all of them, because one that only chance would find is a wrong time in the store."""
    taken = 0
    for text in WRITTEN_TIMES:
        body = json.dumps({"name": "a", "event_id": ID, "timestamp": text}).encode()
        fast = _decode_fast(body, NOW, SETTINGS, False)
        careful = _decode_carefully([body], NOW, SETTINGS, None)
        assert fast is None or (text, fast.lines) == (text, careful.lines)
        taken += fast is not None
    assert taken > 100


def test_the_fast_way_is_taken_for_plain_events() -> None:
    """Else the property above would compare nothing."""
    event = {
        "name": "a",
        "event_id": ID,
        "timestamp": "2026-02-01T08:00:00+01:00",
        "user_id": "u",
        "properties": {"k": [1, "é"]},
    }
    for body in (json.dumps(event), json.dumps([event] * 3), json.dumps({"events": [event]})):
        assert _decode_fast(body.encode(), NOW, SETTINGS, False)
    assert _decode_fast(b'{"name":"a"}\r\n\r\n{"name":"b"}\r\n', NOW, SETTINGS, True)


def test_the_fast_way_leaves_small_limits_to_the_careful_one() -> None:
    settings = Settings(max_event_bytes=1024)
    decoded = decode_native(json.dumps({"name": "a", "path": "/" * 2000}).encode(), NOW, settings)
    assert refusals(decoded) == [(0, "event_too_large")]


# --- the forms of a body --------------------------------------------------------------------------------------------

A, B = '{"name":"a"}', '{"name":"b"}'


@pytest.mark.parametrize(
    ("body", "ndjson"),
    [
        (f'{{"events":[{A},{B}]}}', False),
        (f"[{A},{B}]", False),
        (f"  \n[\n {A},\n {B}\n]\n", False),
        (f"{A}\n{B}", False),
        (f"{A}\n{B}\n", True),
        (f"{A}\r\n\r\n{B}\r\n", False),
        (f"{A}\r\n\r\n{B}\r\n", True),
        (f"\ufeff{A}\n{B}", False),
        (f"\ufeff{A}\n{B}", True),
        (f'{{"name":"ignored","events":[{A},{B}]}}', False),
    ],
)
def test_body_forms(body: str, ndjson: bool) -> None:
    decoded = decode(body, ndjson=ndjson)
    assert [event.name for event in events_of(decoded)] == ["a", "b"]
    assert decoded.rejected == []


def test_one_event_pretty_printed() -> None:
    event = only('{\n  "name": "a",\n  "properties": {\r\n    "k": "v w"\r\n  }\n}\n')
    assert bytes(event.properties) == b'{"k":"v w"}'


@pytest.mark.parametrize(
    "body",
    [
        "",
        " \n",
        "[]",
        '{"events":[]}',
        "5",
        '"text"',
        "null",
        "{",
        '{"events":null}',
        '{"events":5}',
        "[1,",
        f"{A[:-1]}\n",
        "\ufeff",
        "name=a&user_id=b",
        "NaN",
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_no_form(body: str) -> None:
    with pytest.raises(InvalidRequest):
        decode(body)


def test_a_line_is_one_event() -> None:
    assert refusals(decode(f"{A} {B}\n{B}", ndjson=True)) == [(0, "event_invalid")]
    assert refusals(decode('{"name":\n"a"}', ndjson=True)) == [(0, "event_invalid"), (1, "event_invalid")]


# --- partial requests -----------------------------------------------------------------------------------------------


def test_partial_request() -> None:
    """G8: valid events are taken, invalid ones are reported by their place, with a code and a sentence."""
    bodies: dict[str, Any] = {
        "name_missing": {},
        "name_invalid": {"name": ["a"]},
        "name_too_long": {"name": "x" * 256},
        "site_id_too_long": {"name": "a", "site_id": "x" * 256},
        "user_id_invalid": {"name": "a", "user_id": {}},
        "session_id_too_long": {"name": "a", "session_id": "x" * 257},
        "path_too_long": {"name": "a", "path": "x" * 2049},
        "source_too_long": {"name": "a", "source": "x" * 65},
        "event_id_too_long": {"name": "a", "event_id": "x" * 513},
        "event_id_invalid": {"name": "a", "event_id": True},
        "timestamp_invalid": {"name": "a", "timestamp": "soon"},
        "properties_invalid": {"name": "a", "properties": [1]},
        "event_invalid": 5,
        "event_too_large": {"name": "a", "properties": {"k": "x" * 65_536}},
        "too_deep": {"name": "a", "properties": json.loads('{"k":' + "[" * 64 + "]" * 64 + "}")},
    }
    mixed = [item for body in bodies.values() for item in (body, {"name": "good"})]
    decoded = decode(json.dumps(mixed))
    assert refusals(decoded) == [(2 * place, code) for place, code in enumerate(bodies)]
    assert all(rejection.message for rejection in decoded.rejected)
    assert [event.name for event in events_of(decoded)] == ["good"] * len(bodies)


def test_limits_are_inclusive() -> None:
    longest = {
        "name": "é" * 255,
        "site_id": "s" * 255,
        "user_id": "u" * 256,
        "session_id": "s" * 256,
        "source": "s" * 64,
        "path": "/" * 2048,
        "event_id": "x" * 512,
        "properties": json.loads('{"k":' + "[" * 63 + "]" * 63 + "}"),
    }
    event = only(json.dumps(longest))
    assert (event.name, event.path) == ("é" * 255, "/" * 2048)


def test_brackets_in_texts_are_no_nesting() -> None:
    properties = {"k": "[{" * 100 + '\\"[' * 10}
    assert json.loads(bytes(only(json.dumps({"name": "a", "properties": properties})).properties)) == properties


def test_too_many_events() -> None:
    settings = Settings(max_request_events=2)
    assert decode_native(f"[{A},{B}]".encode(), NOW, settings).count == 2
    for body, ndjson in ((f"[{A},{A},{A}]", False), (f'{{"events":[{A},{A},{A}]}}', False), (f"{A}\n{A}\n{A}", True)):
        with pytest.raises(TooLarge, match="at most 2"):
            decode_native(body.encode(), NOW, settings, ndjson=ndjson)


# --- ids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_id", [ID, ID.upper(), ID.replace("-", "")])
def test_uuid_in_any_usual_form(given_id: str) -> None:
    assert only(json.dumps({"name": "a", "event_id": given_id})).event_id == UUID(ID)


@pytest.mark.parametrize("given_id", [f"{{{ID}}}", f"urn:uuid:{ID}", "urn:" + UUID(ID).hex, "+" + ID[1:], "order-7", 7])
def test_other_id_becomes_a_uuid_and_stays_visible(given_id: str | int) -> None:
    event = only(json.dumps({"name": "a", "event_id": given_id, "user_id": "u", "properties": {"k": 1}}))
    again = only(json.dumps({"name": "a", "event_id": given_id, "user_id": "u"}))
    other = only(json.dumps({"name": "a", "event_id": given_id, "user_id": "v"}))
    assert event.event_id.version == 5
    assert event.event_id == again.event_id != other.event_id
    assert json.loads(bytes(event.properties)) == {"$event_id": str(given_id), "k": 1}


def test_a_repeated_request_derives_the_missing_ids() -> None:
    """G2: the same request and place give the same id; ids that are there are kept."""
    body = json.dumps([{"name": "a"}, {"name": "a", "event_id": ""}, {"name": "a", "event_id": ID}, {"name": ""}])
    first, again, other = (events_of(decode(body, identity=key)) for key in ("k", "k", "l"))
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert len({event.event_id for event in first + other}) == 5
    assert first[2].event_id == UUID(ID)


# --- odd input ------------------------------------------------------------------------------------------------------


def test_nul_and_half_surrogates_become_the_replacement_character() -> None:
    properties = r'{"\udc00":"\ud83d\ude00\ud83d"}'
    event = only(r'{"name":"a\u0000b","user_id":"\ud800","path":"\\u0000","properties":' + properties + "}")
    assert (event.name, event.user_id, event.path) == ("a\ufffdb", "\ufffd", r"\u0000")
    assert json.loads(bytes(event.properties)) == {"\ufffd": "\U0001f600\ufffd"}


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    event = only(b'{"name":"a\xff","properties":{"k":"\xc3"}}')
    assert event.name == "a\ufffd"
    assert json.loads(bytes(event.properties)) == {"k": "\ufffd"}


@pytest.mark.parametrize("number", ["1" * 5_000, "-" + "9" * 30, "1e400", "1e-400", "1.00", "-0", "1E5"])
def test_numbers_are_kept_digit_by_digit(number: str) -> None:
    assert bytes(only(with_properties(f'{{"k":{number}}}')).properties) == f'{{"k":{number}}}'.encode()


@pytest.mark.parametrize(("number", "text"), [("12345678901234567890123", "12345678901234567890123"), ("1.50", "1.50")])
def test_number_for_a_text_is_taken_as_written(number: str, text: str) -> None:
    assert only(f'{{"name":"a","user_id":{number}}}').user_id == text


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "'x'", '"\\x"', '"\t"', "1,"]
)
def test_what_is_no_json_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest):
        decode(with_properties(f'{{"k":{value}}}'))
    decoded = decode(with_properties(f'{{"k":{value}}}') + f"\n{A}", ndjson=True)
    assert (refusals(decoded), decoded.count) == ([(0, "event_invalid")], 1)


def test_bottomless_nesting() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    event = f'{{"name":"a","properties":{{"k":{deep}}}}}'
    for body in (event, f"[{event}]", f'{{"events":[{event}]}}'):
        with pytest.raises(InvalidRequest, match="nested too deeply"):
            decode(body)
    for ndjson in (True, False):
        decoded = decode(f"{A}\n{event}\n{B}", ndjson=ndjson)
        assert (refusals(decoded), decoded.count) == ([(1, "too_deep")], 2)


def test_a_property_key_twice_is_kept_as_it_came() -> None:
    twice = '{"k":1,"k":2}'
    assert bytes(only(with_properties(twice)).properties) == twice.encode()
    late = only(f'{{"name":"a","timestamp":0,"properties":{twice}}}')
    assert bytes(late.properties) == b'{"$timestamp":0,"k":1,"k":2}'


def test_a_field_twice_is_the_last() -> None:
    assert only('{"name":"a","name":"b"}').name == only('{"name":"a","name":"b","user_id":7}').name == "b"


def test_unknown_fields_and_received_at_are_let_be() -> None:
    event = only('{"name":"a","received_at":"2020-01-01T00:00:00Z","colour":{"x":1}}')
    assert event.received_at == NOW
    assert bytes(event.properties) == b"{}"


def test_empty_and_null_are_absent() -> None:
    nothing = dict.fromkeys(("event_id", "timestamp", *FIELDS, "properties"))
    for body in ({"name": "a", **nothing}, {"name": "a", **dict.fromkeys(("event_id", "timestamp", *FIELDS), "")}):
        event = only(json.dumps(body))
        assert (event.timestamp, event.site_id, event.user_id, event.source) == (NOW, "default", None, "")
        assert (event.session_id, event.path, bytes(event.properties)) == (None, None, b"{}")
