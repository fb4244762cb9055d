"""The native API's bodies: from bytes to canonical lines. Pure functions; each event may be rejected with a reason.

The fast path decodes a whole body at once with a typed decoder (limits and types are checked in C) and touches each
event once. A body that it cannot prove valid takes the careful path, event by event, through `normalise`. Both paths
give the same lines for the same events, as a property test checks. docs/use/http-api.md describes unusual input.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

import msgspec

from tallystick.config import Settings
from tallystick.errors import InvalidRequest, TooLarge
from tallystick.ingest import ids
from tallystick.ingest.enrich.enrichment import Enrichable
from tallystick.ingest.names import KnownNames
from tallystick.ingest.normalise import Draft, Rejected, allowed_site, normalise
from tallystick.ingest.skew import clock_skew
from tallystick.ingest.text import clean_json
from tallystick.keys import EVERY_SITE
from tallystick.model import event as model
from tallystick.model.block import RefusedLine
from tallystick.model.event import Event, Rejection

__all__ = ["Decoded", "Draft", "Rejected", "decode_native", "encode_decoded", "encode_with_refused", "normalise"]

_CANONICAL_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A UUID in its usual form."""
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_NO_SKEW = timedelta(0)


class Decoded(msgspec.Struct):
    """A request's accepted events as canonical lines, and its rejected events by index.

    Attributes:
        refused: lines among them that are no canonical events and become dead letters.
    """

    lines: bytes
    count: int
    rejected: list[Rejection]
    refused: list[RefusedLine] = []


def encode_decoded(events: list[Event], rejected: Sequence[Rejection]) -> Decoded:
    """The result for accepted events and rejections."""
    return Decoded(model.encode_lines(events) if events else b"", len(events), list(rejected))


def encode_with_refused(events: list[Event], refused: Sequence[tuple[bytes, Rejected]]) -> Decoded:
    """The result for accepted events and for others that are accepted as dead letters.

    Args:
        refused: the JSON text of each of the others, and why it is refused.
    """
    lines = b"".join([model.encode_lines(events), *(_one_line(original) + b"\n" for original, _ in refused)])
    found = [RefusedLine(len(events) + n, error.code, error.message) for n, (_, error) in enumerate(refused)]
    return Decoded(lines, len(events) + len(refused), [], found)


def _one_line(text: bytes) -> bytes:
    """JSON text as it was sent, but for line breaks and other white space of a text that has more than one line."""
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def _text(longest: int) -> Any:
    return Annotated[str, msgspec.Meta(min_length=1, max_length=longest)]


