"""The rules of one event: a draft in, an event or a reason out. They are applied in the order of the event's fields.

Every write API uses this module, so that limits, ids and clocks are the same for all of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallystick.ingest import clock, ids
from tallystick.ingest.text import clean_json, clean_text, is_visible, nesting
from tallystick.keys import EVERY_SITE
from tallystick.model import event as model
from tallystick.model.event import Event


class Rejected(Exception):
    """An event is not accepted. Has a stable code and one sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Draft(msgspec.Struct):
    """The decoded fields of one event, before any rule is applied. `properties` is the text of a JSON object."""

    name: str | None = None
    event_id: str | None = None
    site_id: str | None = None
    timestamp: str | int | float | datetime | None = None
    user_id: str | None = None
    session_id: str | None = None
    source: str | None = None
    path: str | None = None
    properties: bytes | msgspec.Raw | None = None


_encoder = msgspec.json.Encoder()


def normalise(draft: Draft, received_at: datetime, *, clock_skew: timedelta = timedelta(0)) -> Event:
    """The event of a draft: every limit, default and correction of docs/use/http-api.md.

    Args:
        received_at: now, UTC.
        clock_skew: how far the client's clock is ahead (its `sent_at` minus ours); subtracted from its timestamps.

    Raises:
        Rejected: a field that cannot be accepted.
    """
    if not draft.name:
        raise Rejected("name_missing", "name is required and must be a text of at least one character")
    name = _visible("name", draft.name, model.NAME_MAX)
    site_id = _visible("site_id", draft.site_id or model.DEFAULT_SITE, model.SITE_ID_MAX)
    if site_id == EVERY_SITE:
        raise Rejected("site_id_invalid", f"site_id cannot be {EVERY_SITE}, which stands for every site")
    user_id = _visible("user_id", draft.user_id, model.USER_ID_MAX) if draft.user_id else None
    session_id = _optional("session_id", draft.session_id, model.SESSION_ID_MAX)
    source = _text("source", draft.source or "", model.SOURCE_MAX)
    path = _optional("path", draft.path, model.PATH_MAX)
    properties = _properties(draft.properties)
    added: dict[str, object] = {}
    try:
        timestamp, odd_time = clock.event_time(draft.timestamp, received_at, clock_skew)
    except ValueError as error:
        raise Rejected("timestamp_invalid", str(error)) from error
    if odd_time is not None:
        added["$timestamp"] = clean_text(odd_time) if isinstance(odd_time, str) else odd_time
    event_id, original = ids.event_id(draft.event_id, site_id, user_id)
    if original is not None:
        added["$event_id"] = _text("event_id", original, ids.ORIGINAL_ID_MAX)
    if added:
        properties = _with(properties, added)
    return Event(event_id, name, timestamp, received_at, site_id, user_id, session_id, source, path, properties)


def allowed_site(named: str | None, site: str | None) -> str | None:
    """The site of an event. `named`: the site it names, if any; `site`: the site of its key, None for every site.

    Raises:
        Rejected: the event names another site than its key's.
    """
    if site is None or not named:
        return named or site
    if named != site:
        raise Rejected("wrong_site", "the event names another site than the key is for")
    return site


def _text(field: str, value: str, longest: int) -> str:
    value = clean_text(value)
    if len(value) > longest:
        raise Rejected(f"{field}_too_long", f"{field} has {len(value)} characters; at most {longest} are kept")
    return value


def _visible(field: str, value: str, longest: int) -> str:
    value = _text(field, value, longest)
    if not is_visible(value):
        raise Rejected(f"{field}_invalid", f"{field} must have a visible character and no control characters")
    return value


def _optional(field: str, value: str | None, longest: int) -> str | None:
    return _text(field, value, longest) if value else None


def _properties(value: bytes | msgspec.Raw | None) -> msgspec.Raw:
    if value is None:
        return model.NO_PROPERTIES
    text = clean_json(bytes(value)).strip()
    if text in (b"null", b"{}"):
        return model.NO_PROPERTIES
    if nesting(text, model.PROPERTIES_DEPTH_MAX) > model.PROPERTIES_DEPTH_MAX:
        raise Rejected("too_deep", f"properties are nested deeper than {model.PROPERTIES_DEPTH_MAX} levels")
    if not text.startswith(b"{"):
        raise Rejected("properties_invalid", "properties must be a JSON object")
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("properties_invalid", "properties must be a JSON object") from error
    # A canonical line is a single line. A raw line break can occur only in white space between tokens.
    return msgspec.Raw(msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text)


def _with(properties: msgspec.Raw, added: dict[str, object]) -> msgspec.Raw:
    """The properties with Tallystick's own first, because the first of two equal keys counts."""
    first = _encoder.encode(added)
    rest = bytes(properties)[1:].lstrip()
    return msgspec.Raw(first[:-1] + (b"," if rest != b"}" else b"") + rest)
