"""A key that stands twice in one object of `properties`: the first counts.

PostgreSQL's json takes the last, so the others are taken out while loading; every other object keeps its bytes.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

outer_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""The different keys of an object, with their values as they are."""
KEY_END = b'":'
"""Follows each key, unless white space stands between (`keys_apart`); what only looks like it makes them more. So when
the different keys of the outermost object are as many, there are no nested ones and none is repeated."""
_whole = msgspec.json.Decoder(dict[str, Any]).decode


class _Number(str):
    """A number's digits as they were written."""

    __slots__ = ()


def keys_apart(lines: bytes) -> bool:
    """Whether white space may stand between a key and its colon somewhere in these lines."""
    return b" :" in lines or b"\t:" in lines or b"\r:" in lines


def first_keys(properties: bytes) -> bytes:
    """A JSON object without the repeats of its keys, nested objects too; the same bytes when there are none.

    Raises:
        msgspec.DecodeError: no JSON object.
        RecursionError: nested too deeply.
    """
    try:
        if _keys(_whole(properties)) == properties.count(b":" if keys_apart(properties) else KEY_END):
            return properties
    except msgspec.DecodeError:
        pass  # a number beyond a double, which is no error in properties
    value = json.loads(properties, object_pairs_hook=_Pairs, parse_float=_Number, parse_int=_Number)
    if not isinstance(value, _Pairs):
        raise msgspec.DecodeError("properties are no object")
    return _text(value).encode() if _repeats(value) else properties


def _keys(value: Any) -> int:
    """The different keys of all objects in a value."""
    if isinstance(value, dict):
        return len(value) + sum(_keys(inner) for inner in value.values() if isinstance(inner, dict | list))
    return sum(_keys(inner) for inner in value if isinstance(inner, dict | list))


class _Pairs(list[tuple[str, Any]]):
    """An object's keys and values, with the repeats."""


def _repeats(value: Any) -> bool:
    if isinstance(value, _Pairs):
        return len({key for key, _ in value}) < len(value) or any(_repeats(inner) for _, inner in value)
    return isinstance(value, list) and any(_repeats(inner) for inner in value)


def _text(value: Any) -> str:
    """A value as JSON again, of each object's pairs the first of a key."""
    if isinstance(value, _Pairs):
        first = dict(reversed(value))
        keys = dict.fromkeys(key for key, _ in value)
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_text(first[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
