"""Turns the rows of other systems' files into events: exports by a ready mapping, access logs by their lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from tallystick.cli.importing.access_log import AccessLog
from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.mapping import Members, NotAnEvent, converters, text_of
from tallystick.cli.importing.places import Place
from tallystick.cli.importing.presets import Imported, Preset
from tallystick.cli.importing.reading.lines import LINE
from tallystick.cli.importing.reading.rows import Broken, Row, RowFile, Values
from tallystick.cli.importing.times import TimeRule
from tallystick.ingest.enrich.page import RULES, PageRules

_value = msgspec.json.Decoder(float_hook=Decimal)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder(decimal_format="number")
_SECONDS_BELOW = 10**11


class EventMapper:
    """Makes events of rows by a function; the choices change what it made.

    Attributes:
        texts: None: the function gets every cell of a CSV file as text.
    """

    texts: frozenset[str] | None = None

    def __init__(
        self,
        choices: Choices,
        times: TimeRule,
        made: Callable[[dict[str, object]], Imported],
        origin: str,
        rules: PageRules,
    ) -> None:
        """
        Args:
            made: the event of a row's values. Raises ValueError for a row that is none.
            origin: where the fields come from, in words.
            rules: how pages are read.
        """
        self._choices = choices
        self._times = times
        self._made = made
        self._origin = origin
        self._rules = rules
        self._places = {
            field: Place(column, choices.defaults.get(field))
            for field, column in choices.maps.items()
            if field != "properties"
        }
        self._converters = converters(choices, times)
        self._drop = frozenset(choices.drop)

    def origin(self, field: str) -> str | None:
        """Where an event's field comes from, in words."""
        if field in self._choices.constants:
            return f"{self._choices.constants[field]!r} for every row"
        return f"column {self._places[field].column}" if field in self._places else self._origin

    def unused(self) -> list[str]:
        """Options that named a place where no row had a value."""
        return [f"--map {field}={place.column}" for field, place in self._places.items() if not place.found]

    def members(self, row: Values) -> Members:
        """The row's event; see `Mapper`."""
        try:
            values = {name: _value.decode(bytes(raw)) for name, raw in row.items()}
            event = self._made({name: value for name, value in values.items() if name not in self._drop})
            event.finish(self._rules)
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise NotAnEvent(str(error)) from error
        fields: dict[str, object] = dict(self._choices.constants)
        for field in ("site_id", "name", "user_id", "session_id", "source", "path"):
            given = self._mapped(field, row, getattr(event, field))
            if given is not None and field not in fields:
                fields[field] = given
        moment = self._times.read(self._time(row, event))
        if moment is not None:
            fields["timestamp"] = msgspec.Raw(moment)
        fields["properties"] = msgspec.Raw(self._properties(event))
        identity = self._mapped("event_id", row, event.event_id)
        # An id follows from the row, not from the event, so that it stays when what is made of a row gets better.
        return Members(None if identity is None else str(identity), _encoder.encode(fields)[1:-1], values)

    def _mapped(self, field: str, row: Values, made: object) -> object:
        """The value of a mapped place, else the one that the function made."""
        value = self._places[field].value(row) if field in self._places else None
        if value is None:
            return made
        return text_of(value)

    def _time(self, row: Values, event: Imported) -> bytes | None:
        value = self._places["timestamp"].value(row) if "timestamp" in self._places else None
        if value is not None or event.timestamp is None:
            return value
        return _encoder.encode(event.timestamp)

    def _properties(self, event: Imported) -> bytes:
        for name in self._drop & event.properties.keys():
            del event.properties[name]
        text = _encoder.encode(event.properties)
        if not (self._converters.keys() & event.properties.keys()):
            return text
        return _encoder.encode(
            {
                name: msgspec.Raw(self._converters[name](bytes(raw)) if name in self._converters else bytes(raw))
                for name, raw in _members.decode(text).items()
            }
        )


def preset_mapper(
    preset: Preset, choices: Choices, columns: Sequence[str] | None, times: TimeRule, rules: PageRules = RULES
) -> EventMapper:
    """The mapper of a ready mapping.

    Args:
        columns: those that every row of the file has; None when each row has its own.

    Raises:
        InvalidRequest: the file is not the export that the mapping reads.
    """
    if columns is not None:
        preset.check(columns)
    shifted = preset.local_epoch and choices.timezone != "UTC"
    unchecked = columns is None

    def made(row: dict[str, object]) -> Imported:
        nonlocal unchecked
        if unchecked:
            preset.check(list(row))
            unchecked = False
        event = preset.event(row)
        if shifted:
            event.timestamp = _wall_clock(event.timestamp)
        return event

    return EventMapper(choices, times, made, f"--from {preset.name}", rules)


def _wall_clock(timestamp: str | int | Decimal | None) -> str | int | Decimal | None:
    """A number that counts local time as if it were UTC, as a text without an offset."""
    if not isinstance(timestamp, int | Decimal):
        return timestamp
    seconds = float(timestamp)
    if abs(seconds) >= _SECONDS_BELOW:
        seconds /= 1000
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return timestamp


def log_mapper(log: AccessLog, choices: Choices, times: TimeRule, rules: PageRules = RULES) -> EventMapper:
    """The mapper of an access log's lines."""
    return EventMapper(choices, times, lambda row: log.event(str(row[LINE])), "the log's line", rules)


class ExpandedFile:
    """A file whose records hold several rows each, such as visits with their actions. See `RowFile`."""

    def __init__(self, file: RowFile, preset: Preset) -> None:
        """`preset`: has a function `rows`."""
        assert preset.rows is not None
        self._file = file
        self._preset = preset
        self._rows = preset.rows
        self._checked = False
        self.columns = file.columns
        self.word = file.word
        self.unit = file.unit
        self.total = file.total
        self.numeric_texts = file.numeric_texts
        self.broken: list[Broken] = file.broken
        self.broken_count = file.broken_count
        self.numbered = self.counted = 0

    def rows(self, skip: int, texts: frozenset[str] | None = frozenset()) -> Iterator[Row]:
        """The rows of the records in order, without the first `skip`. A record without rows is an empty row."""
        number = self.counted = 0
        for record in self._file.rows(0, None):
            for row in self._expanded(record):
                number += 1
                self.counted += row.values is not None or bool(row.problem)
                if number > skip:
                    yield row
        self.numbered = number
        self.counted += self.broken_count

    def _expanded(self, record: Row) -> Iterator[Row]:
        if record.values is None:
            yield record
            return
        try:
            values = {name: _value.decode(bytes(raw)) for name, raw in record.values.items()}
            if not self._checked:
                self._preset.check(list(values))
                self._checked = True
            found = list(self._rows(values))
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            yield Row(record.place, None, str(error))
            return
        for row in found:
            yield Row(record.place, {name: msgspec.Raw(_encoder.encode(value)) for name, value in row.items()})
        if not found:
            yield Row(record.place, None)

    def position(self) -> int:
        """How far into the file the last record is."""
        return self._file.position()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
