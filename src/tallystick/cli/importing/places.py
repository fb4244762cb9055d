"""Where a row has a value: in a column, or inside the object of one; with a default for rows that lack it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tallystick.cli.importing.reading.rows import Values

NO_VALUE = (b"null", b'""')
"""JSON texts that stand for no value of a field."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


class Place:
    """One place in the rows of a file.

    Attributes:
        column: its name as it was given: a column, or a path such as `properties.b`.
        found: whether any row had a value here.
        plain: whether it is a column alone, so that a row without the column has no value here.
    """

    __slots__ = ("_default", "_path", "column", "found", "plain")

    def __init__(self, column: str, default: str | None = None) -> None:
        """`default`: for rows without a value."""
        self.column = column
        self._path = column.split(".") if "." in column else None
        self._default = None if default is None else msgspec.json.encode(default)
        self.found = False
        self.plain = self._path is None and default is None

    def value(self, row: Values) -> bytes | None:
        """The JSON text of the row's value; None when it has none. A column whose name has dots wins over a path."""
        raw = row.get(self.column)
        if raw is not None and (text := bytes(raw)) not in NO_VALUE:
            self.found = True
            return text
        inner = _nested(row, self._path) if self._path is not None else None
        if inner is not None and inner not in NO_VALUE:
            self.found = True
            return inner
        return self._default


def exists(column: str, columns: Sequence[str]) -> bool:
    """Whether a file with these columns can have a value there."""
    return column in columns or column.partition(".")[0] in columns


def _nested(row: Values, path: Sequence[str]) -> bytes | None:
    """The value at a path. A name on it may have dots itself: `a.b.c` is also the member `b.c` of `a`."""
    for length in range(1, len(path)):
        raw = row.get(".".join(path[:length]))
        if raw is None:
            continue
        members = object_of(bytes(raw))
        if members is None:
            continue
        rest = path[length:]
        inner = members.get(".".join(rest))
        found = bytes(inner) if inner is not None else _nested(members, rest)
        if found is not None:
            return found
    return None


def object_of(value: bytes) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object, or of an object that a JSON text holds, as CSV files and some exports have it."""
    value = value.strip()
    try:
        if value[:1] == b'"':
            value = _text.decode(value).strip().encode()
        return _members.decode(value) if value[:1] == b"{" else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def without(value: bytes, paths: Iterable[Sequence[str]]) -> bytes:
    """A JSON object without the members at these paths; any other value as it is."""
    members = object_of(value)
    if members is None:
        return value
    kept: Mapping[str, msgspec.Raw] = members
    for path in paths:
        name, *rest = path
        if ".".join(path) in members:
            members.pop(".".join(path))
        elif name in members and rest:
            members[name] = msgspec.Raw(without(bytes(members[name]), [rest]))
    return msgspec.json.encode(kept)
