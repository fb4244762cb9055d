"""Who may write (G12): checks the key of a write request, before reading the body if a header has the key."""

from __future__ import annotations

import codecs

import msgspec
from starlette.types import Receive, Scope

from tallystick.config import KIB, Settings
from tallystick.errors import TallystickError, TooLarge, Unauthorized
from tallystick.http_headers import refuse_repeated
from tallystick.ingest.body import header, read_body, repeats_a_header
from tallystick.keys import is_loopback, presented
from tallystick.logs import Seldom
from tallystick.metrics import Metrics

KEYED_BODY_MAX = 64 * KIB
"""Largest body in bytes that is read to find its key: the limit of browsers for beacons (fetch.spec.whatwg.org,
keepalive requests)."""

_WRITER = "tallystick.writer"


class _Keyed(msgspec.Struct):
    key: str = ""


_decoder = msgspec.json.Decoder(_Keyed)


def key_in(body: bytes) -> bytes:
    """The field `key` of a JSON object; empty when the body has none or is not an object."""
    try:
        return _decoder.decode(body.removeprefix(codecs.BOM_UTF8)).key.encode("utf-8", "replace")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b""


def writer_of(scope: Scope) -> bytes:
    """The key of a request whose body was read; empty: it needed none."""
    key: bytes = scope.get(_WRITER, b"")
    return key


class Admission:
    """Reads the bodies of clients that may write. Without write keys on loopback every client may."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._keys = settings.access_keys()
        self._open = not self._keys.write and is_loopback(settings.host)
        self._seldom = Seldom(__name__, "access refused")

    async def body(self, scope: Scope, receive: Receive, own_header: bytes, in_body: bool) -> tuple[bytes, str | None]:
        """The request's body, and the site that it may write to; None: any. `writer_of` returns its key afterwards.

        Args:
            own_header: name of a further header that may have the key, in lower case; empty: none.
            in_body: the key may also be the field `key` of the body.

        Raises:
            Unauthorized, Forbidden: as `Keys.writer`.
            InvalidRequest: the request repeats a header, or has two keys.
            others: as `ingest.body.read_body`.
        """
        if repeats_a_header(scope):
            refuse_repeated(scope["headers"])
        if self._open:
            return await read_body(scope, receive, self._settings), None
        own = header(scope, own_header) if own_header else b""
        key = presented(header(scope, b"authorization"), header(scope, b"x-api-key"), own)
        scope[_WRITER] = key
        if key or not in_body:
            site = self._writer(key)
            return await read_body(scope, receive, self._settings), site
        try:
            body = await read_body(scope, receive, self._settings, KEYED_BODY_MAX)
        except TooLarge as error:
            self._writer(b"", error)
            raise
        scope[_WRITER] = key = key_in(body)
        return body, self._writer(key)

    def _writer(self, key: bytes, cause: TallystickError | None = None) -> str | None:
        try:
            return self._keys.writer(key)
        except TallystickError as error:
            self._metrics.access_refused.labels("write", error.code).inc()
            self._seldom.warning(side="write", code=error.code)
            if cause and isinstance(error, Unauthorized):
                most = f"with its key in the body a request may have {KEYED_BODY_MAX} bytes"
                raise Unauthorized(f"{error.message}; {most}") from cause
            raise
