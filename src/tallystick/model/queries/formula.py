"""Formulas of metrics, such as `A / B * 100`. A formula is parsed once and computed for each row of an answer.

    sum     = product (("+" | "-") product)*
    product = sign (("*" | "/") sign)*
    sign    = "-" sign | number | letter | "(" sum ")"

A letter is a metric in the order of the query: A is the first, B the second. Numbers are doubles. If a metric is null,
a divisor is zero, or a value is beyond the range of a double, the formula is null.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import Field, field_validator

from tallystick.model.queries.scope import Shape

LETTERS = "ABCDEFGHIJ"
"""The letters of the metrics in their order; a query has at most ten."""
EXPRESSION_MAX = 200
"""The most characters of an expression."""
DEPTH_MAX = 20
"""How deep parentheses and signs may be nested."""
RESERVED = {"bucket", "other", "previous"}
"""Fields of a row; no metric or formula may have one of these names."""

Value = float | None
Compute = Callable[[Sequence[Value]], Value]

_TOKEN = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?P<letter>[A-Z])|(?P<sign>[-+*/()])", re.ASCII)
_BLANKS = re.compile(r"\s*")
_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        letters: the indexes of the metrics that it names, from 0.
        compute: returns its value, from the values of the metrics in their order.
    """

    letters: frozenset[int]
    compute: Compute


class Formula(Shape):
    """A number that is computed from the metrics of its row."""

    name: str | None = Field(
        None, min_length=1, max_length=60, description="Its column in the answer; absent: its expression."
    )
    expression: str = Field(
        max_length=EXPRESSION_MAX,
        description="+ - * / and parentheses over numbers and letters: A is the first metric, B the second. The value "
        "is null if a metric is null, a divisor is zero, or a value is beyond the range of a double.",
        examples=["A / B * 100"],
    )

    @field_validator("expression")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse(value)
        return value

    @property
    def label(self) -> str:
        """Its column in the answer."""
        return self.name or self.expression


@lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """Parse an expression.

    Raises:
        ValueError: it is no formula; the message names the character.
    """
    return _Parser(text).whole()


def computed(formulas: Sequence[Formula], values: Sequence[Any]) -> dict[str, float | None]:
    """The value of each formula by its label, from the values of the metrics in their order."""
    if not formulas:
        return {}
    numbers = [float(value) if isinstance(value, int | float) else None for value in values]
    return {formula.label: parse(formula.expression).compute(numbers) for formula in formulas}


def check_labels(labels: Sequence[str], breakdown: Sequence[str]) -> None:
    """Check that the columns of an answer have different names.

    Raises:
        ValueError: two have the same name.
    """
    seen = RESERVED | set(breakdown)
    for label in labels:
        if label in seen:
            taken = label in RESERVED or label in breakdown
            raise ValueError(f"{label!r} is {'a field of every row' if taken else 'there twice'}: give it another name")
        seen.add(label)


def check_formulas(formulas: Sequence[Formula], kinds: Sequence[str]) -> None:
    """Check that each formula names metrics of the query that are numbers.

    Args:
        kinds: the kinds of the metrics, in their order.

    Raises:
        ValueError: a metric does not exist, or is no number.
    """
    for formula in formulas:
        for index in sorted(parse(formula.expression).letters):
            letter = LETTERS[index]
            if index >= len(kinds):
                last = LETTERS[len(kinds) - 1]
                raise ValueError(f"formula {formula.label!r}: there is no metric {letter}, the last one is {last}")
            if kinds[index] == "last_received":
                raise ValueError(f"formula {formula.label!r}: metric {letter}, last_received, is no number")


class _Parser:
    """Parses one text by recursive descent: one method for each rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._kind = self._token = ""
        self._depth = 0
        self._letters: set[int] = set()

    def whole(self) -> Expression:
        self._next()
        compute = self._sum()
        if self._token:
            raise self._fault("expected + - * / or the end")
        return Expression(frozenset(self._letters), compute)

    def _next(self) -> None:
        """Move to the next token. It is empty at the end."""
        blanks = _BLANKS.match(self._text, self._at + len(self._token))
        self._at = blanks.end() if blanks else len(self._text)
        if self._at == len(self._text):
            self._kind = self._token = ""
            return
        found = _TOKEN.match(self._text, self._at)
        if not found:
            self._token = self._text[self._at]
            raise self._fault("there are numbers, letters of metrics (A, B, …), + - * / and parentheses only")
        self._kind, self._token = str(found.lastgroup), found[0]

    def _fault(self, reason: str) -> ValueError:
        what = f"{self._token!r} at character {self._at + 1}" if self._token else "the end"
        return ValueError(f"the formula {self._text!r} cannot be read: {reason}, not {what}")

    def _sum(self) -> Compute:
        left = self._product()
        while self._token in ("+", "-"):
            left = self._binary(left, self._product)
        return left

    def _product(self) -> Compute:
        left = self._sign()
        while self._token in ("*", "/"):
            left = self._binary(left, self._sign)
        return left

    def _binary(self, left: Compute, following: Callable[[], Compute]) -> Compute:
        apply = _OPERATORS[self._token]
        self._next()
        right = following()
        return lambda values: _applied(apply, left(values), right(values))

    def _sign(self) -> Compute:
        kind, token = self._kind, self._token
        if kind == "number":
            number = float(token)
            if not math.isfinite(number):
                raise self._fault("a number that a double can hold is expected")
            self._next()
            return lambda _values: number
        if kind == "letter":
            if token not in LETTERS:
                raise self._fault(f"metrics are {LETTERS[0]} to {LETTERS[-1]}")
            index = LETTERS.index(token)
            self._letters.add(index)
            self._next()
            return lambda values: values[index]
        if token in ("-", "("):
            return self._nested(token)
        raise self._fault("expected a number, the letter of a metric, - or (")

    def _nested(self, token: str) -> Compute:
        """A minus sign with its operand, or an expression in parentheses."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._fault(f"at most {DEPTH_MAX} parentheses and signs within each other are expected")
        self._next()
        if token == "-":
            inner = self._sign()
            self._depth -= 1
            return lambda values: _applied(operator.sub, 0.0, inner(values))
        inner = self._sum()
        if self._token != ")":
            raise self._fault("expected )")
        self._depth -= 1
        self._next()
        return inner


def _applied(apply: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """The value of one operation; None if it has none. A negative zero becomes zero, since JSON would show its sign."""
    if left is None or right is None:
        return None
    try:
        value = apply(left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return value + 0.0 if math.isfinite(value) else None
