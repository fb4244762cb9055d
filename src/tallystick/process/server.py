"""One server process: uvicorn, signals, and a shutdown that loses no request (G11)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from tallystick import logs
from tallystick.app import LAST_REQUESTS, Role, Tallystick, check_role, open_tallystick
from tallystick.config import Settings
from tallystick.errors import TallystickError
from tallystick.process.connections import Connections, raise_descriptor_limit
from tallystick.process.handover import Handover
from tallystick.process.http import protocol_of
from tallystick.process.listen import BACKLOG, Door, open_door

log = structlog.get_logger(__name__)

GC_THRESHOLD = 50_000
"""Allocations between two collections of the youngest generation. High, since even 5,000 events create no cycles."""
OFFER_EVERY = 0.5
"""Seconds between two attempts to offer the shared port to the next process."""

Announce = Callable[[str], None]


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: they would end the process before the queue and the store are closed."""

    def __init__(self, config: uvicorn.Config, linger: float) -> None:
        super().__init__(config)
        self._linger = linger

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, then close the open ones.

        For `linger` seconds an idle connection may still bring a request. It gets its answer with
        `Connection: close`, where closing at once would reset it.
        """
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._linger
        while self.server_state.connections and loop.time() < end:  # noqa: ASYNC110 - uvicorn has only the set
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


def serve(settings: Settings, role: Role, announce: Announce) -> None:
    """Run until SIGTERM or SIGINT. `announce` is called with the URL (empty: there is none) once the process is ready.

    Raises:
        ConfigError: the address, a setting, the data folder or the store's schema is refused.
        Unavailable: queue or store could not be reached within TALLYSTICK_START_TIMEOUT.
        SystemExit: with code 1, when the queue's file failed (G6).
    """
    logs.configure(settings)
    check_role(settings, role)
    raise_descriptor_limit()
    door = open_door(settings, role)
    serve_at(settings, role, door, announce)


def serve_at(
    settings: Settings, role: Role, door: Door, announce: Announce, *, name: str = "", parent: int | None = None
) -> None:
    """Like `serve`, on sockets that exist already.

    Args:
        name: this process's name in logs and metrics; empty: its role.
        parent: a file descriptor that becomes readable when the parent process ends.
    """
    loops = uvicorn.Config(app="", loop="uvloop", log_config=None)
    with asyncio.Runner(loop_factory=loops.get_loop_factory()) as runner:
        failed = runner.run(_serve(settings, role, door, announce, name, parent))
    gc.unfreeze()  # frozen objects would outlive the driver, which then writes to standard error
    if isinstance(failed, TallystickError):
        raise failed
    if failed:
        raise SystemExit(1)


async def _serve(
    settings: Settings, role: Role, door: Door, announce: Announce, name: str, parent: int | None
) -> bool | TallystickError:
    """Serve until stopped. Returns True if a part failed for good, or the error that the operator has to resolve."""
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    running: _Running | None = None

    def stop() -> None:
        if running is not None:
            running.stop()
        elif starting is not None:
            starting.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if parent is not None:
        loop.add_reader(parent, _once_gone, parent, stop)
    try:
        async with open_tallystick(settings, role, name=name, patience=settings.start_timeout) as tallystick:
            running = _Running(tallystick, door, settings)
            await running.run(announce, name or role)
            failed = tallystick.refused or any(failure.is_set() for failure in tallystick.failures)
    except asyncio.CancelledError:
        if running is not None:
            raise
        failed = False  # stopped while it waited for the queue or the store
    log.info("stopped", process=name or role, pid=os.getpid(), failed=bool(failed))
    return failed


def _once_gone(parent: int, stop: Callable[[], None]) -> None:
    asyncio.get_running_loop().remove_reader(parent)
    log.warning("the parent is gone")
    stop()


class _Running:
    """A running process, from its first connection to its last."""

    def __init__(self, tallystick: Tallystick, door: Door, settings: Settings) -> None:
        self._tallystick = tallystick
        self._door = door
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._handover: Handover | None = None
        self._connections = Connections(settings, tallystick.metrics)
        config = uvicorn.Config(
            tallystick.asgi,
            http=protocol_of(self._connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=int(settings.shutdown_timeout),
        )
        self._server = _Server(config, 0.0 if tallystick.role is Role.WORK else LAST_REQUESTS)

    async def run(self, announce: Announce, name: str) -> None:
        """Serve until `stop`, or until a part fails for good."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 50)
        await asyncio.to_thread(self._door.listen)
        self._connections.watch()
        serving = asyncio.create_task(self._server.serve(self._door.sockets))
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has only the flag
            await asyncio.sleep(0.005)
        self._offer()
        announce(self._door.url)
        tallystick = self._tallystick
        log.info("ready", process=name, pid=os.getpid(), url=self._door.url, durability=tallystick.queue.durability)
        watches = [asyncio.create_task(failure.wait()) for failure in tallystick.failures]
        await asyncio.wait([serving, *watches], return_when=asyncio.FIRST_COMPLETED)
        tallystick.stop()
        self._end()
        await serving
        self._connections.stop()
        for watch in watches:
            watch.cancel()

    def stop(self) -> None:
        """Report not ready, then end after `drain_delay`. A second call ends at once."""
        delay = 0.0 if self._tallystick.stopping or self._tallystick.role is Role.WORK else self._settings.drain_delay
        if not self._tallystick.stopping:
            log.info("stopping", in_seconds=delay)
        self._tallystick.stop()
        if self._tallystick.role is Role.WORK:
            self._tallystick.stop_loading()
        self._loop.call_later(delay, self._end)

    def _end(self) -> None:
        if self._handover is not None:
            if self._handover.offered:
                self._loop.remove_reader(self._handover.fileno())
            self._handover.close()
            self._handover = None
        self._server.should_exit = True

    def _offer(self) -> None:
        """Offer the shared port to the next process, as soon as no other process offers it."""
        if not self._door.shared_as or self._door.listener is None or self._server.should_exit:
            return
        self._handover = self._handover or Handover(self._door.listener, self._door.shared_as)
        if self._handover.offer():
            self._loop.add_reader(self._handover.fileno(), self._handover.answer)
        self._loop.call_later(OFFER_EVERY, self._offer)
