"""Access control of the read routes (G12): each route declares the access it needs, and the gate checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from hashlib import sha256
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tallystick.config import Settings
from tallystick.errors import Forbidden, TallystickError, WrongHost
from tallystick.http_headers import refuse_repeated
from tallystick.keys import EVERY_SITE, from_this_machine, is_loopback, names_this_machine, presented
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.store.turns import CALLER

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Access(Enum):
    """Which key a route asks for, once the server has read keys."""

    OPEN = "no key: the answer says nothing about events"
    METRICS = "no key on loopback or with TALLYSTICK_METRICS_PUBLIC, else a read key for every site"
    SITE = "a read key; a key of one site reads that site only"
    EVERY = "a read key for every site"
    SHARE = "the token of a share link, with or without read keys"


def access(wanted: Access) -> Callable[[Endpoint], Endpoint]:
    """Decorator of an endpoint that declares the access of its route. Without it the route is `Access.EVERY`."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.access = wanted  # type: ignore[attr-defined]
        return endpoint

    return mark


def access_of(endpoint: Callable[..., Any]) -> Access:
    """The access that the endpoint's decorator declares; `Access.EVERY` without one."""
    marked: Access = getattr(endpoint, "access", Access.EVERY)
    return marked


def endpoints(app: FastAPI) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """`(method, path, endpoint)` of every route of the app. Path parameters are written as `{name}`."""
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            if context.endpoint is not None:
                yield method, str(context.path_format), context.endpoint


class Gate:
    """Admits or refuses requests to read routes."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._keys = settings.access_keys()
        self._loopback = is_loopback(settings.host)
        self._metrics_public = settings.metrics_public
        self._metrics = metrics
        self._seldom = Seldom(__name__, "access refused")

    @property
    def guarded(self) -> bool:
        """Whether there are read keys."""
        return bool(self._keys.read)

    @property
    def writes_guarded(self) -> bool:
        """Whether there are write keys. They are checked in `ingest/admission.py`, not here."""
        return bool(self._keys.write)

    def admit(self, wanted: Access, scope: Scope, own_header: str = "") -> str | None:
        """The only site that the caller may read; None: every site. Sets `CALLER` for the rest of the request.

        Args:
            own_header: name of one more header that may hold the key.

        Raises:
            Unauthorized, Forbidden: as `Keys.reader` raises them, or the key is for one site and the route spans all.
            WrongHost: no key is needed, but the Host header is a name that a web page may have pointed at this
                machine (DNS rebinding).
            InvalidRequest: a header that decides about access comes twice, or the request has two keys.
        """
        try:
            return self._admit(wanted, Headers(scope=scope), own_header)
        except TallystickError as error:
            self._metrics.access_refused.labels("read", error.code).inc()
            self._seldom.warning(side="read", code=error.code)
            raise

    def _admit(self, wanted: Access, headers: Headers, own_header: str) -> str | None:
        CALLER.set("")
        if wanted is Access.OPEN:
            return None
        refuse_repeated(headers.raw)
        at_home = self._loopback and names_this_machine(headers.get("host", ""))
        if wanted is Access.METRICS and (self._metrics_public or at_home):
            return None
        if not self.guarded and self._loopback:
            if not at_home:
                raise WrongHost
            return None
        if wanted is Access.METRICS and not self.guarded:
            raise Forbidden("set TALLYSTICK_METRICS_PUBLIC=true, or TALLYSTICK_READ_KEYS with a key for every site (*)")
        own = _bytes(headers, own_header) if own_header else b""
        key = presented(_bytes(headers, "authorization"), _bytes(headers, "x-api-key"), own)
        site = self._keys.reader(key)
        CALLER.set(f"key {sha256(key).hexdigest()}")
        if site is not None and wanted is not Access.SITE:
            raise Forbidden(f"this spans all sites: it needs a read key for every site ({EVERY_SITE})")
        return site

    def may_be_read_from(self, scope: Scope) -> bool:
        """Whether a page of the request's origin may read the answer, on dialect routes that allow CORS at all.

        With keys, the page has to know one. Without keys, only pages of this machine may read: a page from elsewhere
        must not read a developer's data through a browser on the same machine.
        """
        origin = Headers(scope=scope).get("origin")
        return self.guarded or origin is None or from_this_machine(origin)


def _bytes(headers: Headers, name: str) -> bytes:
    return headers.get(name, "").encode("latin-1")


class GuardedRoute(APIRoute):
    """A route behind the gate: access is checked before the body is read. Its operation id is its function's name."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "generate_unique_id_function": lambda route: route.name})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in (self.methods or ()):
            wanted, gates = access_of(self.endpoint), scope["app"].state
            if wanted is Access.SHARE:
                scope["state"]["share"] = await gates.share_gate.admit(scope)
            else:
                scope["state"]["site"] = gates.gate.admit(wanted, scope)
        await super().handle(scope, receive, send)
