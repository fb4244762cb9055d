"""Who may write (G12): checks the key of a write request, before reading the body if a header has the key."""

from __future__ import annotations

import codecs

import msgspec
from starlette.types import Receive, Scope

from tallystick.access.directory import Directory
from tallystick.config import KIB, Settings
from tallystick.errors import Forbidden, QuotaExceeded, TallystickError, TooLarge, Unauthorized
from tallystick.http_headers import refuse_repeated
from tallystick.ingest.body import header, of_head, read_body, repeats_a_header
from tallystick.ingest.quota import NO_RATES, Quotas, Rates
from tallystick.keys import EVERY_SITE, is_loopback, presented
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.trusted import TrustedNetworks

KEYED_BODY_MAX = 64 * KIB
"""Largest body in bytes that is read to find its key: the limit of browsers for beacons (fetch.spec.whatwg.org,
keepalive requests)."""

_WRITER = "tallystick.writer"
_SITE = "tallystick.writer_site"
_RATES = "tallystick.writer_rates"


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


def site_of(scope: Scope) -> str | None:
    """The only site of that key; None: it is of every site, or the request needed none."""
    site: str | None = scope.get(_SITE)
    return site


def rates_of(scope: Scope) -> Rates:
    """That key's own quota."""
    rates: Rates = scope.get(_RATES, NO_RATES)
    return rates


def _unknown(key: bytes, reads: bool) -> TallystickError:
    """The error of a request without a write key, where all write keys were made while the server ran."""
    if reads:
        return Forbidden("this key does not allow to write: send a write key")
    if key:
        return Unauthorized("the key is not one of this server's write keys")
    return Unauthorized("this needs a write key: send it as Authorization: Bearer KEY or as X-API-Key: KEY")


class NotAtOnce(Exception):
    """A request needs more than one step."""


def _key_at_once(scope: Scope) -> bytes:
    """The key in a request's headers; empty: none. Raises NotAtOnce: the headers need a look.

    Raises:
        InvalidRequest: they have two keys.
    """
    if repeats_a_header(scope) or header(scope, b"content-encoding"):
        raise NotAtOnce
    return presented(header(scope, b"authorization"), header(scope, b"x-api-key"), b"", basic=False)


