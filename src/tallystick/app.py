"""THE MAP: settings → queue → worker → store → query. Opens what a process needs, and closes it in order.

    client ──▶ outer ASGI app ──hot write routes──▶ ingest ──▶ publisher ──▶ queue ──▶ worker ──▶ store
                    └────────── everything else ──▶ query app and the dialects' read routes ◀──────┘

One process does all of it (`up`), or each does a part: see `Role`. How a process listens, hands its port over and stops
is in `tallystick.process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
from starlette.types import Message, Receive, Scope, Send

from tallystick import dialects, queue, store
from tallystick.access import directory_of
from tallystick.access.accounts import Accounts
from tallystick.access.directory import Directory
from tallystick.access.sign_on import make_provider
from tallystick.api.status_app import make_status_app
from tallystick.config import Settings
from tallystick.dialects.base import WriteRoutes
from tallystick.errors import ConfigError, NotFound, StoreUnavailable, TallystickError, Unavailable
from tallystick.http_headers import READ, WRITE, with_headers
from tallystick.ingest.app import ROUTE, Answer, Ingest, NativeEvents, preflight
from tallystick.ingest.enrich.enrichment import make_enrichment
from tallystick.ingest.names import KnownNames
from tallystick.ingest.openapi import openapi as ingest_openapi
from tallystick.ingest.publisher import Publisher
from tallystick.ingest.snippet import snippet_routes
from tallystick.ingest.stored_names import stored_names
from tallystick.keys import Right
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.names_file import Entry
from tallystick.store.carried import is_unfinished
from tallystick.worker.worker import Worker

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tallystick.access.oidc import Provider

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds between two attempts to open an unreachable queue or store; doubled up to the longest."""
LAST_REQUESTS = 1.0
"""Seconds for which an idle connection may still bring a request after the process stopped accepting connections."""
STUCK = (
    "no query can be answered: those that run should have ended long ago and hold the turns of all others; "
    "restart this process"
)
NO_INGESTER = "0" * 16
"""An ingester that does not exist. Reading its receipt shows whether the store answers."""


class Role(StrEnum):
    """What a process does. Each role has the name of its command."""

    UP = "up"
    """Everything."""
    INGEST = "ingest"
    """Accepts events into the queue; has no store."""
    WORK = "work"
    """Loads the queue into the store; answers probes only."""
    SERVE = "serve"
    """Answers queries; puts events into the queue only to replay dead letters, or with TALLYSTICK_SERVE_WRITES."""

    @property
    def publishes(self) -> bool:
        return self is not Role.WORK

    @property
    def loads(self) -> bool:
        return self in (Role.UP, Role.WORK)

    @property
    def answers(self) -> bool:
        return self in (Role.UP, Role.SERVE)

    def takes(self, settings: Settings) -> bool:
        """Whether the process has the write routes."""
        return self in (Role.UP, Role.INGEST) or (self is Role.SERVE and settings.serve_writes)

    def rights(self, settings: Settings) -> Sequence[Right]:
        """The rights that the process grants to the clients of its port."""
        writes: Sequence[Right] = ("write",) if self.takes(settings) else ()
        return (*writes, "read") if self.answers else writes


def check_role(settings: Settings, role: Role) -> None:
    """Raises ConfigError when the role needs a queue or store that several processes share, and it is embedded."""
    if role is Role.UP:
        return
    for embedded, variable, kind, servers in (
        (queue.is_embedded(settings), "TALLYSTICK_QUEUE_URL", "queue", "redis://…, amqp://… or kafka://…"),
        (role is not Role.INGEST and store.is_embedded(settings), "TALLYSTICK_STORE_URL", "store", "postgresql://…"),
    ):
        if embedded:
            raise ConfigError(
                f"{variable}: `tallystick {role}` needs a {kind} that several processes can share, such as {servers}; "
                f"the embedded {kind} belongs to one process, and `tallystick up` does everything in one"
            )


