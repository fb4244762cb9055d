"""Reading one page view of fast-worker or analytics-backend: which fields are wrong, in the system's own sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tallystick.dialects.js_date import js_date, js_milliseconds
from tallystick.ingest import clock
from tallystick.ingest.normalise import Draft
from tallystick.model.event import AHEAD_MAX, EARLIEST

_ISO = re.compile(
    r"\d{4}(-\d\d(-\d\d([T ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?)?",
    re.ASCII,
)
_HOURS_ONLY = re.compile(r"T.*[+-]\d\d$", re.ASCII)


class Problems(Exception):
    """A body is no page view: a sentence for each thing that is wrong."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(sentences)
        self.sentences = list(sentences)


class Limits(NamedTuple):
    """The longest text of each field, in code points. Longer ones cannot be stored."""

    site_id: int
    event_type: int
    path: int
    user_id: int


def too_long(body: dict[str, Any], limits: Limits) -> list[str]:
    """A sentence for each text that is too long to be stored."""
    return [
        f"{name} must not be longer than {longest} characters"
        for name, longest in zip(Limits._fields, limits, strict=True)
        if isinstance(body.get(name), str) and len(body[name]) > longest
    ]


def draft_of(body: dict[str, Any], source: str) -> Draft:
    """The event of a body without problems."""
    return Draft(
        name=body["event_type"],
        site_id=body["site_id"],
        timestamp=_instant(body["timestamp"]),
        user_id=body.get("user_id") or None,
        source=source,
        path=body.get("path") or None,
    )


def _instant(text: str) -> str | datetime:
    """What `new Date(text)` is: the text itself where Tallystick reads the same, which keeps its microseconds."""
    moment, now = js_date(text), datetime.now(UTC)
    if moment is None:
        return text
    try:
        read, odd = clock.event_time(text, now)
    except ValueError:
        return moment
    if odd is None:
        return text if abs(read - moment) < timedelta(milliseconds=1) else moment
    return moment if EARLIEST <= moment <= now + AHEAD_MAX else text


# --- fast-worker ----------------------------------------------------------------------------------------------------


def _is_truthy(value: object) -> bool:
    """Whether JavaScript takes the value for true: an empty list is true there, and 0 is not."""
    return isinstance(value, list | dict) or bool(value)


def read_fast_worker(body: Any, limits: Limits, source: str) -> Draft:
    """The event of a decoded body. Raises Problems, in the order and with the sentences of fast-worker."""
    given: dict[str, Any] = body if isinstance(body, dict) else {}
    found = [
        f"{name} is required and must be a string"
        for name in ("site_id", "event_type", "timestamp")
        if not (isinstance(given.get(name), str) and given[name])
    ]
    timestamp = given.get("timestamp")
    if isinstance(timestamp, str) and timestamp and js_milliseconds(timestamp) is None:
        found.append("timestamp must be a valid ISO 8601 date string")
    kept = dict(given)
    for name in ("path", "user_id"):
        if not _is_truthy(given.get(name)):
            kept[name] = None
        elif not isinstance(given[name], str):
            found.append(f"{name} must be a string")
    if found := found + too_long(given, limits):
        raise Problems(found)
    return draft_of(kept, source)


# --- analytics-backend ----------------------------------------------------------------------------------------------

_REQUIRED = ("site_id", "event_type", "path")
_KNOWN = frozenset((*_REQUIRED, "user_id", "timestamp"))


def read_analytics_backend(body: Any, limits: Limits, source: str) -> Draft:
    """The event of a decoded body. Raises Problems with Joi's sentence about the first thing that is wrong."""
    if problem := _first_problem(body):
        raise Problems([problem])
    if problems := too_long(body, limits):
        raise Problems(problems[:1])
    return draft_of(body, source)


def _first_problem(body: Any) -> str | None:
    """Joi's sentence: about the fields in the order of the schema, then about unknown ones; None: all are right."""
    if not isinstance(body, dict):
        return '"value" must be of type object'
    for name in (*_REQUIRED, "user_id", "timestamp"):
        value = body.get(name)
        if name == "user_id" and value in (None, ""):
            continue
        if name not in body:
            return f'"{name}" is required'
        if not isinstance(value, str):
            return f'"{name}" must be a string'
        if not value:
            return f'"{name}" is not allowed to be empty'
        if name == "timestamp" and not _is_iso_date(value):
            return '"timestamp" must be in iso format'
    unknown = next((name for name in body if name not in _KNOWN), None)
    return None if unknown is None else f'"{unknown}" is not allowed'


def _is_iso_date(text: str) -> bool:
    """Whether Joi's `isoDate` takes the text: the shape of ISO 8601, and a day and a time that there are."""
    if not _ISO.fullmatch(text):
        return False
    return js_milliseconds(f"{text}:00" if _HOURS_ONLY.search(text) else text) is not None
