"""How JavaScript's `new Date(text)` reads a text: ISO 8601 first, then the older forms that V8 takes.

fast-worker and analytics-backend are Node.js programs, and their clients may send whatever such a server takes: `2025`,
`11/14/2025`, `Fri, 14 Nov 2025 10:00:00 GMT`, `Nov 14, 2025 10:00 PM`. ECMAScript defines the ISO form alone; the rest
follows V8's rules. A time zone that is not named is UTC: servers run in it. tests/outside/dates/ has Node.js's answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {"ut": 0, "utc": 0, "z": 0, "gmt": 0}
_ZONES |= {"cdt": -5, "cst": -6, "edt": -4, "est": -5, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
_HALVES = {"am": 0, "pm": 12}
_DIGITS_MAX = 9
"""Digits of a number that count; V8 ignores the rest."""
_SPACE = re.compile(r"[\s\ufeff]+")
_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"[^\x00-@\s\ufeff]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MS = 8.64e15
"""Milliseconds from 1970 to the first and the last instant that JavaScript has."""


class _Token(NamedTuple):
    """A part of the text: `kind` is a symbol itself, or one of number, word, space, other, end."""

    kind: str
    text: str = ""
    value: int = 0

    def is_number(self, digits: int, lowest: int, highest: int) -> bool:
        """Whether it is a number of so many digits between two bounds."""
        return self.kind == "number" and len(self.text) == digits and lowest <= self.value <= highest


_END = _Token("end")


class _Unreadable(Exception):
    """The text is no date."""


class _Scanner:
    """The text's tokens, with one of lookahead."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self.peek = next(self._tokens, _END)

    def next(self) -> _Token:
        token, self.peek = self.peek, next(self._tokens, _END)
        return token

    def skip(self, symbol: str) -> bool:
        """Skip the symbol if it is next."""
        if self.peek.kind != symbol:
            return False
        self.next()
        return True


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        start = at
        if found := _DIGITS.match(text, at):
            at = found.end()
            digits = found[0].lstrip("0")[:_DIGITS_MAX]
            yield _Token("number", found[0], int(digits or "0"))
        elif text[at] in ":-+.)":
            at += 1
            yield _Token(text[start])
        elif found := _SPACE.match(text, at):
            at = found.end()
            yield _Token("space")
        elif text[at] == "(":
            depth = 0
            while at < len(text):
                depth += {"(": 1, ")": -1}.get(text[at], 0)
                at += 1
                if not depth:
                    break
            yield _Token("other")
        elif found := _WORD.match(text, at):
            at = found.end()
            yield _Token("word", found[0].lower())
        else:
            at += 1
            yield _Token("other")


