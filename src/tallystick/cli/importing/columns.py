"""Which of a file's columns become fields of an event, and which become properties."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tallystick.cli.importing.places import Place, exists
from tallystick.cli.importing.presets import PRESETS
from tallystick.cli.importing.types import COLUMN_TYPES, ColumnType
from tallystick.errors import ConfigError, InvalidRequest
from tallystick.ingest.text import is_visible
from tallystick.keys import EVERY_SITE

FIELDS = ("event_id", "site_id", "name", "timestamp", "user_id", "session_id", "source", "path", "properties")
SET_BY_SERVER = "received_at"
"""A column of an export that an import ignores: the server sets it when it receives an event."""

Ids = Literal["row", "content"]
"""What the id of a row without one follows from."""


class Choices(msgspec.Struct, frozen=True):
    """The options about columns.

    Attributes:
        maps: event field → column, or path inside the object of a column.
        constants: event field → the value that every event gets.
        drop: columns and paths that are left out.
        timezone: IANA name of the zone of times without an offset.
        defaults: event field → the value of rows whose column has none.
        types: property → the type that its values are read as.
        time_formats: formats of the events' times, as strptime takes them; none: the time rule's.
        ids: what the id of a row without one follows from: the file's bytes and the row's number, or its content.
        preset: the ready mapping; None: columns by their names.
        host: the site's host name, for access logs that do not say it.
    """

    maps: Mapping[str, str] = {}
    constants: Mapping[str, str] = {}
    drop: Sequence[str] = ()
    timezone: str = "UTC"
    defaults: Mapping[str, str] = {}
    types: Mapping[str, ColumnType] = {}
    time_formats: Sequence[str] = ()
    ids: Ids = "row"
    preset: str | None = None
    host: str | None = None

    def identity(self) -> dict[str, object]:
        """What tells an import from another one of the same file; the same as in versions that had fewer options."""
        oldest = ("maps", "constants", "drop", "timezone")
        standard = Choices()
        return {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if name in oldest or getattr(self, name) != getattr(standard, name)
        }


class Details(msgspec.Struct, frozen=True):
    """The rarer options about columns, as they are on the command line. See `Choices`."""

    types: Sequence[str] = ()
    time_formats: Sequence[str] = ()
    ids: Ids | None = None
    preset: str | None = None
    host: str | None = None


def parse_choices(
    maps: Sequence[str],
    name: str | None,
    site: str | None,
    drop: Sequence[str],
    timezone: str,
    details: Details | None = None,
) -> Choices:
    """The choices that the command's options make.

    Raises:
        ConfigError: an option is invalid, or contradicts another.
    """
    details = details or Details()
    fields, defaults = _parse_maps(maps)
    for option, value in (("--site", site), ("--name", name)):
        if value is not None and not is_visible(value):
            raise ConfigError(f"{option}: {value!r} has no visible character, or a control character")
    if site == EVERY_SITE:
        raise ConfigError(f"--site: no site is called {EVERY_SITE}, which stands for every site")
    constants = {field: value for field, value in (("name", name), ("site_id", site)) if value is not None}
    for field in constants.keys() & fields.keys():
        raise ConfigError(f"{field} cannot be both a column (--map) and the same for all (--name, --site)")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--timezone: {timezone!r} is not an IANA name such as Europe/Berlin") from error
    for form in details.time_formats:
        _check_time_format(form)
    if details.preset is not None and details.preset not in PRESETS:
        raise ConfigError(f"--from {details.preset}: there is no such mapping; there are {', '.join(PRESETS)}")
    return Choices(
        maps=fields,
        constants=constants,
        drop=tuple(drop),
        timezone=timezone,
        defaults=defaults,
        types=_parse_types(details.types, drop),
        time_formats=tuple(details.time_formats),
        # Exports of other systems overlap, and the same event is a row of another number in the next one.
        ids=details.ids or ("content" if details.preset is not None else "row"),
        preset=details.preset,
        host=details.host,
    )


def _parse_maps(texts: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Field → column, and field → default, of options such as `name=event_name|page_view`."""
    maps: dict[str, str] = {}
    defaults: dict[str, str] = {}
    for text in texts:
        field, equals, rest = text.partition("=")
        column, bar, default = rest.partition("|")
        if not equals or not column:
            raise ConfigError(f"--map {text}: write it as field=column, such as --map timestamp=time")
        if field not in FIELDS:
            raise ConfigError(f"--map {text}: an event has no field {field!r}; it has {', '.join(FIELDS)}")
        if field in maps:
            raise ConfigError(f"--map {text}: {field} is already read from {maps[field]!r}")
        if bar and not default:
            raise ConfigError(f"--map {text}: the default after | is empty; write it as name=event_name|page_view")
        if bar and field in ("properties", "event_id"):
            raise ConfigError(f"--map {text}: {field} cannot have a default")
        maps[field] = column
        if bar:
            defaults[field] = default
    return maps, defaults


def _parse_types(texts: Sequence[str], drop: Sequence[str]) -> dict[str, ColumnType]:
    types: dict[str, ColumnType] = {}
    for text in texts:
        column, equals, kind = text.rpartition("=")
        chosen = next((known for known in COLUMN_TYPES if known == kind), None)
        if not equals or not column or chosen is None:
            raise ConfigError(f"--type {text}: write it as column=type; the types are {', '.join(COLUMN_TYPES)}")
        if types.get(column, chosen) != chosen:
            raise ConfigError(f"--type {text}: {column} already has the type {types[column]}")
        if column in drop:
            raise ConfigError(f"--type {text}: {column} is left out by --drop")
        types[column] = chosen
    return types


def _check_time_format(form: str) -> None:
    """Raises ConfigError when strptime does not take the format, or it has no day."""
    moment = datetime(2026, 11, 28, 21, 59, 5, tzinfo=UTC)
    try:
        back = datetime.strptime(moment.strftime(form), form)
    except (ValueError, re.error) as error:
        raise ConfigError(f"--time-format {form}: {error}; an example is %d/%b/%Y:%H:%M:%S %z") from error
    if (back.month, back.day) != (moment.month, moment.day):
        raise ConfigError(f"--time-format {form}: it has no month and day; an example is %d/%b/%Y:%H:%M:%S %z")


def places_of(columns: Sequence[str] | None, choices: Choices) -> dict[str, Place]:
    """Event field → its place in the rows of a file.

    Args:
        columns: those that every row of the file has; None when each row has its own.

    Raises:
        InvalidRequest: an option names a column that the file lacks, or events would have no name.
    """
    if columns is None:
        taken = {*choices.maps.values(), *choices.drop}
        names = {field: field for field in FIELDS if field not in taken and field not in choices.constants}
        names |= choices.maps
    else:
        names = fields_of(columns, choices)
    return {field: Place(names[field], choices.defaults.get(field)) for field in FIELDS if field in names}


def fields_of(columns: Sequence[str], choices: Choices) -> dict[str, str]:
    """Event field → column of a file with these columns: the mapped column, else the one with the field's name.

    Raises:
        InvalidRequest: an option names a column that does not exist, or events would have no name.
    """
    for column in (*choices.maps.values(), *choices.drop, *choices.types):
        if not exists(column, columns):
            raise InvalidRequest(f"the file has no column {column!r}; it has {', '.join(columns)}")
    taken = {*choices.maps.values(), *choices.drop}
    fields = dict(choices.maps)
    for field in FIELDS:
        if field not in fields and field not in choices.constants and field in columns and field not in taken:
            fields[field] = field
    if "name" not in fields and "name" not in choices.constants:
        raise InvalidRequest("no column holds the events' names: add --name page_view, or --map name=column")
    return fields