class Tallystick:
    """The parts of one process. Each is created on first use, so that no unused driver is loaded.

    Attributes:
        stopping: the process is shutting down; each answer ends its connection.
        closed_store: why the store cannot be used yet, as a sentence; None once it is open.
        refused: why the store cannot be opened until the operator changes something.
    """

    def __init__(self, settings: Settings, role: Role = Role.UP, name: str = "") -> None:
        self.settings = settings
        self.role = role
        self.metrics = Metrics(name or role)
        self.stopping = False
        self._stop_by = math.inf
        self.closed_store: str | None = "the store is not open yet"
        self.refused: TallystickError | None = None
        self._refusal = asyncio.Event()
        self._unready = Seldom(__name__, "not ready")

    @cached_property
    def queue(self) -> queue.Queue:
        return queue.make_queue(self.settings, self.metrics)

    @cached_property
    def store(self) -> store.Store:
        """The store. In a process without queries, users' SQL is off, so that its database role need not exist."""
        settings = self.settings if self.role.answers else self.settings.model_copy(update={"sql": False})
        return store.make_store(settings)

    @cached_property
    def directory(self) -> Directory:
        """Sites, keys and accounts that are made while the server runs."""
        return directory_of(self.settings)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.directory, self.settings)

    @cached_property
    def provider(self) -> Provider | None:
        """The OpenID provider with which persons log in; None: there is none. Raises ConfigError."""
        found = make_provider(self.settings)
        if found is not None and self.directory.why_none:
            raise ConfigError(f"TALLYSTICK_OIDC_ISSUER needs accounts: {self.directory.why_none}")
        return found

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.queue, self.settings, self.metrics)

    @cached_property
    def worker(self) -> Worker:
        return Worker(self.queue, self.store, self.settings, self.metrics)

    @cached_property
    def names(self) -> KnownNames:
        """The event names and property keys of each site."""
        return KnownNames(self.settings)

    @cached_property
    def ingest(self) -> Ingest:
        takes = self.role.takes(self.settings)
        enrichment = make_enrichment(self.settings) if takes else None
        return Ingest(self.settings, self.publisher, self.metrics, enrichment, self.directory, self.names)

    @cached_property
    def asgi(self) -> Outer:
        return Outer(self)

    @property
    def failures(self) -> list[asyncio.Event]:
        """The process must end as soon as one of these is set."""
        publishes = [self.publisher.failed] if self.role.publishes else []
        return [*publishes, *([self.worker.failed] if self.role.loads else []), self._refusal]

    def refuse(self, error: TallystickError) -> None:
        """Record that the store cannot be opened and that a retry will not help."""
        self.refused = error
        self._refusal.set()

    def stop(self) -> None:
        """Begin the shutdown: answers end their connection, and `time_left` counts from now on."""
        if not self.stopping:
            self.stopping = True
            allowed = self.settings.drain_delay + LAST_REQUESTS + self.settings.shutdown_timeout
            self._stop_by = time.monotonic() + allowed

    def time_left(self) -> float:
        """Seconds that the worker has for its current batch; never 0, even if the last requests took long."""
        return max(LAST_REQUESTS, self._stop_by - time.monotonic())

    def stop_loading(self) -> None:
        """Let the worker finish its current batch and take no other."""
        if self.role.loads and self.closed_store is None:
            self.worker.stop()

    def why_not_ready(self) -> str | None:
        """Why this process is not ready, as a sentence, without checking its queue or store; None: no reason."""
        if self.stopping:
            return "the server is shutting down"
        return self.closed_store if self.role is Role.WORK else None

    async def vital(self) -> object:
        """Check the parts that this process needs. Raises their errors, and an error when no query can be answered.

        Running queries do not delay the check, because it reads the queries' slots without taking one.
        """
        if self.role is not Role.INGEST and self.closed_store is None and (damage := self.store.damage) is not None:
            raise damage
        if self.role.answers and self.store.turns.stuck():
            raise StoreUnavailable(STUCK)
        if self.role in (Role.WORK, Role.SERVE):
            await self.store.receipt(NO_INGESTER, 0)
        return None if self.role is Role.SERVE else await self.queue.depth()

    async def trouble(self) -> str | None:
        """Why this process is not ready, as a sentence; None when it is ready."""
        if reason := self.why_not_ready():
            return reason
        try:
            await self.vital()
        except TallystickError as error:
            self._unready.warning(error=error.whole)
            return error.public
        return None

    async def drained(self) -> None:
        """Returns when everything accepted so far is stored."""
        while (await self.queue.depth()).blocks:  # noqa: ASYNC110 - a remote queue has no event to wait for
            await asyncio.sleep(0.01)


# --- routes ---------------------------------------------------------------------------------------------------------


def build_app(settings: Settings) -> FastAPI:
    """The query app with all read routes and the whole OpenAPI document. Queue and store are not opened."""
    return _query_app(Tallystick(settings))


