"""THE MAP: settings → queue → worker → store → query. Opens what is needed, closes it in order, handles signals.

    client ──▶ outer ASGI app ──hot write routes──▶ ingest ──▶ publisher ──▶ queue ──▶ worker ──▶ store
                    └────────── everything else ──▶ query app and the dialects' read routes ◀──────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from runnel import dialects, logs
from runnel.config import Settings
from runnel.errors import ConfigError
from runnel.ingest.app import ROUTE, Ingest, NativeEvents, preflight
from runnel.ingest.openapi import openapi as ingest_openapi
from runnel.ingest.publisher import Publisher
from runnel.metrics import Metrics
from runnel.query.app import Parts, extra_openapi, make_query_app
from runnel.queue import Queue, make_queue
from runnel.store import Store, make_store, write_parquet
from runnel.worker.worker import Worker

log = structlog.get_logger(__name__)

KEEP_ALIVE = 75
"""Seconds for which an idle connection stays open: longer than a proxy's usual 60, so that the proxy closes first."""
GC_THRESHOLD = 50_000
"""Objects made before the garbage collector looks at the young ones: a request of 5,000 events makes no cycles."""


@dataclass
class Runnel:
    """The opened parts of one process."""

    settings: Settings
    queue: Queue
    store: Store
    publisher: Publisher
    worker: Worker
    ingest: Ingest
    metrics: Metrics
    asgi: ASGIApp = field(init=False)
    stopping: bool = False

    async def drained(self) -> None:
        """Returns when everything accepted so far is stored."""
        while (await self.queue.depth()).blocks:  # noqa: ASYNC110 - a queue on another machine has no event to wait for
            await asyncio.sleep(0.01)


def build_app(settings: Settings) -> FastAPI:
    """The query app with every read route and the whole OpenAPI document, over parts that are not opened."""
    return _query_app(_parts(settings))


def _parts(settings: Settings) -> Runnel:
    queue, store, metrics = make_queue(settings), make_store(settings), Metrics()
    publisher = Publisher(queue, settings, metrics)
    worker = Worker(queue, store, settings, metrics)
    return Runnel(settings, queue, store, publisher, worker, Ingest(settings, publisher, metrics), metrics)


def _query_app(runnel: Runnel) -> FastAPI:
    def ready() -> str | None:
        return "the server is shutting down" if runnel.stopping else None

    parts = Parts(
        settings=runnel.settings,
        store=runnel.store,
        queue=runnel.queue,
        republish=runnel.publisher.publish,
        metrics=runnel.metrics,
        started_at=datetime.now(UTC),
        ready=ready,
        write_parquet=write_parquet,
    )
    app = make_query_app(parts)
    app.router.routes.extend(dialects.read_routes(_speaks(runnel)))
    for paths, schemas in (ingest_openapi(), dialects.openapi()):
        extra_openapi(app, paths, schemas)
    return app


def _speaks(runnel: Runnel) -> dialects.Speaks:
    return dialects.Speaks(runnel.ingest, runnel.store, runnel.queue, runnel.settings)


class Outer:
    """Write routes straight to their handlers, everything else to the query app."""

    def __init__(self, runnel: Runnel) -> None:
        self._hot: dict[tuple[str, str], ASGIApp] = {
            ("POST", ROUTE): NativeEvents(runnel.ingest),
            ("OPTIONS", ROUTE): preflight,
            **dialects.write_routes(_speaks(runnel)),
        }
        self._rest = _query_app(runnel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (hot := self._hot.get((scope["method"], scope["path"]))) is not None:
            await hot(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


@contextlib.asynccontextmanager
async def open_runnel(settings: Settings) -> AsyncIterator[Runnel]:
    """All parts, running; closed in the order in which an event passes them (G11).

    Raises:
        ConfigError: a setting is refused, or another process holds the data.
    """
    runnel = _parts(settings)
    async with contextlib.AsyncExitStack() as stack:
        await runnel.queue.open()
        stack.push_async_callback(runnel.queue.close)
        await runnel.store.open()
        stack.push_async_callback(runnel.store.close)
        runnel.asgi = Outer(runnel)
        work = asyncio.create_task(runnel.worker.run(), name="worker")
        publish = asyncio.create_task(runnel.publisher.run(), name="publisher")
        try:
            yield runnel
        finally:
            runnel.stopping = True
            runnel.publisher.stop()
            await publish
            runnel.worker.stop()
            await work


# --- the server process ----------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would end the process before the queue and the store are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. `announce` gets the URL once the server answers.

    Raises:
        ConfigError: the address, a setting or the data folder is refused.
        SystemExit: 1, when the queue's file failed (G6).
    """
    logs.configure(settings)
    listener = _listen(settings)
    loops = uvicorn.Config(app=Outer, loop="uvloop", log_config=None)
    with asyncio.Runner(loop_factory=loops.get_loop_factory()) as runner:
        failed = runner.run(_serve(settings, listener, announce))
    gc.unfreeze()  # so that the driver's objects are gone before it is: it complains on standard error otherwise
    if failed:
        raise SystemExit(1)


def _listen(settings: Settings) -> socket.socket:
    """A listening socket; without keys only on loopback (G12)."""
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ConfigError(f"RUNNEL_HOST: {host!r} is no IP address") from error
    if not loopback:
        raise ConfigError(
            f"RUNNEL_HOST: {host} would let anybody in, because this version has no keys yet: listen on 127.0.0.1 "
            "and put a proxy that authenticates in front"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"RUNNEL_PORT: cannot listen on {host}:{settings.port}: {error.strerror}") from error
    return listener


async def _serve(settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> bool:
    """Serve until told to stop; True when a part failed for good."""
    host, port = listener.getsockname()[:2]
    async with open_runnel(settings) as runnel:
        config = uvicorn.Config(
            runnel.asgi, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, date_header=False, proxy_headers=False, timeout_keep_alive=KEEP_ALIVE, backlog=2048,
            timeout_graceful_shutdown=int(settings.shutdown_timeout),
        )
        server = _Server(config)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            runnel.stopping = True
            server.should_exit = True

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 50)
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has only the flag
            await asyncio.sleep(0.005)
        announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        log.info("ready", host=host, port=port, durability=runnel.queue.durability)
        watches = [asyncio.create_task(part.failed.wait()) for part in (runnel.publisher, runnel.worker)]
        await asyncio.wait([serving, *watches], return_when=asyncio.FIRST_COMPLETED)
        stop()
        await serving
        for watch in watches:
            watch.cancel()
        failed = runnel.publisher.failed.is_set() or runnel.worker.failed.is_set()
    log.info("stopped", failed=failed)
    return failed