class _Fast(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """An event for the fast path. Fields have the names, order and form of a canonical line, as in Event.

    An id is a text here, because a UUID object for each event costs more than all checks of the texts.
    """

    event_id: Annotated[str, msgspec.Meta(min_length=32, max_length=36)] | None = None
    name: _text(model.NAME_MAX)  # type: ignore[valid-type]
    timestamp: datetime | None = None
    received_at: datetime = _ZERO
    site_id: _text(model.SITE_ID_MAX) = model.DEFAULT_SITE  # type: ignore[valid-type]
    user_id: _text(model.USER_ID_MAX) | None = None  # type: ignore[valid-type]
    session_id: _text(model.SESSION_ID_MAX) | None = None  # type: ignore[valid-type]
    source: Annotated[str, msgspec.Meta(max_length=model.SOURCE_MAX)] = ""
    path: _text(model.PATH_MAX) | None = None  # type: ignore[valid-type]
    properties: msgspec.Raw = model.NO_PROPERTIES


class _FastBody(_Fast, kw_only=True, omit_defaults=True, gc=False):
    """A whole body: one event, or the envelope of several events, which has no name."""

    name: _text(model.NAME_MAX) = ""  # type: ignore[valid-type]
    events: list[_Fast] | msgspec.UnsetType = msgspec.UNSET
    sent_at: int | float | str | None = None


class _Unsited(_Fast, kw_only=True, omit_defaults=True, gc=False):
    """An event sent with a site's key. The empty default shows whether the event names a site itself."""

    site_id: _text(model.SITE_ID_MAX) = ""  # type: ignore[valid-type]


class _UnsitedBody(_FastBody, kw_only=True, omit_defaults=True, gc=False):
    """A whole body sent with a site's key."""

    site_id: _text(model.SITE_ID_MAX) = ""  # type: ignore[valid-type]
    events: list[_Unsited] | msgspec.UnsetType = msgspec.UNSET  # type: ignore[assignment]


class _Shapes(NamedTuple):
    """One decoder for each form of a body."""

    array: msgspec.json.Decoder[list[_Fast]]
    line: msgspec.json.Decoder[_Fast]
    body: msgspec.json.Decoder[_FastBody]


class _Envelope(msgspec.Struct):
    events: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    sent_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_sited = _Shapes(msgspec.json.Decoder(list[_Fast]), msgspec.json.Decoder(_Fast), msgspec.json.Decoder(_FastBody))
_unsited = _Shapes(
    cast("msgspec.json.Decoder[list[_Fast]]", msgspec.json.Decoder(list[_Unsited])),
    cast("msgspec.json.Decoder[_Fast]", msgspec.json.Decoder(_Unsited)),
    cast("msgspec.json.Decoder[_FastBody]", msgspec.json.Decoder(_UnsitedBody)),
)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_envelope = msgspec.json.Decoder(_Envelope)
_careful = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def decode_native(
    body: bytes,
    received_at: datetime,
    settings: Settings,
    *,
    ndjson: bool = False,
    identity: str | None = None,
    site: str | None = None,
    enrich: Callable[[Enrichable], None] | None = None,
    names: KnownNames | None = None,
) -> Decoded:
    """The events of a native request: one object, `{"events":[…]}`, an array, or lines.

    An object may have `sent_at`, the time of sending by the client's clock. It corrects the times of the events (G9).

    Args:
        ndjson: the client declares one event a line; otherwise the form is detected.
        identity: the identity of a request that may be repeated (`ids.request_identity`). Events without an id get one
            from it and from their index.
        site: the only site that the events may belong to, and the default for events that name none; None: any.
        enrich: is applied to every event before it becomes a line.
        names: rejects events with new names beyond their site's quota; None: there is no quota.

    Raises:
        InvalidRequest: the body has none of these forms.
        TooLarge: the request has more events than allowed.
    """
    body = clean_json(body.removeprefix(codecs.BOM_UTF8))
    if not identity and (decoded := _decode_fast(body, received_at, settings, ndjson, site, enrich, names)):
        return decoded
    parts, sent_at = _split(body, ndjson, settings.max_request_events)
    skew = clock_skew(sent_at, received_at)
    return _decode_carefully(parts, received_at, settings, identity, site, enrich, skew, names)


def _decode_fast(
    body: bytes,
    received_at: datetime,
    settings: Settings,
    ndjson: bool,
    site: str | None = None,
    enrich: Callable[[Enrichable], None] | None = None,
    names: KnownNames | None = None,
) -> Decoded | None:
    """All events at once; None when any of them needs the careful path."""
    # For the default site's key both shapes mean the same. This one writes the same lines as without a key.
    shapes = _sited if site is None or site == model.DEFAULT_SITE else _unsited
    skew = _NO_SKEW
    try:
        if ndjson:
            events: list[_Fast] = [shapes.line.decode(line) for line in _lines(body)]
        elif body[:1] == b"[":
            events = shapes.array.decode(body)
        else:
            whole = shapes.body.decode(body)
            events = [whole] if whole.events is msgspec.UNSET else whole.events
            whole.events = msgspec.UNSET
            if whole.sent_at is not None:
                skew, whole.sent_at = clock_skew(whole.sent_at, received_at), None
        if not events or len(events) > settings.max_request_events or not events[0].name:
            return None
        if len(events) == 1:
            return _decode_one(events[0], received_at, settings, site, skew, enrich, names)
        if site is not None and not _all_of(events, site):
            return None
        if not _surely_visible(events):
            return None
        if skew:
            for event in events:
                if event.timestamp is not None:
                    event.timestamp -= skew
        _write_ids(events)
        times = [event.timestamp for event in events if event.timestamp is not None]
        # Comparing a time without an offset raises TypeError. The careful path reads such times as UTC.
        if times and not (min(times) >= model.EARLIEST and max(times) <= received_at + model.AHEAD_MAX):
            return None
    except (msgspec.DecodeError, RecursionError, UnicodeError, TypeError, OverflowError):
        return None
    for event in events:
        event.received_at = received_at
        if (timestamp := event.timestamp) is None:
            event.timestamp = received_at
        elif timestamp.tzinfo is not UTC:
            event.timestamp = timestamp.astimezone(UTC)
    if enrich is not None:
        for event in events:
            enrich(event)
    if not _plain_properties(events):
        return None
    lines = _encoder.encode_lines(events)
    if not _short_lines(lines, settings.max_event_bytes):
        return None
    # Last, since only events that are accepted make names known.
    return Decoded(lines, len(events), []) if names is None or names.admit_all(events) else None


def _decode_one(
    event: _Fast,
    received_at: datetime,
    settings: Settings,
    site: str | None,
    skew: timedelta,
    enrich: Callable[[Enrichable], None] | None,
    names: KnownNames | None,
) -> Decoded | None:
    """What `_decode_fast` does with many events, for one: the same rules, without joining texts, which takes twice as
    long for a single event.

    Raises:
        msgspec.ValidationError, TypeError, OverflowError: as there, where they mean None.
    """
    if site is not None and event.site_id != site:
        if event.site_id:
            return None
        event.site_id = site
    user_id = event.user_id
    if not (_is_surely_visible(event.name) and _is_surely_visible(event.site_id)) or event.site_id == EVERY_SITE:
        return None
    if user_id is not None and not _is_surely_visible(user_id):
        return None
    if (event_id := event.event_id) is None:
        event.event_id = ids.uuid7_texts(1)[0]
    elif _CANONICAL_ID.fullmatch(event_id) is None:
        event.event_id = str(msgspec.convert(event_id, UUID))
    event.received_at = received_at
    if (timestamp := event.timestamp) is None:
        event.timestamp = received_at
    else:
        if skew:
            timestamp -= skew
        if not model.EARLIEST <= timestamp <= received_at + model.AHEAD_MAX:
            return None
        event.timestamp = timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)
    if enrich is not None:
        enrich(event)
    properties = bytes(event.properties)
    if properties[:1] != b"{" or b"\n" in properties or b"\r" in properties:
        return None
    if properties.count(b"{") + properties.count(b"[") > model.PROPERTIES_DEPTH_MAX:
        return None
    line = _encoder.encode_lines([event])
    if len(line) > settings.max_event_bytes:
        return None
    return Decoded(line, 1, []) if names is None or names.admit_all([event]) else None


