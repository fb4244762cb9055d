"""Reads NDJSON files for an import, line by line."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import zstandard

from tallystick.cli.importing.columns import FIELDS, SET_BY_SERVER, Choices
from tallystick.errors import InvalidRequest

LINE_MAX = 16 * 1024 * 1024
"""Longest line in bytes that is read. A longer one is reported and skipped."""

NO_TIME = b'" "'
"""The time of a line whose mapped time is missing. The server rejects it; without one the event would get today's."""

Members = tuple[str | None, str]
"""An event's id, when the line has one, and its other fields: JSON members without the outer braces."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class TooLong(NamedTuple):
    """A line that was skipped because it is too long; `size` in bytes."""

    size: int


class NotAnEvent(ValueError):
    """The line is not a JSON object; the message says why."""


class LineFile:
    """An opened NDJSON file, plain, `.gz` or `.zst`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = path.open("rb")
        self.size = path.stat().st_size
        self._lines: IO[bytes] = self._raw
        if path.suffix == ".gz":
            self._lines = io.BufferedReader(gzip.GzipFile(fileobj=self._raw))
        elif path.suffix == ".zst":
            reader = zstandard.ZstdDecompressor().stream_reader(self._raw, read_across_frames=True)
            self._lines = io.BufferedReader(reader)

    @property
    def position(self) -> int:
        """Bytes of the file that are read so far, in its compressed form."""
        return self._raw.tell()

    def lines(self) -> Iterator[bytes | TooLong]:
        """Every line, from the first.

        Raises:
            InvalidRequest: the compressed data is damaged.
        """
        number = 0
        try:
            while line := self._lines.readline(LINE_MAX):
                number += 1
                yield line if len(line) < LINE_MAX else TooLong(len(line) + self._rest_of(line))
        except (gzip.BadGzipFile, zstandard.ZstdError, EOFError) as error:
            raise InvalidRequest(f"{self._path} cannot be read after line {number}: {error}") from error

    def _rest_of(self, line: bytes) -> int:
        """Skip the rest of the line that begins with `line`. Returns the number of bytes skipped."""
        size = 0
        while line and not line.endswith(b"\n"):
            line = self._lines.readline(LINE_MAX)
            size += len(line)
        return size

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()
        self._raw.close()


class LineMapper:
    """Turns a line into an event's members, according to the choices."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._zone = None if choices.timezone == "UTC" else ZoneInfo(choices.timezone)
        self._ignored = {*choices.drop, SET_BY_SERVER, *choices.maps.values()}
        self._fields = [
            (field, choices.maps.get(field, field))
            for field in FIELDS
            if field not in choices.constants and field not in ("event_id", "properties")
        ]
        self._constants = [f"{_json(field)}:{_json(value)}".encode() for field, value in choices.constants.items()]
        self._identity_key = choices.maps.get("event_id", "event_id")
        self._properties_key = choices.maps.get("properties", "properties")
        self._used = {key for _, key in self._fields} | {self._identity_key} | self._ignored

    def members(self, line: bytes) -> Members:
        """The line's event.

        Raises:
            NotAnEvent: the line is not a JSON object.
        """
        try:
            keys = _object.decode(line)
            parts = list(self._constants)
            for field, key in self._fields:
                value = self._take(keys, field, key)
                if field == "timestamp" and field in self._choices.maps and value in (None, b'""'):
                    value = NO_TIME
                if value is not None:
                    parts.append(b'"%s":%s' % (field.encode(), self._field(field, value)))
            identity = self._identity(keys)
            parts.append(b'"properties":{%s}' % b",".join(self._properties(keys)))
            return identity, b",".join(parts).decode("utf-8")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotAnEvent(f"is not a JSON object: {error}") from error

    def _take(self, keys: dict[str, msgspec.Raw], field: str, key: str) -> bytes | None:
        """The value of a field's key; None: the line lacks it, or the key is dropped or mapped to another field."""
        if key == field and key in self._ignored and self._choices.maps.get(field) != key:
            return None
        raw = keys.get(key)
        if raw is None or (value := bytes(raw)) == b"null":
            return None
        return value

    def _field(self, field: str, value: bytes) -> bytes:
        """The value for a field: numbers and booleans become text, a time without an offset gets one."""
        if field == "timestamp":
            return self._time(value) if self._zone is not None and value[:1] == b'"' else value
        return value if value[:1] in b'"{[' else b'"%s"' % value

    def _time(self, value: bytes) -> bytes:
        try:
            moment = datetime.fromisoformat(msgspec.json.decode(value, type=str).strip())
            if moment.tzinfo is None:
                return msgspec.json.encode(moment.replace(tzinfo=self._zone).astimezone(UTC))
        except (ValueError, OverflowError):
            pass  # the server will reject it and say why
        return value

    def _identity(self, keys: dict[str, msgspec.Raw]) -> str | None:
        value = self._take(keys, "event_id", self._identity_key)
        if value is None:
            return None
        return msgspec.json.decode(value, type=str) if value[:1] == b'"' else value.decode()

    def _properties(self, keys: dict[str, msgspec.Raw]) -> Iterator[bytes]:
        for key, raw in keys.items():
            if key == self._properties_key and key not in self._choices.drop:
                value = bytes(raw).strip()
                if value[:1] == b"{":
                    if inner := value[1:-1].strip():
                        yield inner
                elif value != b"null":
                    yield b"%s:%s" % (_json(key).encode(), value)
            elif key not in self._used:
                yield b"%s:%s" % (_json(key).encode(), bytes(raw))


def _json(value: str) -> str:
    return msgspec.json.encode(value).decode()
