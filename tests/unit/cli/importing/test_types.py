"""Types of columns: a number is one only when it can be written back as the same text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.cli.importing.types import TypeFinder, WrongType, converter, is_number

NUMBERS = (
    "0 1 -1 90210 1.5 -0.25 0.1 0.005 0.00001 123456789012345 9007199254740992 1234567.12345678 0.30000000000000004"
)
TEXTS = (
    "1.10 1.0 0.0 -0 -0.0 007 00.5 +1 12e45 1e5 1E5 1.5e0 9007199254740993 12345678901234567 .5 5. 0.10 1,5 1_000 0x10 "
    "NaN inf 0.1000000000000000055511151231257827 ١٢"
)


@pytest.mark.parametrize("text", NUMBERS.split())
def test_canonical_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", [*TEXTS.split(), "", " 1", "1 "])
def test_texts_that_a_number_would_change(text: str) -> None:
    assert not is_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers().map(str) | st.decimals().map(str))
def test_a_number_has_no_other_text(text: str) -> None:
    if is_number(text):
        value = json.loads(text)
        assert str(value) == text or f"{value:.20f}".startswith(text[:-1])
        assert float(text) == value


def found(*cells: str) -> str:
    types = TypeFinder(1, frozenset(("", "NA")))
    types.see([[cell] for cell in cells[:2]])
    types.see([[cell] for cell in cells[2:]])
    return types.found()[0] + (" (numeric)" if types.numeric_texts()[0] else "")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1", "2.5", "", "NA", "-3"), "number"),
        (("1.10", "1.1"), "text (numeric)"),
        (("1", "2", "3", "3.00"), "text (numeric)"),
        (("1", "2", "3", "x"), "text"),
        (("12e45", "7"), "text (numeric)"),
        (("76561198000000001", "76561198000000002"), "text (numeric)"),
        (("01234", "99999"), "text (numeric)"),
        (("true", "False"), "boolean"),
        (("true", "1"), "text"),
        (("", "NA"), "text"),
        ((), "text"),
    ],
)
def test_types_of_columns(cells: tuple[str, ...], expected: str) -> None:
    assert found(*cells) == expected


def as_time(text: str) -> str:
    return f"<{text}>"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("text", "1.10", "1.10"),
        ("number", "007", 7),
        ("number", " 1.50 ", 1.5),
        ("number", "-3e2", -300),
        ("number", "76561198000000001", 76561198000000001),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("time", "x", "<x>"),
    ],
)
def test_chosen_types(kind: str, text: str, expected: object) -> None:
    value = converter(kind, as_time)(text)  # type: ignore[arg-type]
    assert (value, type(value) is bool) == (expected, type(expected) is bool)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("number", "12 EUR", "'12 EUR' is no number"),
        ("number", "1e999", "is no number"),
        ("number", "nan", "is no number"),
        ("number", "1,5", "is no number"),
        ("boolean", "maybe", "'maybe' is neither true nor false"),
    ],
)
def test_values_that_are_not_of_the_chosen_type(kind: str, text: str, reason: str) -> None:
    with pytest.raises(WrongType, match=reason):
        converter(kind, as_time)(text)  # type: ignore[arg-type]
