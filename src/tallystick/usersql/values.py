"""Convert the values of a statement's rows to JSON, in the same way for every store."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tallystick.analysis.buckets import show_instant

_INT64 = 2**63


def json_value(value: Any) -> Any:
    """Convert a driver's value for JSON.

    Numbers keep all their digits (`Decimal` for integers beyond 64 bits); NaN and infinities become null. Timestamps
    become texts in UTC, bytes become hexadecimal digits, and other types without a JSON form become texts.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else Decimal(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, list | tuple):
        return [json_value(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): json_value(part) for key, part in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return show_instant(value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value) if isinstance(value, UUID) else f"{value}"


def size_of(value: Any) -> int:
    """The approximate size of a value in an answer, in bytes."""
    if isinstance(value, str):
        return len(value) + 3
    if isinstance(value, list):
        return 2 + sum(map(size_of, value))
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + size_of(part) for key, part in value.items())
    return len(str(value)) + 1 if isinstance(value, Decimal) else 8


def integer(digits: str) -> int | Decimal | str:
    """For `json.loads`: an integer of any size, or its text if it has more digits than Python parses."""
    if len(digits) > sys.int_info.default_max_str_digits:
        return digits
    number = int(digits)
    return number if -_INT64 <= number < _INT64 else Decimal(digits)


def fraction(digits: str) -> Decimal | str:
    """For `json.loads`: a number with all its digits, or its text if it exceeds a double, which JSON readers use."""
    return Decimal(digits) if math.isfinite(float(digits)) else digits