def _is_surely_visible(text: str) -> bool:
    """Whether a name, a site or a user is printable and begins with a visible character."""
    return text.isprintable() and text >= "!"


def _write_ids(events: list[_Fast]) -> None:
    """Give an id to each event that has none, and write UUIDs of another form as usual.

    Raises:
        msgspec.ValidationError: an id is no UUID.
    """
    given = [event.event_id for event in events if event.event_id is not None]
    if len(given) < len(events):
        made = iter(ids.uuid7_texts(len(events) - len(given)))
        for event in events:
            if event.event_id is None:
                event.event_id = next(made)
    if not _all_canonical(given):
        for event in events:
            event.event_id = str(msgspec.convert(event.event_id, UUID))


def _all_canonical(texts: list[str]) -> bool:
    """Whether each text is a UUID in its usual form: 36 characters, lower case, four hyphens.

    They are joined first, so that a few calls check all of them. None is longer than 36 characters.
    """
    joined = "".join(texts).encode()
    count = len(texts)
    hyphens = b"-" * count
    return (
        len(joined) == 36 * count
        and joined.translate(None, b"0123456789abcdef") == 4 * hyphens
        and joined[8::36] == joined[13::36] == joined[18::36] == joined[23::36] == hyphens
    )


def _surely_visible(events: list[_Fast]) -> bool:
    """Whether every name, site and user is printable and begins with a visible character, and no site is `*`.

    They are joined first, so that one call checks all characters.
    """
    sites = {event.site_id for event in events}
    texts = [event.user_id for event in events if event.user_id is not None]
    texts += {event.name for event in events}
    texts += sites
    return EVERY_SITE not in sites and "".join(texts).isprintable() and min(texts) >= "!"


def _all_of(events: list[_Fast], site: str) -> bool:
    """Set the key's site on events that name none; False when an event names another site."""
    for event in events:
        if event.site_id != site:
            if event.site_id:
                return False
            event.site_id = site
    return True


def _plain_properties(events: list[_Fast]) -> bool:
    """Whether all properties are certainly objects of one line and not nested too deeply.

    Checks all of them at once. Doubtful ones, such as those with braces within a string, are counted one by one.
    """
    count = len(events)
    # A line break stands before each of them, so the first character of each is known.
    text = b"\n".join([b"", *[event.properties for event in events]])
    if text.count(b"\n") != count or text.count(b"\n{") != count or b"\r" in text:
        return False
    # Each object has one opening brace. If the other braces and brackets of all events together are too few to be
    # nested too deeply, no event's are.
    deep = model.PROPERTIES_DEPTH_MAX
    if text.count(b"{") + text.count(b"[") < count + deep:
        return True
    return all(part.count(b"{") + part.count(b"[") <= deep for part in text.split(b"\n"))


