"""Places of values: columns, paths into objects, defaults."""

from __future__ import annotations

import json

import msgspec
import pytest

from tallystick.cli.importing.places import Place, exists, object_of, without


def row(**values: object) -> dict[str, bytes]:
    return {name: msgspec.json.encode(value) for name, value in values.items()}


def value(column: str, row: dict[str, bytes], default: str | None = None) -> object:
    found = Place(column, default).value(row)
    return None if found is None else json.loads(found)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("a", {"b": {"c": 1, "d.e": 2}}),
        ("a.b.c", 1),
        ("a.b.d.e", 2),
        ("a.b", {"c": 1, "d.e": 2}),
        ("a.x", None),
        ("x.y", None),
        ("text.k", "v"),
        ("plain.k", None),
        ("list.0", None),
    ],
)
def test_paths(column: str, expected: object) -> None:
    made = row(a={"b": {"c": 1, "d.e": 2}}, text='{"k": "v"}', plain="{", list=[1])
    assert value(column, made) == expected


def test_a_column_whose_name_has_dots_wins() -> None:
    made = {**row(a={"b": "inner"}), "a.b": b'"column"'}
    assert value("a.b", made) == "column"
    assert value("a.b", {**made, "a.b": b'""'}) == "inner"


def test_a_default_is_for_rows_without_a_value() -> None:
    assert [value("n", made, "page_view") for made in (row(n="x"), row(n=""), row(n=None), row())] == [
        "x",
        "page_view",
        "page_view",
        "page_view",
    ]


def test_a_place_knows_whether_it_was_found() -> None:
    place = Place("n", "default")
    place.value(row())
    assert not place.found
    place.value(row(n="x"))
    place.value(row())
    assert place.found


def test_which_places_a_file_can_have() -> None:
    found = [exists(column, ["a", "b.c"]) for column in ("a", "a.x", "b.c", "b", "c.d")]
    assert found == [True, True, True, False, False]


def test_members_of_objects() -> None:
    assert object_of(b' {"a": 1.10} ') == {"a": msgspec.Raw(b"1.10")}
    assert object_of(b'"{\\"a\\": 1}"') == {"a": msgspec.Raw(b"1")}
    assert [object_of(text) for text in (b"1", b'"x"', b'"{"', b"[1]", b'{"a":', b"")] == [None] * 6


def test_objects_without_members_at_paths() -> None:
    whole = b'{"a":{"b":1.10,"c":2},"d.e":3,"f":4}'
    assert without(whole, [["f"]]) == b'{"a":{"b":1.10,"c":2},"d.e":3}'
    assert without(whole, [["a", "b"], ["d", "e"]]) == b'{"a":{"c":2},"f":4}'
    assert without(whole, [["x"], ["f", "g"]]) == b'{"a":{"b":1.10,"c":2},"d.e":3,"f":4}'
    assert without(b"[1]", [["a"]]) == b"[1]"