class Admission:
    """Reads the bodies of clients that may write. Without write keys on loopback every client may."""

    def __init__(self, settings: Settings, metrics: Metrics, quotas: Quotas, directory: Directory) -> None:
        self._quotas = quotas
        self._settings = settings
        self._metrics = metrics
        self._keys = settings.access_keys()
        self._trusted = TrustedNetworks(settings)
        self._directory = directory
        self._may_be_open = not self._keys.write and is_loopback(settings.host)
        self._seldom = Seldom(__name__, "access refused")

    async def body(
        self,
        scope: Scope,
        receive: Receive,
        own_header: bytes,
        in_body: bool,
        foreign: bool = False,
        most: int | None = None,
    ) -> tuple[bytes, str | None]:
        """The request's body, and the site that it may write to; None: any. `writer_of` returns its key afterwards.

        Args:
            own_header: name of a further header that may have the key, in lower case; empty: none.
            in_body: the key may also be the field `key` of the body.
            foreign: a route of another system: its clients may send the key as Basic credentials, and need none in a
                trusted network.
            most: as `ingest.body.read_body`.

        Raises:
            Unauthorized, Forbidden: as `Keys.writer`.
            QuotaExceeded: as `Quotas.check`.
            InvalidRequest: the request repeats a header, or has two keys.
            Unavailable: keys cannot be read yet.
            others: as `ingest.body.read_body`.
        """
        if repeats_a_header(scope):
            refuse_repeated(scope["headers"])
        if self._open():
            self._admit(scope, None)
            return await read_body(scope, receive, self._settings, most), None
        own = header(scope, own_header) if own_header else b""
        key = presented(header(scope, b"authorization"), header(scope, b"x-api-key"), own, basic=foreign)
        scope[_WRITER] = key
        if key or not in_body:
            site = self._foreign_writer(scope, key) if foreign and self._trusted else self._writer(scope, key)
            self._admit(scope, site)
            return await read_body(scope, receive, self._settings, most), site
        try:
            body = await read_body(scope, receive, self._settings, min(KEYED_BODY_MAX, self._settings.max_body_bytes))
        except TooLarge as error:
            self._writer(scope, b"", error)
            raise
        scope[_WRITER] = key = key_in(body)
        site = self._writer(scope, key)
        self._admit(scope, site)
        return body, site

    def at_once(self, scope: Scope, body: bytes) -> tuple[bytes, str | None]:
        """As `body`, of a request whose body has arrived and whose key is in a header, or that needs none.

        Raises:
            NotAtOnce: `body` has to look at it.
            others: as `body`. They are not counted, since `body` meets them again.
        """
        key = of_head(scope, "key", _key_at_once)
        if len(body) > self._settings.max_body_bytes:
            raise NotAtOnce
        if self._open():
            self._quotas.check(b"", None)
            return body, None
        if not key:
            raise NotAtOnce
        site = self._site_of(scope, key)
        scope[_WRITER] = key
        scope[_SITE] = site
        self._quotas.check(key, site, rates_of(scope))
        return body, site

    def _admit(self, scope: Scope, site: str | None) -> None:
        scope[_SITE] = site
        try:
            self._quotas.check(writer_of(scope), site, rates_of(scope))
        except QuotaExceeded as error:
            self._metrics.ingest_refused.labels(error.code).inc()
            raise

    def _open(self) -> bool:
        """Whether no client needs a key."""
        return self._may_be_open and self._directory.known and not self._directory.closed_to_writers

    def _site_of(self, scope: Scope, key: bytes) -> str | None:
        """The only site that the key may write to; None: any. `rates_of` returns its own quota afterwards.

        Raises:
            Unauthorized, Forbidden: as `Keys.writer`, or the key is for pages of other origins.
            Unavailable: the key may be one that was made while the server ran, and these cannot be read yet.
        """
        site = self._keys.site_of_writer(key)  # first, since most clients have such a key
        if site is not None:
            return None if site == EVERY_SITE else site
        made = self._directory.key(key) if key else None
        if made is None:
            self._directory.require_known()
            if self._directory.closed_to_writers and not self._keys.write:
                raise _unknown(key, self._keys.knows_reader(key))
            return self._keys.writer(key)  # raises the error
        if made.kind == "read":
            raise Forbidden("this key does not allow to write: send a write key")
        if made.origins and header(scope, b"origin").decode("latin-1").lower() not in made.origins:
            raise Forbidden("this key is for the pages of other origins")
        if made.events_per_second is not None or made.bytes_per_second is not None:
            scope[_RATES] = Rates(made.events_per_second, made.bytes_per_second)
        return made.reach.single

    def _foreign_writer(self, scope: Scope, key: bytes) -> str | None:
        """As `_writer`; in a trusted network an unknown key, such as that of the client's old system, is none."""
        if not self._knows_writer(key) and self._trusted.may_write(scope):
            scope[_WRITER] = b""
            return None
        return self._writer(scope, key)

    def _knows_writer(self, key: bytes) -> bool:
        made = self._directory.key(key)
        return self._keys.knows_writer(key) or (made is not None and made.kind != "read")

    def _writer(self, scope: Scope, key: bytes, cause: TallystickError | None = None) -> str | None:
        try:
            return self._site_of(scope, key)
        except TallystickError as error:
            self._metrics.access_refused.labels("write", error.code).inc()
            self._seldom.warning(side="write", code=error.code)
            if cause and isinstance(error, Unauthorized):
                most = f"with its key in the body a request may have {KEYED_BODY_MAX} bytes"
                raise Unauthorized(f"{error.message}; {most}") from cause
            raise
