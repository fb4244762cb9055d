"""Formulas are what Python's arithmetic says, and what cannot be read is refused at its place."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tallystick.model.queries.formula import DEPTH_MAX, EXPRESSION_MAX, Formula, computed, parse
from tallystick.model.query import Metric, MetricsQuery
from tests.oracle.formula import formula_value

blanks = st.sampled_from(["", " ", "  ", "\t", "\n"])


@st.composite
def expressions(
    draw: st.DrawFn,
    depth: int = 4,
    signs: str = "+-*/",
    numbers: tuple[str, ...] = ("0", "1", "100", "2.5", ".5", "3.", "1e3", "1e-3", "2e+2", "1e308"),
) -> str:
    """Anything that the grammar allows."""
    pad = draw(blanks)
    kinds = ["number", "letter", "letter", "sum", "sum", "sum", "sign", "nested"]
    kind = draw(st.sampled_from(kinds if depth else kinds[:2]))
    if kind == "number":
        return pad + draw(st.sampled_from(numbers))
    if kind == "letter":
        return pad + draw(st.sampled_from("ABC")) + draw(blanks)
    inner = draw(expressions(depth - 1, signs, numbers))
    if kind == "sign":
        return f"{pad}-{inner}"
    if kind == "nested":
        return f"{pad}({inner})"
    return f"{inner}{draw(st.sampled_from(signs))}{draw(expressions(depth - 1, signs, numbers))}"


values = st.lists(
    st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False)),
    min_size=3,
    max_size=3,
)


@given(text=expressions(), given_values=values)
def test_it_is_what_python_computes(text: str, given_values: list[Any]) -> None:
    numbers = [None if value is None else float(value) for value in given_values]
    assert parse(text).compute(numbers) == formula_value(text, numbers)


@given(
    text=expressions(3, "+-*", ("0", "1", "7", "50")), given_values=st.lists(st.integers(-9, 9), min_size=3, max_size=3)
)
def test_whole_numbers_are_exact(text: str, given_values: list[int]) -> None:
    """Up to 50 to the 8th, which a double holds: precedence and order are those of mathematics."""
    exact = eval(f"({text})", {"__builtins__": {}}, dict(zip("ABC", map(Fraction, given_values), strict=True)))
    assert parse(text).compute([float(value) for value in given_values]) == exact


@pytest.mark.parametrize(
    ("text", "given_values", "wanted"),
    [
        ("A / B * 100", [1, 4], 25.0),
        ("A - B - C", [10, 4, 3], 3.0),
        ("A / B / C", [12, 3, 2], 2.0),
        ("A + B * C", [1, 2, 3], 7.0),
        ("-A * -(B + 2)", [3, 1], 9.0),
        ("A--B", [1, 2], 3.0),
        ("A / B", [1, 0], None),
        ("A / B", [0, 0], None),
        ("A + B", [1, None], None),
        ("A * 0", [None], None),
        ("A * A", [1e200], None),
        ("1 / (A * A)", [1e200], None),
        ("0 * -A", [1], 0.0),
    ],
)
def test_by_hand(text: str, given_values: list[Any], wanted: float | None) -> None:
    found = computed([Formula(name="f", expression=text)], given_values)["f"]
    assert found == wanted
    assert found is None or math.copysign(1, found) == 1 or found < 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not the end"),
        ("A / / B", "not '/' at character 5"),
        ("A +", "expected a number, the letter of a metric, - or (, not the end"),
        ("(A + B", r"expected ), not the end"),
        ("A)", "not ')' at character 2"),
        ("A B", "not 'B' at character 3"),
        ("2A", "not 'A' at character 2"),
        ("A $ B", "not '$' at character 3"),
        ("a", "not 'a' at character 1"),
        ("K", "metrics are A to J, not 'K'"),
        ("A ** B", "not '*' at character 4"),
        ("1e999", "that a double can hold"),
        ("__import__('os')", "not '_' at character 1"),
        ("٣", "not '٣' at character 1"),
        ("(" * (DEPTH_MAX + 1) + "A" + ")" * (DEPTH_MAX + 1), f"at character {DEPTH_MAX + 1}"),
        ("-" * EXPRESSION_MAX, f"at character {DEPTH_MAX + 1}"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as refused:
        parse(text)
    assert complaint in str(refused.value)
    with pytest.raises(ValidationError):
        Formula(expression=text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = parse(text).compute([1.0] * 10)
    except ValueError:
        return
    assert value is None or math.isfinite(value)


def test_deep_is_allowed_up_to_the_limit() -> None:
    assert parse("(" * DEPTH_MAX + "A" + ")" * DEPTH_MAX).compute([2.0]) == 2
    assert parse("+".join(["A"] * 100)).compute([1.0]) == 100
    with pytest.raises(ValidationError, match="at most 200 characters"):
        Formula(expression="+".join(["A"] * 101))


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        ({"formulas": [{"expression": "A / B"}]}, "there is no metric B, the last one is A"),
        ({"metrics": [{"kind": "last_received"}], "formulas": [{"expression": "A"}]}, "is no number"),
        ({"formulas": [{"expression": "A"}] * 2}, "there twice"),
        ({"formulas": [{"name": "events", "expression": "A"}]}, "there twice"),
        ({"formulas": [{"name": "bucket", "expression": "A"}]}, "a field of every row"),
        ({"metrics": [{"name": "previous"}]}, "a field of every row"),
        ({"metrics": [{"name": "path"}], "breakdown": ["path"]}, "a field of every row"),
        ({"metrics": [{"name": "x"}, {"name": "x", "kind": "users"}]}, "there twice"),
        ({"metrics": [{"name": "x" * 61}]}, "at most 60"),
        ({"metrics": [{"name": ""}]}, "at least 1"),
        ({"formulas": [{"expression": f"A+{n}"} for n in range(6)]}, "at most 5"),
        ({"compare": "next"}, "'previous'"),
        ({"compare": {"since": "2025-01-02T00:00:00Z", "until": "2025-01-01T00:00:00Z"}}, "must not be after"),
        ({"compare": {"since": "0001-01-01T00:00:00+14:00", "until": "2025-01-01T00:00:00Z"}}, "years 1 to 9999"),
        ({"compare": "previous", "cursor": "x"}, "comes whole"),
        (
            {"metrics": [{"name": str(n), "filter": {"all": [{"field": "name", "op": "set"}] * 50}} for n in range(5)]},
            "250 given",
        ),
    ],
)
def test_a_wrong_question_is_refused(question: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MetricsQuery(**question)
    assert complaint in str(refused.value)


def test_labels() -> None:
    assert Metric(kind="sum", property="amount").label == "sum(amount)"
    assert Metric(kind="sum", property="amount", name="income").label == "income"
    assert (Formula(expression="A").label, Formula(name="x", expression="A").label) == ("A", "x")
