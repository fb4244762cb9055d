"""Who may ask what (G12): every read route declares its access, and the gate stands before each of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from enum import Enum
from hashlib import sha256
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tallystick.api.disconnects import while_connected
from tallystick.config import Settings
from tallystick.errors import Forbidden, TallystickError, WrongHost
from tallystick.http_headers import refuse_repeated
from tallystick.keys import EVERY_SITE, from_this_machine, is_loopback, names_this_machine, presented
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.model import query as model
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Query, Result
from tallystick.store.base import Store
from tallystick.store.turns import CALLER

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Asked = TypeVar("Asked", bound=model.Scope)
R = TypeVar("R")


class Access(Enum):
    """What a route asks of its caller once there are read keys."""

    OPEN = "no key: it tells nothing about events"
    METRICS = "no key on loopback or with TALLYSTICK_METRICS_PUBLIC, else a read key for every site"
    SITE = "a read key; that of one site sees that site alone"
    EVERY = "a read key for every site"
    SHARE = "the token of a share link, whatever keys there are"


def access(wanted: Access) -> Callable[[Endpoint], Endpoint]:
    """Decorator of an endpoint: the access of its route. One without it is for keys of every site."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.access = wanted  # type: ignore[attr-defined]
        return endpoint

    return mark


def access_of(endpoint: Callable[..., Any]) -> Access:
    """The access that an endpoint was marked with."""
    marked: Access = getattr(endpoint, "access", Access.EVERY)
    return marked


def endpoints(app: FastAPI) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """`(method, path, endpoint)` of every route of the app; parameters in paths as `{name}`."""
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            if context.endpoint is not None:
                yield method, str(context.path_format), context.endpoint


class Gate:
    """Lets requests to read routes through, or not."""

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
        """Whether there are write keys, which are looked up elsewhere."""
        return bool(self._keys.write)

    def admit(self, wanted: Access, scope: Scope, own_header: str = "") -> str | None:
        """The site that the caller may see; None: every site. From here on the request is its `CALLER`'s.

        Args:
            own_header: name of one more header that may hold the key.

        Raises:
            Unauthorized, Forbidden: as `Keys.reader`, or the key is for one site and this spans them all.
            WrongHost: nobody needs a key, but the request came for a name that any web page may have taken.
            InvalidRequest: a header that decides comes twice, or the request has two keys.
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
        """Whether a page of the request's origin may read an answer, on the routes of APIs that allow that.

        With keys a page has to know one. Without, only pages of this machine may: those of the world, and of other
        machines of its network, must not read a developer's data through a browser that runs beside it.
        """
        origin = Headers(scope=scope).get("origin")
        return self.guarded or origin is None or from_this_machine(origin)


def _bytes(headers: Headers, name: str) -> bytes:
    return headers.get(name, "").encode("latin-1")


class Guarded(APIRoute):
    """A route behind the gate, which it passes before its body is read; the document calls it as its function."""

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


# --- questions ------------------------------------------------------------------------------------------------------


def of_site(query: Asked, site: str | None) -> Asked:
    """The question as somebody may ask it who sees this site alone (None: all sites).

    Raises:
        Forbidden: it names another site, or all of them.
    """
    if site is None:
        return query
    _refuse_others(query, site)
    return query.model_copy(update={"site_id": site})


def _refuse_others(query: model.Scope | SqlQuery, site: str) -> None:
    if "site_id" in query.model_fields_set and query.site_id != site:
        raise Forbidden("the key reads one site, and this asks for another, or for all of them")


class Questions:
    """A store's answers about what somebody may see: one site, or everything when `site` is None."""

    def __init__(self, store: Store, site: str | None, receive: Receive | None = None) -> None:
        """
        Args:
            receive: of the request whose answer it is; when its client goes, what is asked is stopped.
        """
        self._store = store
        self._site = site
        self._receive = receive

    async def run(self, query: Query) -> Result:
        """As `Store.run`; raises Forbidden as `of_site` does, too, and ClientLeft."""
        return await self._asked(self._store.run(of_site(query, self._site)))

    def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """As `Store.export`; raises Forbidden as `of_site` does, too."""
        return self._store.export(of_site(query, self._site))

    async def select(self, query: SqlQuery) -> Table:
        """As `Store.select`, sealed for somebody who may see one site; raises as `run` does."""
        if self._site is None:
            return await self._asked(self._store.select(query))
        _refuse_others(query, self._site)
        return await self._asked(self._store.select(query.model_copy(update={"site_id": self._site}), sealed=True))

    async def _asked(self, asking: Coroutine[Any, Any, R]) -> R:
        return await (asking if self._receive is None else while_connected(self._receive, asking))

    async def reachable(self) -> None:
        """Raises StoreUnavailable when the store gives no answers."""
        await self._store.receipt("0" * 16, 0)
