"""Types of CSV columns: what a cell becomes in JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

ColumnType = Literal["text", "number", "boolean", "time"]
COLUMN_TYPES: tuple[ColumnType, ...] = ("text", "number", "boolean", "time")

INTEGER_MAX = 2**53
"""The largest integer up to which a double holds every integer, so that every reader of JSON keeps it."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}").fullmatch
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\.[0-9]{0,17}[1-9]").fullmatch
_SMALL = re.compile(r"-?0\.000[0-9]*[1-9]").fullmatch
_LIKE_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_BOOLEANS = frozenset(("true", "false", "True", "False", "TRUE", "FALSE"))
_TRUE = frozenset(("true", "t", "yes", "y", "1"))
_FALSE = frozenset(("false", "f", "no", "n", "0"))


class WrongType(ValueError):
    """A text is no value of the type that was chosen for its column; the message says why."""


def is_number(text: str) -> bool:
    """Whether a text is the one way to write its number, so that the number can be written back as the same text.

    `1.10`, `007`, `+1`, `12e45`, `-0` and integers above 2^53 are not: as numbers they would be equal to other texts,
    or have other digits.
    """
    if _INTEGER(text):
        return len(text) < 16 or abs(int(text)) <= INTEGER_MAX
    if not _DECIMAL(text):
        return False
    if _SMALL(text):  # Python writes these with an exponent
        return len(text.lstrip("-0.")) <= 15
    return repr(float(text)) == text


class TypeFinder:
    """Finds the type of each column of a file: text, unless every cell is canonically a number or a truth value."""

    def __init__(self, columns: int, empty: frozenset[str]) -> None:
        """`empty`: the texts that mean "no value", which any type may have."""
        self._empty = empty
        self._values = [False] * columns
        self._numbers = [True] * columns
        self._like_numbers = [True] * columns
        self._booleans = [True] * columns

    def see(self, rows: Sequence[Sequence[str]]) -> None:
        """Look at more rows, each with a cell for every column."""
        for column, cells in enumerate(zip(*rows, strict=True)):
            if not (self._numbers[column] or self._booleans[column] or self._like_numbers[column]):
                continue
            values = set(cells) - self._empty
            if not values:
                continue
            self._values[column] = True
            self._numbers[column] = self._numbers[column] and all(map(is_number, values))
            if not self._numbers[column] and self._like_numbers[column]:
                self._like_numbers[column] = all(map(_LIKE_NUMBER, values))
            self._booleans[column] = self._booleans[column] and values <= _BOOLEANS

    def found(self) -> list[ColumnType]:
        """The types, by column. A column without values is text."""
        return [
            "text" if not any_value else "number" if number else "boolean" if boolean else "text"
            for any_value, number, boolean in zip(self._values, self._numbers, self._booleans, strict=True)
        ]

    def numeric_texts(self) -> list[bool]:
        """By column, whether it is text only because its numbers are not written canonically, such as `3.00`."""
        return [
            any_value and like and not number
            for any_value, like, number in zip(self._values, self._like_numbers, self._numbers, strict=True)
        ]


def encoder_of(kind: ColumnType) -> Callable[[str], bytes]:
    """What makes a cell of this type JSON text."""
    encoders: dict[ColumnType, Callable[[str], bytes]] = {"number": str.encode, "boolean": _boolean}
    return encoders.get(kind, msgspec.json.Encoder().encode)


def _boolean(cell: str) -> bytes:
    return cell.lower().encode()


def converter(kind: ColumnType, as_time: Callable[[str], str]) -> Callable[[str], object]:
    """What turns a text into the JSON value of a chosen type; it raises WrongType.

    Args:
        as_time: turns a text into ISO 8601 in UTC; raises WrongType.
    """
    functions: dict[ColumnType, Callable[[str], object]] = {
        "text": str,
        "number": _as_number,
        "boolean": _as_boolean,
        "time": as_time,
    }
    return functions[kind]


def _as_number(text: str) -> int | Decimal:
    """The number of a text, with its digits."""
    text = text.strip()
    if not _LIKE_NUMBER(text) or not math.isfinite(float(text)):
        raise WrongType(f"{text[:64]!r} is no number")
    return int(text) if text.lstrip("+-").isdigit() else Decimal(text)


def _as_boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE and word not in _FALSE:
        raise WrongType(f"{text[:64]!r} is neither true nor false")
    return word in _TRUE