def _query_app(tallystick: Tallystick) -> FastAPI:
    from tallystick.api.app import Parts, extra_openapi, make_query_app

    parts = Parts(
        settings=tallystick.settings,
        store=tallystick.store,
        queue=tallystick.queue,
        republish=tallystick.publisher.publish,
        metrics=tallystick.metrics,
        started_at=datetime.now(UTC),
        ready=tallystick.why_not_ready,
        write_parquet=store.write_parquet,
        vital=tallystick.vital,
        accounts=tallystick.accounts,
        provider=tallystick.provider,
    )
    app = make_query_app(parts)
    speaks = dialects.Speaks(tallystick.ingest, tallystick.queue, tallystick.settings, tallystick.store)
    app.router.routes.extend(dialects.read_routes(speaks))
    absent = _write_routes(tallystick) if not tallystick.role.takes(tallystick.settings) else {}
    for paths, schemas in (ingest_openapi(), dialects.openapi()):
        here = {
            path: {method: said for method, said in item.items() if (method.upper(), path) not in absent}
            for path, item in paths.items()
        }
        extra_openapi(app, {path: item for path, item in here.items() if item}, schemas)
    return app


def _write_routes(tallystick: Tallystick) -> WriteRoutes:
    takes = dialects.Takes(tallystick.ingest, tallystick.queue, tallystick.settings)
    native = NativeEvents(tallystick.ingest)
    routes: WriteRoutes = {("POST", ROUTE): native, ("OPTIONS", ROUTE): preflight, **dialects.write_routes(takes)}
    return {**routes, **snippet_routes(tallystick.settings, native, tallystick.metrics, routes)}


