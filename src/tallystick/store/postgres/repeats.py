"""Remove repeated keys from the objects in `properties`: the first one counts.

PostgreSQL's json would use the last one, so loading removes the later ones. An object without repeats keeps its bytes.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

outer_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Decodes an object to its different keys with their undecoded values."""
KEY_END = b'":'
"""The end of each key, unless white space precedes the colon (`keys_apart`).

Texts may contain it too, so its count is at least the number of keys. If the outermost object has as many different
keys, it has no nested keys and no repeats."""
_whole = msgspec.json.Decoder(dict[str, Any]).decode


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def keys_apart(lines: bytes) -> bool:
    """Whether these lines may contain white space between a key and its colon."""
    return b" :" in lines or b"\t:" in lines or b"\r:" in lines


def first_keys(properties: bytes) -> bytes:
    """A JSON object without repeated keys, also in nested objects; the same bytes if no key repeats.

    Raises:
        msgspec.DecodeError: it is not a JSON object.
        RecursionError: nested too deeply.
    """
    try:
        if _keys(_whole(properties)) == properties.count(b":" if keys_apart(properties) else KEY_END):
            return properties
    except msgspec.DecodeError:
        pass  # a number that exceeds a double, which properties may contain
    value = json.loads(properties, object_pairs_hook=_Pairs, parse_float=_Number, parse_int=_Number)
    if not isinstance(value, _Pairs):
        raise msgspec.DecodeError("properties are not an object")
    return _text(value).encode() if _repeats(value) else properties


def _keys(value: Any) -> int:
    """The number of different keys, summed over all objects in a value."""
    if isinstance(value, dict):
        return len(value) + sum(_keys(inner) for inner in value.values() if isinstance(inner, dict | list))
    return sum(_keys(inner) for inner in value if isinstance(inner, dict | list))


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of an object, including repeated keys."""


def _repeats(value: Any) -> bool:
    if isinstance(value, _Pairs):
        return len({key for key, _ in value}) < len(value) or any(_repeats(inner) for _, inner in value)
    return isinstance(value, list) and any(_repeats(inner) for inner in value)


def _text(value: Any) -> str:
    """Encode a value as JSON, with the first value of each key."""
    if isinstance(value, _Pairs):
        first = dict(reversed(value))
        keys = dict.fromkeys(key for key, _ in value)
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_text(first[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
