"""Access control of the read routes (G12): each route declares the access it needs, and the gate checks it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from enum import Enum
from hashlib import sha256
from inspect import isclass
from typing import Any, NamedTuple, NoReturn, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tallystick.access.accounts import Accounts
from tallystick.access.directory import Directory
from tallystick.access.model import WITHOUT_KEYS, Caller, Permission, of_settings
from tallystick.api.access.browser import SAFE_METHODS, Browser
from tallystick.api.json_request import JsonRequest
from tallystick.config import Settings
from tallystick.errors import Forbidden, TallystickError, Unauthorized, WrongHost
from tallystick.http_headers import refuse_repeated
from tallystick.keys import EVERY_SITE, from_this_machine, is_loopback, names_this_machine, presented
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.query_string import parameters, refuse_unknown
from tallystick.store.turns import CALLER
from tallystick.trusted import TRUSTED, TrustedNetworks

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Access(Enum):
    """What a route asks of its caller, once the server has read keys or accounts."""

    OPEN = "nothing: the answer says nothing about events"
    CALLER = "nothing: the answer depends on who asks"
    METRICS = "no key on loopback or with TALLYSTICK_METRICS_PUBLIC, else a key that reads every site"
    SITE = "the route's permission on a site; the answer is about those sites only"
    EVERY = "the route's permission on every site"
    OWNER = "the right to manage a site's keys and accounts, by an admin key or an account"
    ADMIN = "an admin key, or an administrator's account"
    ACCOUNT = "a login"
    SHARE = "the token of a share link, with or without read keys"


class Wanted(NamedTuple):
    """What a route asks for: its access, and the permission on the sites that it is about."""

    access: Access
    permission: Permission = Permission.READ


def access(wanted: Access, permission: Permission = Permission.READ) -> Callable[[Endpoint], Endpoint]:
    """Decorator of an endpoint that declares what its route asks for. Without it that is `Access.EVERY`."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.access = Wanted(wanted, permission)  # type: ignore[attr-defined]
        return endpoint

    return mark


def wanted_of(endpoint: Callable[..., Any]) -> Wanted:
    """What the endpoint's decorator declares; `Access.EVERY` without one."""
    marked: Wanted = getattr(endpoint, "access", Wanted(Access.EVERY))
    return marked


def access_of(endpoint: Callable[..., Any]) -> Access:
    """The access that the endpoint's decorator declares; `Access.EVERY` without one."""
    return wanted_of(endpoint).access


def endpoints(app: FastAPI) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """`(method, path, endpoint)` of every route of the app. Path parameters are written as `{name}`."""
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            if context.endpoint is not None:
                yield method, str(context.path_format), context.endpoint


NO_KEYS = (
    "this server answers no queries, because there are no read keys (TALLYSTICK_READ_KEYS, `tallystick keys create "
    "read`) and no accounts"
)


