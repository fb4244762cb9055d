"""Turns the rows of a file into the members of events, according to the choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from tallystick.cli.importing.columns import SET_BY_SERVER, Choices, places_of
from tallystick.cli.importing.places import object_of, without
from tallystick.cli.importing.reading.rows import Values
from tallystick.cli.importing.times import TimeRule
from tallystick.cli.importing.types import WrongType, converter

NAMES_KEPT = 10_000
"""Names of properties whose JSON text is kept; a file may have any number of them."""


class Members(NamedTuple):
    """One row's event.

    Attributes:
        event_id: when the row has one.
        fields: its other fields: JSON members without the outer braces, on one line. The last one is `properties`.
        basis: the values that an id from the content follows from; None: the fields.
    """

    event_id: str | None
    fields: bytes
    basis: Mapping[str, object] | None = None


class NotAnEvent(ValueError):
    """The row cannot be an event; the message says why."""


class Mapper(Protocol):
    """Makes events of rows.

    Attributes:
        texts: columns whose values the reader leaves as texts; None: all of them.
    """

    texts: frozenset[str] | None

    def members(self, row: Values) -> Members:
        """The row's event.

        Raises:
            NotAnEvent: it cannot be one.
            BadTime: its time cannot be used.
        """

    def origin(self, field: str) -> str | None:
        """Where an event's field comes from, in words; None when the file does not have it."""

    def unused(self) -> list[str]:
        """Options that named a place where no row had a value."""