def _short_lines(lines: bytes, largest: int) -> bool:
    """Whether no line is longer than `largest` bytes."""
    end = 0
    while end < len(lines):
        end = lines.rfind(b"\n", end, end + largest) + 1
        if not end:
            return False
    return True


def _split(body: bytes, ndjson: bool, most: int) -> tuple[list[bytes | msgspec.Raw], object]:
    """The events of a body, each as JSON text, and its `sent_at`; None: it has none."""
    parts: list[bytes | msgspec.Raw]
    sent_at = None
    try:
        if ndjson:
            parts = _lines(body)
        elif body.lstrip()[:1] == b"[":
            parts = list(_raw_list.decode(body))
        else:
            envelope = _envelope.decode(body)
            parts = [body] if envelope.events is msgspec.UNSET else list(envelope.events)
            if envelope.sent_at is not msgspec.UNSET:
                sent_at = msgspec.json.decode(envelope.sent_at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        parts = _lines(body)
        if len(parts) < 2 or body.lstrip()[:1] != b"{" or not _whole(parts[0]):
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            forms = 'a JSON event, an array of events, {"events":[…]} nor one event a line'
            raise InvalidRequest(f"the body is neither {forms}: {reason}") from error
    if not parts:
        raise InvalidRequest("the body holds no event")
    if len(parts) > most:
        raise TooLarge(f"the request has {len(parts)} events; at most {most} are taken at once")
    return parts, sent_at


def _lines(body: bytes) -> list[bytes | msgspec.Raw]:
    return [line for line in body.split(b"\n") if line.strip()]


def _whole(line: bytes | msgspec.Raw) -> bool:
    """Whether the first line is valid JSON by itself. This distinguishes lines from one broken document."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _decode_carefully(
    parts: Sequence[bytes | msgspec.Raw],
    received_at: datetime,
    settings: Settings,
    identity: str | None,
    site: str | None = None,
    enrich: Callable[[Enrichable], None] | None = None,
    skew: timedelta = _NO_SKEW,
    names: KnownNames | None = None,
) -> Decoded:
    lines: list[bytes] = []
    rejected: list[Rejection] = []
    for index, part in enumerate(parts):
        try:
            draft = _draft(part)
            draft.site_id = allowed_site(draft.site_id, site)
            event = normalise(draft, received_at, clock_skew=skew)
            if not draft.event_id and identity:
                event.event_id = ids.derived_in_request(identity, event.site_id, index)
            if enrich is not None:
                enrich(event)
            line = model.encode_lines([event])
            if len(line) > settings.max_event_bytes:
                most = settings.max_event_bytes
                raise Rejected("event_too_large", f"the event has {len(line)} bytes; at most {most} are taken")
            if names is not None:
                names.admit(event)
            lines.append(line)
        except Rejected as error:
            rejected.append(Rejection(index, error.code, error.message))
    return Decoded(b"".join(lines), len(lines), rejected)


def _draft(part: bytes | msgspec.Raw) -> Draft:
    """The fields of one JSON event. Numbers become texts where a text is needed; unknown fields are ignored."""
    try:
        fields = _careful.decode(part)
    except RecursionError as error:
        raise Rejected("too_deep", f"the event is nested deeper than {model.PROPERTIES_DEPTH_MAX} levels") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("event_invalid", f"the event is no JSON object: {error}") from error
    draft = Draft(properties=fields.get("properties"))
    for field in ("name", "event_id", "site_id", "user_id", "session_id", "source", "path"):
        if field in fields:
            setattr(draft, field, _as_text(field, fields[field]))
    if "timestamp" in fields:
        draft.timestamp = _as_time(fields["timestamp"])
    return draft


def _as_text(field: str, raw: msgspec.Raw) -> str | None:
    text = bytes(raw)
    if text == b"null":
        return None
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str)
    if text[:1] in b"-0123456789":
        return text.decode("ascii")
    raise Rejected(f"{field}_invalid", f"{field} must be a text")


def _as_time(raw: msgspec.Raw) -> str | int | float | None:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = ...
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    raise Rejected("timestamp_invalid", "timestamp must be an ISO 8601 text or a number since 1970")