class Gate:
    """Admits or refuses requests to read routes."""

    def __init__(self, settings: Settings, metrics: Metrics, accounts: Accounts | None = None) -> None:
        self._keys = settings.access_keys()
        self._accounts = accounts
        self.directory = Directory() if accounts is None else accounts.directory
        self.browser = Browser(settings)
        self._loopback = is_loopback(settings.host)
        self._trusted = TrustedNetworks(settings)
        self._metrics_public = settings.metrics_public
        self._origins = settings.origins_that_read()
        self._metrics = metrics
        self._seldom = Seldom(__name__, "access refused")

    @property
    def guarded(self) -> bool:
        """Whether reading needs a key or a login, on loopback too."""
        return bool(self._keys.read) or self.directory.closed_to_readers or not self.directory.known

    @property
    def writes_guarded(self) -> bool:
        """Whether there are write keys. They are checked in `ingest/admission.py`, not here."""
        return bool(self._keys.write) or self.directory.closed_to_writers

    async def admit(
        self, wanted: Wanted | Access, scope: Scope, own_header: str = "", *, foreign: bool = False
    ) -> Caller:
        """Who sends the request, if that caller may. Sets `CALLER` for the rest of the request.

        Args:
            own_header: name of one more header that may hold the key.
            foreign: a route of another system: its clients may send the key as Basic credentials, and need none in a
                trusted network. It takes no login: pages of other origins may call it with cookies.

        Raises:
            Unauthorized, Forbidden: the caller is not known, or may not do this.
            WrongHost: no key is needed, but the Host header is a name that a web page may have pointed at this
                machine (DNS rebinding).
            Csrf: a login by cookie would change something for another page.
            InvalidRequest: a header that decides about access comes twice, or the request has two keys.
            Unavailable: keys and accounts cannot be read.
        """
        wanted = Wanted(wanted) if isinstance(wanted, Access) else wanted
        try:
            return await self._admit(wanted, scope, own_header, foreign)
        except TallystickError as error:
            self._metrics.access_refused.labels("read", error.code).inc()
            self._seldom.warning(side="read", code=error.code)
            raise

    async def _admit(self, wanted: Wanted, scope: Scope, own_header: str, foreign: bool) -> Caller:
        headers = Headers(scope=scope)
        CALLER.set("")
        if wanted.access is Access.OPEN:
            return Caller("none")
        refuse_repeated(headers.raw)
        at_home = self._loopback and names_this_machine(headers.get("host", ""))
        if wanted.access is Access.METRICS and (self._metrics_public or at_home):
            return Caller("open")
        caller = await self._caller(wanted, scope, headers, own_header, foreign)
        if wanted.access is Access.CALLER:
            if scope["method"] not in SAFE_METHODS:
                self.browser.refuse_other_origins(headers)
            return caller
        self._check(wanted, caller)
        return caller

    async def _caller(self, wanted: Wanted, scope: Scope, headers: Headers, own_header: str, foreign: bool) -> Caller:
        address = self.browser.address(scope)
        if not self.guarded and self._loopback:
            if not names_this_machine(headers.get("host", "")) and not (foreign and self._trust(scope)):
                raise WrongHost
            return Caller("open", "", WITHOUT_KEYS, address=address)
        own = _bytes(headers, own_header) if own_header else b""
        key = presented(_bytes(headers, "authorization"), _bytes(headers, "x-api-key"), own, basic=foreign)
        if foreign and not self._knows_reader(key) and self._trust(scope):
            return Caller("open", "", WITHOUT_KEYS, address=address)
        if key or foreign:
            try:
                return self._of_key(key, wanted, address)
            except TallystickError:
                if wanted.access is not Access.CALLER:
                    raise
                return Caller("none", address=address)
        return await self._of_session(scope, headers, wanted, address)

    def _knows_reader(self, key: bytes) -> bool:
        found = self.directory.key(key)
        return self._keys.knows_reader(key) or (found is not None and found.kind != "write")

    def _of_key(self, key: bytes, wanted: Wanted, address: str) -> Caller:
        made = self.directory.key(key)
        if made is not None:
            if made.kind == "write":
                raise Forbidden("this key does not allow to read: send a read key")
            CALLER.set(f"key {made.id}")
            return Caller("key", f"key {made.id}", made.permissions(), address=address)
        if not self._keys.knows_reader(key):
            self.directory.require_known()
            self._refuse(key, wanted)
        site = self._keys.reader(key)
        CALLER.set(f"key {sha256(key).hexdigest()}")
        return Caller("key", "key of the settings", of_settings(site), address=address)

    def _refuse(self, key: bytes, wanted: Wanted) -> NoReturn:
        """Raises the error for a request without a key that may read."""
        if not self.guarded:
            if wanted.access is Access.METRICS:
                raise Forbidden(
                    "set TALLYSTICK_METRICS_PUBLIC=true, or TALLYSTICK_READ_KEYS with a key for every site (*)"
                )
            raise Forbidden(NO_KEYS)
        if self._keys.read:
            self._keys.reader(key)
        if self._keys.knows_writer(key):
            raise Forbidden("this key does not allow to read: send a read key")
        if key:
            raise Unauthorized("the key is not one of this server's read keys")
        raise Unauthorized("this needs a read key or a login: send the key as Authorization: Bearer KEY")

    async def _of_session(self, scope: Scope, headers: Headers, wanted: Wanted, address: str) -> Caller:
        token = self.browser.token(scope, headers)
        found = await self._accounts.session(token) if token and self._accounts is not None else None
        if found is None or self._accounts is None:
            if wanted.access is Access.CALLER:
                return Caller("none", address=address)
            self.directory.require_known()
            self._refuse(b"", wanted)
        session, user = found
        csrf_token = self._accounts.csrf_token(token)
        if scope["method"] not in SAFE_METHODS and wanted.access is not Access.CALLER:
            self.browser.refuse_other_pages(headers, csrf_token)
        CALLER.set(f"user {user.id}")
        return Caller("user", f"user {user.email}", user.permissions(), user, session, csrf_token, address)

    def _check(self, wanted: Wanted, caller: Caller) -> None:
        """Raises Forbidden, or Unauthorized where only a login helps."""
        if wanted.access is Access.ACCOUNT and caller.user is None:
            raise Unauthorized("this needs a login")
        if wanted.access is Access.OWNER and not caller.reach(Permission.OWN):
            raise Forbidden(NOT_AN_OWNER)
        if wanted.access is Access.ADMIN and not caller.may(Permission.ADMIN):
            raise Forbidden("this needs an administrator's account or an admin key")
        if wanted.access is Access.SITE and not caller.reach(wanted.permission):
            raise Forbidden(_lacks(caller, wanted.permission))
        if wanted.access in (Access.EVERY, Access.METRICS) and not caller.reach(wanted.permission).every:
            if caller.reach(Permission.READ).every:
                raise Forbidden(_lacks(caller, wanted.permission))
            raise Forbidden(f"this spans all sites: it needs a read key for every site ({EVERY_SITE})")

    def _trust(self, scope: Scope) -> bool:
        """Whether the client needs no key because of its network; marks the request. Raises Untrusted as `may_read`."""
        if not self._trusted.may_read(scope):
            return False
        CALLER.set(f"client {scope['client'][0]}")
        scope[TRUSTED] = True
        return True

    def may_be_read_from(self, scope: Scope) -> bool:
        """Whether a page of the request's origin may read the answer, on dialect routes that allow CORS at all.

        With keys, the page has to know one. Without keys, only pages of this machine and of TALLYSTICK_READ_ORIGINS may
        read: any other page must not read a developer's data through a browser on the same machine, or in a trusted
        network.
        """
        origin = Headers(scope=scope).get("origin")
        if self.guarded and TRUSTED not in scope:
            return True
        return origin is None or from_this_machine(origin) or origin in self._origins

    def trusts_origin_of(self, scope: Scope) -> bool:
        """Whether the request's origin is one of TALLYSTICK_READ_ORIGINS."""
        return Headers(scope=scope).get("origin") in self._origins