class RowMapper:
    """Makes events of rows by the names of their columns."""

    texts: frozenset[str] | None

    def __init__(self, choices: Choices, columns: Sequence[str] | None, times: TimeRule) -> None:
        """`columns`: those that every row of the file has; None when each row has its own.

        Raises:
            InvalidRequest: an option names a column that the file lacks, or events would have no name.
        """
        self._times = times
        places = places_of(columns, choices)
        word = "key" if columns is None else "column"
        self._origins = {field: f"{word} {place.column}" for field, place in places.items()}
        if choices.ids == "content":
            self._origins.setdefault("event_id", "from what the event says")
        else:
            self._origins.setdefault("event_id", "from the file's bytes and the row's number")
        self._origins |= {field: f"{value!r} for every row" for field, value in choices.constants.items()}
        self._mapped = [(field, places[field]) for field in choices.maps]
        self._identity = places.pop("event_id", None)
        self._properties_place = places.pop("properties", None)
        self._time_place = places.pop("timestamp", None)
        self._timed = self._time_place is not None and (columns is not None or "timestamp" in choices.maps)
        self._fields = [(f'"{field}":'.encode(), place) for field, place in places.items()]
        self._constants = [_json(field) + b":" + _json(value) for field, value in choices.constants.items()]
        used = [self._identity, self._properties_place, self._time_place, *places.values()]
        taken = [place.column for place in used if place is not None]
        self._used = {*taken, *choices.drop, SET_BY_SERVER}
        self._inner = _inner_paths([*taken, *choices.drop])
        self._converters = converters(choices, times)
        self.texts = frozenset((*taken, *choices.types))
        self._names: dict[str, bytes] = {}

    def origin(self, field: str) -> str | None:
        """Where an event's field comes from, in words; None when the file does not have it."""
        return self._origins.get(field)

    def unused(self) -> list[str]:
        """Options that named a place where no row had a value."""
        return [f"--map {field}={place.column}" for field, place in self._mapped if not place.found]

    def members(self, row: Values) -> Members:
        """The row's event.

        Raises:
            NotAnEvent: it cannot be one.
            BadTime: its time cannot be used.
        """
        try:
            return Members(self._identity_of(row), self._members(row))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotAnEvent(f"has a value that is not JSON: {error}") from error

    def _members(self, row: Values) -> bytes:
        parts = list(self._constants)
        for name, place in self._fields:
            if place.plain and place.column not in row:
                continue
            text = place.value(row)
            if text is not None:
                parts.append(name + (text if text[:1] in b'"{[' else b'"%s"' % text))
        time = self._time(row)
        if time is not None:
            parts.append(b'"timestamp":' + time)
        parts.append(b'"properties":{' + b",".join(self._properties(row)) + b"}")
        line = b",".join(parts)
        if b"\n" in line or b"\r" in line:  # only between tokens: a text within JSON has them escaped
            line = msgspec.json.format(b"{%s}" % line, indent=-1)[1:-1]
        return line

    def _time(self, row: Values) -> bytes | None:
        value = self._time_place.value(row) if self._time_place is not None else None
        if value is None and not self._timed:
            self._times.absent(row)
            return None
        return self._times.read(value)

    def _identity_of(self, row: Values) -> str | None:
        given = self._identity.value(row) if self._identity is not None else None
        return None if given is None else text_of(given)

    def _properties(self, row: Values) -> list[bytes]:
        """The members of the event's properties, in the row's order; those of the column `properties` are the last."""
        used, names, inner, place = self._used, self._names, self._inner, self._properties_place
        found: list[bytes] = []
        for key, raw in row.items():
            if key not in used:
                value = bytes(raw)
                if inner and key in inner:
                    value = self._remaining(key, value, row)
                    if value == b"{}":
                        continue
                if self._converters and key in self._converters:
                    value = self._converters[key](value)
                name = names.get(key)
                if name is None:
                    name = _json(key) + b":"
                    if len(names) < NAMES_KEPT:
                        names[key] = name
                found.append(name + value)
        if place is not None and (whole := place.value(row)) is not None:
            found += self._flattened(place.column, whole, row)
        return found

    def _remaining(self, column: str, value: bytes, row: Values) -> bytes:
        """The column's object without what fields were read from, or is dropped."""
        return without(value, [path for whole, path in self._inner[column] if whole not in row])

    def _flattened(self, column: str, value: bytes, row: Values) -> Iterator[bytes]:
        """The members of the object that holds properties; anything else becomes a property of the column's name."""
        value = value.strip()
        if column in self._inner:
            value = self._remaining(column, value, row)
        if self._converters or value[:1] == b'"':
            members = object_of(value)
            if members is not None:
                for key, raw in members.items():
                    convert = self._converters.get(key)
                    yield _json(key) + b":" + (convert(bytes(raw)) if convert else bytes(raw))
                return
        if value[:1] == b"{":
            if inside := value[1:-1].strip():
                yield inside
        else:
            yield _json(column) + b":" + value


def text_of(value: bytes) -> str:
    """A JSON text as itself, any other JSON value as it is written."""
    return msgspec.json.decode(value, type=str) if value[:1] == b'"' else value.decode()


def _inner_paths(columns: Sequence[str]) -> dict[str, list[tuple[str, list[str]]]]:
    """Column → the whole names and the paths inside it of what is taken out of its object."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for column in columns:
        parts = column.split(".")
        for length in range(1, len(parts)):
            found.setdefault(".".join(parts[:length]), []).append((column, parts[length:]))
    return found


def converters(choices: Choices, times: TimeRule) -> dict[str, Callable[[bytes], bytes]]:
    """Property → what turns the JSON text of its value into one of its chosen type; it raises NotAnEvent."""

    def made(name: str, convert: Callable[[str], object]) -> Callable[[bytes], bytes]:
        def converted(value: bytes) -> bytes:
            if value == b"null" or value[:1] in (b"{", b"["):
                return value
            text = text_of(value)
            if not text:
                return value
            try:
                return _exact.encode(convert(text))
            except WrongType as error:
                raise NotAnEvent(f"{name}: {error} (--type {name}={choices.types[name]})") from error

        return converted

    return {name: made(name, converter(kind, times.as_text)) for name, kind in choices.types.items()}


_exact = msgspec.json.Encoder(decimal_format="number")


def _json(value: str) -> bytes:
    return msgspec.json.encode(value)
