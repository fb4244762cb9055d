"""Which of a file's columns become fields of an event, and which become properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tallystick.errors import ConfigError, InvalidRequest
from tallystick.ingest.text import is_visible
from tallystick.keys import EVERY_SITE

FIELDS = ("event_id", "site_id", "name", "timestamp", "user_id", "session_id", "source", "path", "properties")
SET_BY_SERVER = "received_at"
"""A column of an export that an import ignores: the server sets it when it receives an event."""


class Choices(msgspec.Struct, frozen=True):
    """The options about columns.

    Attributes:
        maps: event field → column.
        constants: event field → the value that every event gets.
        drop: columns that are left out.
        timezone: IANA name of the zone of times without an offset.
    """

    maps: Mapping[str, str] = {}
    constants: Mapping[str, str] = {}
    drop: Sequence[str] = ()
    timezone: str = "UTC"


def parse_choices(
    maps: Sequence[str], name: str | None, site: str | None, drop: Sequence[str], timezone: str
) -> Choices:
    """The choices that the command's options make.

    Raises:
        ConfigError: an option is invalid, or contradicts another.
    """
    fields: dict[str, str] = {}
    for text in maps:
        field, equals, column = text.partition("=")
        if not equals or not column:
            raise ConfigError(f"--map {text}: write it as field=column, such as --map timestamp=time")
        if field not in FIELDS:
            raise ConfigError(f"--map {text}: an event has no field {field!r}; it has {', '.join(FIELDS)}")
        if field in fields:
            raise ConfigError(f"--map {text}: {field} is already read from {fields[field]!r}")
        fields[field] = column
    for option, given in (("--site", site), ("--name", name)):
        if given is not None and not is_visible(given):
            raise ConfigError(f"{option}: {given!r} has no visible character, or a control character")
    if site == EVERY_SITE:
        raise ConfigError(f"--site: no site is called {EVERY_SITE}, which stands for every site")
    constants = {field: value for field, value in (("name", name), ("site_id", site)) if value is not None}
    for field in constants.keys() & fields.keys():
        raise ConfigError(f"{field} cannot be both a column (--map) and the same for all (--name, --site)")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--timezone: {timezone!r} is not an IANA name such as Europe/Berlin") from error
    return Choices(fields, constants, tuple(drop), timezone)


def fields_of(columns: Sequence[str], choices: Choices) -> dict[str, str]:
    """Event field → column of a file with these columns: the mapped column, else the one with the field's name.

    Raises:
        InvalidRequest: an option names a column that does not exist, or events would have no name.
    """
    for column in (*choices.maps.values(), *choices.drop):
        if column not in columns:
            raise InvalidRequest(f"the file has no column {column!r}; it has {', '.join(columns)}")
    taken = {*choices.maps.values(), *choices.drop}
    fields = dict(choices.maps)
    for field in FIELDS:
        if field not in fields and field not in choices.constants and field in columns and field not in taken:
            fields[field] = field
    if "name" not in fields and "name" not in choices.constants:
        raise InvalidRequest("no column holds the events' names: add --name page_view, or --map name=column")
    return fields


def properties_of(columns: Sequence[str], fields: Mapping[str, str], choices: Choices) -> list[str]:
    """The columns that become properties: all that are neither fields nor dropped."""
    used = {*fields.values(), *choices.drop, SET_BY_SERVER}
    return [column for column in columns if column not in used]
