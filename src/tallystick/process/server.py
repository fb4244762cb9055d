"""One server process: uvicorn, signals, and a shutdown that loses no request (G11)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from tallystick import logs
from tallystick.app import LAST_REQUESTS, Role, Tallystick, check_role, open_tallystick
from tallystick.config import Settings
from tallystick.errors import TallystickError
from tallystick.keys import is_loopback
from tallystick.process.connections import Connections, raise_descriptor_limit
from tallystick.process.handover import Handover
from tallystick.process.http import protocol_of
from tallystick.process.listen import BACKLOG, Door, hold_back, open_door, reachable_as

log = structlog.get_logger(__name__)

GC_THRESHOLD = 50_000
"""Allocations between two collections of the youngest generation. High, since even 5,000 events create no cycles."""
SETTLE = 0.2
"""Seconds in which connections that are being opened get through, before the listener is closed."""
OFFER_EVERY = 0.5
"""Seconds between two attempts to offer the shared port to the next process."""

Announce = Callable[[str], None]


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: they would end the process before the queue and the store are closed."""

    def __init__(self, config: uvicorn.Config, linger: float) -> None:
        super().__init__(config)
        self._linger = linger
        self.alone: socket.socket | None = None
        """The listener, where no other process has it and a proxy in front is to find another process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, then close the open ones.

        For `linger` seconds an idle connection may still bring a request. It gets its answer with
        `Connection: close`, where closing at once would reset it.
        """
        if self.alone is not None and hold_back(self.alone):
            await asyncio.sleep(SETTLE)
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
    try:
        serve_at(settings, role, door, announce)
    finally:
        for listener in door.sockets:
            listener.close()


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
            running = _Running(tallystick, door, settings, owns_door=parent is None)
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

    def __init__(self, tallystick: Tallystick, door: Door, settings: Settings, *, owns_door: bool) -> None:
        """`owns_door`: the door is not that of a parent process and its other children."""
        self._tallystick = tallystick
        self._owns_door = owns_door
        self._door = door
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._handover: Handover | None = None
        self._connections = Connections(settings, tallystick.metrics)
        config = uvicorn.Config(
            tallystick.asgi,
            http=protocol_of(self._connections, tallystick.asgi.take),
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
        url = self._door.url
        serving = asyncio.create_task(self._server.serve(self._door.sockets))
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has only the flag
            await asyncio.sleep(0.005)
        if not self._server.should_exit:  # else it was stopped while it started, and the sockets may be closed
            self._offer()
            announce(url)
            self._log_ready(name, url)
            await self._offer_first_account(url)
        tallystick = self._tallystick
        watches = [asyncio.create_task(failure.wait()) for failure in tallystick.failures]
        await asyncio.wait([serving, *watches], return_when=asyncio.FIRST_COMPLETED)
        tallystick.stop()
        self._end()
        await serving
        self._connections.stop()
        for watch in watches:
            watch.cancel()

    async def _offer_first_account(self, url: str) -> None:
        """Print a link that makes the first administrator, where the server is open to other machines and has none.

        A link that is still valid is not replaced: another process may have printed it.
        """
        tallystick = self._tallystick
        if not tallystick.role.answers or is_loopback(self._settings.host):
            return
        try:
            link = await tallystick.accounts.invitations.offer_first_account()
        except TallystickError as error:  # such as a database user that may make no tables
            log.warning("no link for a first account", error=error.whole)
            return
        if link:
            base = self._settings.public_origin or reachable_as(url)
            sys.stdout.write(f"\nno account yet: {base}{link}\nmakes the first administrator, once, within a day\n")
            sys.stdout.flush()

    def _log_ready(self, name: str, url: str) -> None:
        tallystick = self._tallystick
        said = {"durability": tallystick.queue.durability}
        if tallystick.role in (Role.UP, Role.INGEST):
            said["enrichment"] = ", ".join(
                f"{step} {on}" for step, on in tallystick.settings.enrichment.items() if on != "false"
            )
        log.info("ready", process=name, pid=os.getpid(), url=url, **said)

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
        given = self._door.taken or (self._handover is not None and self._handover.given)
        if self._settings.drain_delay and self._owns_door and not given:
            self._server.alone = self._door.listener
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