class Outer:
    """The outer ASGI app: passes write routes directly to their handlers, and everything else to the query app.

    A process without one of the two answers with a sentence about what it is for. Every answer has the headers of
    `tallystick.http_headers`. Write routes add them themselves, which is fastest; all other answers get them here.

    Attributes:
        queries: the query app; None in a process without queries.
    """

    def __init__(self, tallystick: Tallystick) -> None:
        self._tallystick = tallystick
        self._native = NativeEvents(tallystick.ingest) if tallystick.role.takes(tallystick.settings) else None
        status = make_status_app(
            tallystick.settings,
            tallystick.metrics,
            tallystick.queue,
            tallystick.trouble,
            lambda: _not_here(tallystick),
            tallystick.accounts,
        )
        self._status = with_headers(READ, status)
        self.queries = _query_app(tallystick) if tallystick.role.answers else None
        self._rest = self._status if self.queries is None else with_headers(READ, self.queries)
        routes = {} if tallystick.role is Role.WORK else _write_routes(tallystick)
        self._hot: WriteRoutes = (
            routes if tallystick.role.takes(tallystick.settings) else dict.fromkeys(routes, with_headers(WRITE, status))
        )

    def take(self, scope: Scope, body: bytes, answer: Answer) -> bool:
        """Take a request for `ROUTE` whose whole body has arrived, without a task of its own.

        False: it is another request, or `__call__` has to answer it.
        """
        if self._native is None or scope["path"] != ROUTE or scope["method"] != "POST" or self._tallystick.stopping:
            return False
        return self._native.take(scope, body, answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._tallystick.stopping:
            send = _last_answer(send)
        if scope["type"] == "http" and (hot := self._hot.get((scope["method"], scope["path"]))) is not None:
            await hot(scope, receive, send)
        elif scope["type"] == "http" and (path := dialects.spelled(scope["path"])) != scope["path"]:
            await self({**scope, "path": path, "raw_path": path.encode("ascii")}, receive, send)
        elif self._tallystick.closed_store is None:
            await self._rest(scope, receive, send)
        else:
            await self._status(scope, receive, send)


def _not_here(tallystick: Tallystick) -> TallystickError:
    """The error for a route that this process does not have, or does not have yet."""
    if tallystick.role is Role.INGEST:
        return NotFound("this process only takes events (`tallystick ingest`); `tallystick serve` answers queries")
    if tallystick.role is Role.WORK:
        return NotFound("this process only loads the queue into the store (`tallystick work`); it answers nothing else")
    if tallystick.closed_store is None:
        return NotFound(
            "this process only answers queries (`tallystick serve`); `tallystick ingest` takes events, "
            "and so does `serve` with TALLYSTICK_SERVE_WRITES=true"
        )
    return StoreUnavailable(tallystick.closed_store)


def _last_answer(send: Send) -> Send:
    """Add `Connection: close` to the answer, so that the client sends its next request to another process."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            message.pop("body_follows", None)
        await send(message)

    return closing


# --- opening and closing --------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def open_tallystick(
    settings: Settings, role: Role = Role.UP, *, name: str = "", patience: float | None = None
) -> AsyncIterator[Tallystick]:
    """The role's running parts. On exit they close in the order in which an event passes them (G11).

    Args:
        name: this process's name in metrics; empty: its role.
        patience: seconds for which an unreachable server is tried again. With it, a worker waits in the background for
            a store on a server, without limit. None: one attempt, and everything is open on entry.

    Raises:
        ConfigError: a setting is refused, or another process holds the data.
        Unavailable: queue or store could not be reached in time.
    """
    check_role(settings, role)
    tallystick = Tallystick(settings, role, name)
    if role.answers:
        _ = tallystick.provider  # raises ConfigError before anything is opened
    async with contextlib.AsyncExitStack() as stack:
        await _patiently(tallystick.queue.open, "queue", 0.0 if queue.is_embedded(settings) else patience or 0.0)
        stack.push_async_callback(tallystick.queue.close)
        stack.push_async_callback(_close_store, tallystick)
        stack.push_async_callback(tallystick.directory.stop)
        await tallystick.directory.start()
        later = role.loads and patience is not None and not store.is_embedded(settings)
        if role is Role.INGEST:
            tallystick.closed_store = None  # this role has no store to wait for
        elif not later:
            await _open_store(tallystick, 0.0 if store.is_embedded(settings) else patience or 0.0)
        stack.push_async_callback(
            _stop_loading, tallystick, asyncio.create_task(_load(tallystick, later), name="worker")
        )
        if role.takes(settings):
            await tallystick.names.start(None if role is Role.INGEST else lambda: _stored_names(tallystick))
            stack.push_async_callback(tallystick.names.stop)
        if role.publishes:
            publishing = asyncio.create_task(tallystick.publisher.run(), name="publisher")
            stack.push_async_callback(_stop_publishing, tallystick, publishing)
        try:
            yield tallystick
        finally:
            tallystick.stop()


async def _stored_names(tallystick: Tallystick) -> Iterable[Entry] | None:
    """The names that the store has; None: it is not open yet."""
    return None if tallystick.closed_store else await stored_names(tallystick.store, tallystick.settings)


async def _stop_publishing(tallystick: Tallystick, publishing: asyncio.Task[None]) -> None:
    """Stop the publisher after it has published all waiting requests."""
    tallystick.publisher.stop()
    await publishing


async def _load(tallystick: Tallystick, open_first: bool) -> None:
    """Open the store if that is still to do, then run the worker if the role has one."""
    if not tallystick.role.loads:
        return
    if open_first:
        try:
            await _open_store(tallystick, math.inf)
        except TallystickError as error:
            tallystick.refuse(error)
            return
    await tallystick.worker.run()


async def _stop_loading(tallystick: Tallystick, loading: asyncio.Task[None]) -> None:
    """Let the worker finish its batch. A batch that the store does not take in time is delivered again."""
    if tallystick.closed_store is None and tallystick.role.loads:
        tallystick.stop_loading()
        await asyncio.wait([loading], timeout=tallystick.time_left())
    loading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loading


async def _open_store(tallystick: Tallystick, patience: float) -> None:
    async def attempt() -> None:
        await tallystick.store.open()
        try:
            await tallystick.store.migrate()
            if is_unfinished(await tallystick.store.ledger()):
                raise ConfigError(
                    "TALLYSTICK_STORE_URL: this store is half filled by `tallystick move`: start that again, it goes on"
                )
        except BaseException:
            await tallystick.store.close()
            raise

    def still_closed(reason: str) -> None:
        tallystick.closed_store = f"the store is not open yet: {reason}"

    await _patiently(attempt, "store", patience, still_closed)
    tallystick.closed_store = None


async def _close_store(tallystick: Tallystick) -> None:
    if tallystick.closed_store is None and tallystick.role is not Role.INGEST:
        await tallystick.store.close()


async def _patiently(
    attempt: Callable[[], Awaitable[None]], part: str, patience: float, failed: Callable[[str], None] = lambda _: None
) -> None:
    """Open a part; retry for `patience` seconds while it cannot be reached, then raise the last error."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            await attempt()
            return
        except Unavailable as error:
            failed(error.public)
            if loop.time() + pause > deadline:
                raise
            log.warning(f"the {part} cannot be reached, trying again", error=error.whole, in_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