class _Parts:
    """What was read so far: numbers of the day and of the time, and the time zone."""

    def __init__(self) -> None:
        self.day: list[int] = []
        self.month: int | None = None
        self.time: list[int] = []
        self.half: int | None = None
        self.iso = False
        self.sign: int | None = None
        self.zone_hour: int | None = None
        self.zone_minute: int | None = None

    def expects_in_time(self, number: int) -> bool:
        """Whether the number may be the next part of the time."""
        place = len(self.time)
        return (place in (1, 2) and number <= 59) or (place == 3 and number <= 999)

    def add_time(self, number: int, *, last: bool = False) -> None:
        if len(self.time) == 4:
            raise _Unreadable
        self.time.append(number)
        if last:
            self.time += [0] * (4 - len(self.time))

    def add_day(self, number: int) -> None:
        if len(self.day) == 3:
            raise _Unreadable
        self.day.append(number)

    def set_zone(self, hours: int) -> None:
        self.sign = -1 if hours < 0 else 1
        self.zone_hour, self.zone_minute = abs(hours), 0

    def milliseconds(self) -> float:
        """Milliseconds since 1970. Raises _Unreadable."""
        year, month, day = self._date()
        hour, minute, second, milli = (*self.time, 0, 0, 0, 0)[:4]
        if self.half is not None:
            if hour > 12:
                raise _Unreadable
            hour = hour % 12 + self.half
        whole_day = hour == 24 and not (minute or second or milli)
        if not (hour <= 23 and minute <= 59 and second <= 59 and milli <= 999) and not whole_day:
            raise _Unreadable
        ms = _days_since_1970(year, month) + day - 1
        ms = ((ms * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + milli
        if self.sign is not None:
            ms -= self.sign * ((self.zone_hour or 0) * 3_600_000 + (self.zone_minute or 0) * 60_000)
        if abs(ms) > _MOST_MS:
            raise _Unreadable
        return ms

    def _date(self) -> tuple[int, int, int]:
        """Year, month and day. Raises _Unreadable."""
        if not self.day:
            raise _Unreadable
        first, second, third = (*self.day, 1, 1)[:3]
        year = 0
        if self.month is None:
            if self.iso or not 1 <= first <= 31:
                year, month, day = first, second, third
            else:
                month, day = first, second
                year = third
        else:
            month = self.month
            if len(self.day) == 1 and 1 <= first <= 31:
                day, year = first, second
            elif not 1 <= first <= 31:
                year, day = first, second
            else:
                day, year = first, second
        if not self.iso and 0 <= year <= 99:
            year += 2000 if year < 50 else 1900
        if not (1 <= month <= 12 and 1 <= day <= 31) or abs(year) >= 2**30:
            raise _Unreadable
        return year, month, day


def _days_since_1970(year: int, month: int) -> int:
    """Days from 1970-01-01 to the first of a month, in the Gregorian calendar of all years."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _milliseconds(token: _Token) -> int:
    """The digits after a decimal point as milliseconds."""
    digits = len(token.text)
    if digits <= 3:
        return token.value * (1, 100, 10, 1)[digits]
    divisor: int = 10 ** (min(digits, _DIGITS_MAX) - 3)
    return token.value // divisor


def js_milliseconds(text: str) -> float | None:
    """`new Date(text).getTime()` of a server in UTC: milliseconds since 1970; None for an Invalid Date."""
    scanner, parts = _Scanner(text), _Parts()
    try:
        token = _read_iso(scanner, parts)
        _read_older_forms(scanner, parts, token)
        return parts.milliseconds()
    except _Unreadable:
        return None


def js_date(text: str) -> datetime | None:
    """The instant of `new Date(text)`; None when it has none, or one outside of the years 1 to 9999."""
    ms = js_milliseconds(text)
    try:
        return None if ms is None else _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return None


def _read_iso(scanner: _Scanner, parts: _Parts) -> _Token:
    """Read an ISO 8601 date and time. Returns the first token that does not belong to it."""
    if scanner.peek.kind in ("+", "-"):
        sign = scanner.next()
        if not scanner.peek.is_number(6, 0, 999_999):
            return sign
        year = scanner.next().value * (-1 if sign.kind == "-" else 1)
        if sign.kind == "-" and not year:
            return sign
        parts.add_day(year)
    elif scanner.peek.is_number(4, 0, 9999):
        parts.add_day(scanner.next().value)
    else:
        return scanner.next()
    if scanner.skip("-"):
        if not scanner.peek.is_number(2, 1, 12):
            return scanner.next()
        parts.add_day(scanner.next().value)
        if scanner.skip("-"):
            if not scanner.peek.is_number(2, 1, 31):
                return scanner.next()
            parts.add_day(scanner.next().value)
    if scanner.peek == _Token("word", "t"):
        scanner.next()
        _read_iso_time(scanner, parts)
    elif scanner.peek is not _END:
        return scanner.next()
    if parts.sign is None and not parts.time:
        parts.set_zone(0)
    parts.iso = True
    return _END


def _read_iso_time(scanner: _Scanner, parts: _Parts) -> None:
    """hh:mm[:ss[.sss]] and Z, ±hh:mm or ±hhmm, up to the end. Raises _Unreadable."""

    def two_digits(highest: int) -> int:
        if not scanner.peek.is_number(2, 0, highest):
            raise _Unreadable
        return scanner.next().value

    def expect(symbol: str) -> None:
        if not scanner.skip(symbol):
            raise _Unreadable

    hour = two_digits(24)
    most = 0 if hour == 24 else 59
    parts.add_time(hour)
    expect(":")
    parts.add_time(two_digits(most))
    if scanner.skip(":"):
        parts.add_time(two_digits(most))
        if scanner.skip("."):
            if scanner.peek.kind != "number" or (hour == 24 and scanner.peek.value):
                raise _Unreadable
            parts.add_time(_milliseconds(scanner.next()))
    if scanner.peek == _Token("word", "z"):
        scanner.next()
        parts.set_zone(0)
    elif scanner.peek.kind in ("+", "-"):
        parts.sign = 1 if scanner.next().kind == "+" else -1
        if scanner.peek.is_number(4, 0, 2359) and scanner.peek.value % 100 <= 59:
            parts.zone_hour, parts.zone_minute = divmod(scanner.next().value, 100)
        else:
            parts.zone_hour = two_digits(23)
            expect(":")
            parts.zone_minute = two_digits(59)
    if scanner.peek is not _END:
        raise _Unreadable


def _read_older_forms(scanner: _Scanner, parts: _Parts, token: _Token) -> None:
    """Read the rest of the text, from `token` on, in any order that V8 takes. Raises _Unreadable."""
    has_number = bool(parts.day)
    while token is not _END:
        if token.kind == "number":
            has_number = True
            _read_number(scanner, parts, token)
        elif token.kind == "word":
            _read_word(scanner, parts, token.text, has_number)
        elif token.kind in ("+", "-") and (parts.time or (parts.zone_hour == 0 and parts.zone_minute == 0)):
            has_number = True
            _read_offset(scanner, parts, token)
        elif token.kind in ("+", "-", ")") and has_number:
            raise _Unreadable
        token = scanner.next()


def _read_number(scanner: _Scanner, parts: _Parts, token: _Token) -> None:
    number = token.value
    if scanner.skip(":"):
        if scanner.skip(":"):
            if parts.time:
                raise _Unreadable
            parts.add_time(number)
            parts.add_time(0)
        else:
            parts.add_time(number)
            scanner.skip(".")
    elif scanner.peek.kind == "." and parts.expects_in_time(number):
        scanner.next()
        parts.add_time(number)
        if scanner.peek.kind != "number":
            raise _Unreadable
        fraction = _milliseconds(scanner.next())
        if len(parts.time) < 4:  # V8 ignores a second fraction
            parts.add_time(fraction, last=True)
    elif scanner.skip(".") and parts.expects_in_time(number):
        raise _Unreadable
    elif parts.zone_hour is not None and parts.zone_minute is None and number <= 59:
        parts.zone_minute = number
    elif parts.expects_in_time(number):
        parts.add_time(number, last=True)
        after = scanner.peek
        if not (after.kind in ("end", "space", "+", "-") or after == _Token("word", "z")):
            raise _Unreadable
    else:
        parts.add_day(number)
        scanner.skip("-")


def _read_word(scanner: _Scanner, parts: _Parts, word: str, has_number: bool) -> None:
    if word in _HALVES and parts.time:
        parts.half = _HALVES[word]
    elif word[:3] in _MONTHS:
        parts.month = _MONTHS.index(word[:3]) + 1
        scanner.skip("-")
    elif word in _ZONES and has_number:
        parts.set_zone(_ZONES[word])
    elif has_number or scanner.peek.kind == "number":
        raise _Unreadable


def _read_offset(scanner: _Scanner, parts: _Parts, sign: _Token) -> None:
    """±h, ±hh, ±hh:mm or ±hhmm after a time or after UTC."""
    parts.sign = 1 if sign.kind == "+" else -1
    given = scanner.next() if scanner.peek.kind == "number" else _Token("number")
    if scanner.peek.kind == ":":
        parts.zone_hour, parts.zone_minute = given.value, None
    elif len(given.text) in (1, 2):
        parts.zone_hour, parts.zone_minute = given.value, 0
    elif len(given.text) in (3, 4):
        parts.zone_hour, parts.zone_minute = divmod(given.value, 100)
    else:
        raise _Unreadable