NOT_AN_OWNER = (
    "this needs the account of an owner or administrator, or an admin key: `tallystick users add --admin` makes the "
    "first account, `tallystick keys create admin` a key"
)


def _lacks(caller: Caller, permission: Permission) -> str:
    words = {
        Permission.READ: "read",
        Permission.EDIT: "change reports and boards",
        Permission.SQL: "run SQL",
        Permission.EXPORT: "export events",
        Permission.ERASE: "take apart or take back what is stored",
        Permission.OPERATE: "operate the server",
    }
    who = "this key does" if caller.kind == "key" else "your roles do"
    return f"{who} not allow to {words.get(permission, permission.value)}"


def _bytes(headers: Headers, name: str) -> bytes:
    return headers.get(name, "").encode("latin-1")


class GuardedRoute(APIRoute):
    """A route behind the gate: access is checked before the body is read. Its operation id is its function's name.

    A parameter that a documented route does not take is refused.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "generate_unique_id_function": lambda route: route.name})
        documented = self.include_in_schema and self.path.startswith("/v1/")
        self._parameters = frozenset(_parameters(self.dependant)) if documented else None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, for which bodies are read strictly."""
        answer = super().get_route_handler()

        async def answer_strictly(request: Request) -> Response:
            return await answer(JsonRequest(request.scope, request.receive))

        return answer_strictly

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in (self.methods or ()):
            wanted, gates = wanted_of(self.endpoint), scope["app"].state
            if wanted.access is Access.SHARE:
                scope["state"]["share"] = await gates.share_gate.admit(scope)
            else:
                scope["state"]["caller"] = await gates.gate.admit(wanted, scope)
                scope["state"]["reach"] = scope["state"]["caller"].reach(wanted.permission)
            if self._parameters is not None and scope["query_string"]:
                refuse_unknown(parameters(scope["query_string"]), self._parameters)
        await super().handle(scope, receive, send)


def _parameters(dependant: Dependant) -> Iterator[str]:
    """The names of the parameters that an endpoint and its dependencies take from the address."""
    for field in dependant.query_params:
        shape = field.field_info.annotation
        if isclass(shape) and issubclass(shape, BaseModel):
            yield from (one.alias or name for name, one in shape.model_fields.items())
        else:
            yield field.alias
    for inner in dependant.dependencies:
        yield from _parameters(inner)
