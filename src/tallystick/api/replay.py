"""The line that a replay puts into the queue for a dead letter, checked so that a correction cannot break a block."""

from __future__ import annotations

from datetime import UTC

import msgspec

from tallystick.model import event as model
from tallystick.model.event import Event, decode_line, encode_lines
from tallystick.store.base import DeadLetter

_LIMITS = (
    ("name", model.NAME_MAX),
    ("site_id", model.SITE_ID_MAX),
    ("user_id", model.USER_ID_MAX),
    ("session_id", model.SESSION_ID_MAX),
    ("source", model.SOURCE_MAX),
    ("path", model.PATH_MAX),
)


class BadOriginal(Exception):
    """A dead letter cannot be replayed: a stable code, and a sentence that says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def line_to_replay(letter: DeadLetter, corrected: str | None, longest: int) -> bytes:
    """The canonical line, ended by a newline: the letter's own, or the corrected one.

    Args:
        corrected: an event in the form of a canonical line; white space does not matter. None: the letter as it is.
        longest: most bytes of the line.

    Raises:
        BadOriginal: it holds no event, or an event outside the limits of docs/use/http-api.md.
    """
    if corrected is None and letter.index < 0:
        raise BadOriginal("not_an_event", "the block itself is broken; there is no event to replay")
    given = letter.original if corrected is None else corrected.encode("utf-8", "replace")
    try:
        # An editor may have added line breaks: they are removed. Apart from white space, properties keep their bytes.
        event = decode_line(msgspec.json.format(given, indent=-1))
        line = encode_lines([_checked(event)])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise BadOriginal("not_an_event", f"it is not a canonical event: {error}") from error
    if len(line) > longest:
        raise BadOriginal("event_too_large", f"the event has {len(line)} bytes; at most {longest} are taken")
    return line


def _checked(event: Event) -> Event:
    """The event with its instants in UTC. Raises BadOriginal for an event that no client could have sent."""
    for field, longest in _LIMITS:
        text = getattr(event, field)
        if text is not None and len(text) > longest:
            raise BadOriginal(f"{field}_too_long", f"{field} has {len(text)} characters; at most {longest} are kept")
    if not event.name:
        raise BadOriginal("name_missing", "name must have at least one character")
    if not bytes(event.properties).startswith(b"{"):
        raise BadOriginal("properties_invalid", "properties must be a JSON object")
    for field in ("timestamp", "received_at"):
        moment = getattr(event, field)
        if moment.tzinfo is None:
            raise BadOriginal("timestamp_invalid", f"{field} needs an offset, such as Z")
        setattr(event, field, moment.astimezone(UTC))
    return event
