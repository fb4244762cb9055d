"""Several processes on one port: a parent holds the listening socket, and its children accept connections from it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from tallystick import logs
from tallystick.app import LAST_REQUESTS, Role, check_role
from tallystick.config import Settings
from tallystick.errors import ConfigError, TallystickError
from tallystick.process.connections import raise_descriptor_limit
from tallystick.process.handover import Handover
from tallystick.process.listen import Door, open_door, status_socket
from tallystick.process.server import OFFER_EVERY, serve_at

log = structlog.get_logger(__name__)

STOPPING = (signal.SIGTERM, signal.SIGINT)
REFUSED = 2
"""Exit code of a child that cannot start because of a setting. The parent does not start it again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a child that ended is replaced. Doubled each time a child ends within SOON seconds of its start."""
SOON = 10.0
"""A child that ran for more than this many seconds did not fail at its start."""
EXTRA = 3.0
"""Seconds that children get on top of what the settings allow, before the parent kills them."""


@dataclass
class Child:
    """One child process; `ready` once it has reported that it is."""

    number: int
    pid: int = 0
    started: float = 0.0
    ready: bool = False
    pause: float = FIRST_PAUSE
    due: float = 0.0
    voice: int = -1
    """Read end of a pipe on which the child reports that it is ready; -1: none is open."""


@dataclass
class Family:
    """A parent process and its children. `run` is everything that the parent does."""

    settings: Settings
    role: Role
    count: int
    announce: Callable[[str], None]
    children: list[Child] = field(default_factory=list)
    stopping: float = 0.0
    code: int = 0

    def run(self) -> int:
        """Supervise the children until SIGTERM, SIGINT or a child that cannot start. Returns the exit code.

        Raises:
            ConfigError: the address or a setting is refused.
        """
        logs.configure(self.settings)
        check_role(self.settings, self.role)
        raise_descriptor_limit()
        self._door = open_door(self.settings, self.role)
        self._door.listen()
        self._life, self._hold = os.pipe()  # children close the write end, so it closes when the parent dies
        self._selector = selectors.DefaultSelector()
        self._handover: Handover | None = None
        self._wake, self._signal = socket.socketpair()
        self._stop_signals = 0
        self._announced = False
        self._hear_signals()
        self.children = [Child(number) for number in range(1, self.count + 1)]
        try:
            while self._going_on():
                self._start_due()
                self._offer()
                self._wait()
                if self._stop_signals:
                    self._stop_signals = 0
                    self._stop(0)
                self._bury()
        finally:
            self._end_all(signal.SIGKILL)
            signal.set_wakeup_fd(-1)
        log.info("stopped", process=f"{self.role} parent", pid=os.getpid(), failed=self.code != 0)
        return self.code

    # --- signals and descriptors ----------------------------------------------------------------------------------

    def _hear_signals(self) -> None:
        for end in (self._wake, self._signal):
            end.setblocking(False)
        signal.set_wakeup_fd(self._signal.fileno(), warn_on_full_buffer=False)
        for number in STOPPING:
            signal.signal(number, self._hear)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._wake, selectors.EVENT_READ, self._hush)

    def _hear(self, *_: object) -> None:
        self._stop_signals += 1

    def _hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(64):
                pass

    def _wait(self) -> None:
        for key, _ in self._selector.select(OFFER_EVERY if all(child.pid for child in self.children) else FIRST_PAUSE):
            key.data()

    def _offer(self) -> None:
        if not self._door.shared_as or self._door.listener is None or self.stopping:
            return
        self._handover = self._handover or Handover(self._door.listener, self._door.shared_as)
        if any(child.ready for child in self.children) and self._handover.offer():
            self._selector.register(self._handover.fileno(), selectors.EVENT_READ, self._handover.answer)

    # --- children -------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for child in self.children:
            if not child.pid and not self.stopping and time.monotonic() >= child.due:
                self._start(child)

    def _start(self, child: Child) -> None:
        voice, ready = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child.started, child.ready = time.monotonic(), False
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # until the child has its own handlers
        child.pid = os.fork()
        if child.pid == 0:
            os.close(voice)
            self._be(child, ready)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        os.close(ready)
        child.voice = voice
        self._selector.register(voice, selectors.EVENT_READ, lambda: self._heard(child))

    def _be(self, child: Child, ready: int) -> None:
        """Run as the child. Does not return."""
        code = 1
        try:
            self._forget_the_parent()
            beside = status_socket(self.settings, child.number)
            door = Door(self._door.listener, beside=[beside] if beside else [])
            name = f"{self.role}-{child.number}"
            serve_at(self.settings, self.role, door, lambda _: _say_ready(ready), name=name, parent=self._life)
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except TallystickError as error:
            log.error("could not start", process=f"{self.role}-{child.number}", error=error.whole)
            code = REFUSED if isinstance(error, ConfigError) else 1
        except BaseException:
            log.exception("failed", process=f"{self.role}-{child.number}")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _forget_the_parent(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (*STOPPING, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        self._selector.close()
        self._wake.close()
        self._signal.close()
        os.close(self._hold)
        for other in self.children:
            if other.voice >= 0:
                os.close(other.voice)
        if self._handover is not None:
            self._handover.close()

    def _heard(self, child: Child) -> None:
        ready = bool(os.read(child.voice, 1))
        self._selector.unregister(child.voice)
        os.close(child.voice)
        child.voice = -1
        if not ready:
            return  # the child ended before it was ready
        child.ready = True
        if not self._announced and all(other.ready for other in self.children):
            self._announced = True
            self.announce(self._door.url)

    def _bury(self) -> None:
        for child in self.children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        lived = time.monotonic() - child.started
        pid, child.pid = child.pid, 0
        if self.stopping:
            if code not in (0, -signal.SIGTERM):  # SIGTERM ends a child that has no handlers yet
                self.code = self.code or 1
            return
        if code == REFUSED or not (child.ready or any(other.ready for other in self.children)):
            log.error(
                "a process could not start, so all processes end", process=f"{self.role}-{child.number}", code=code
            )
            self._stop(code if code > 0 else 1)
            return
        child.ready = False
        child.pause = FIRST_PAUSE if lived > SOON else min(2 * child.pause, LONGEST_PAUSE)
        child.due = time.monotonic() + child.pause
        log.error(
            "a process ended and is replaced",
            process=f"{self.role}-{child.number}",
            pid=pid,
            code=code,
            in_seconds=child.pause,
        )

    # --- stopping -------------------------------------------------------------------------------------------------

    def _stop(self, code: int) -> None:
        """Send SIGTERM to the children. A second SIGTERM ends their wait of TALLYSTICK_DRAIN_DELAY."""
        self._end_all(signal.SIGTERM)
        if self.stopping:
            return
        self.code = code
        self.stopping = time.monotonic()
        if self._handover is not None:
            if self._handover.offered:
                self._selector.unregister(self._handover.fileno())
            self._handover.close()
        if self._door.listener is not None:
            self._door.listener.close()

    def _going_on(self) -> bool:
        if not self.stopping:
            return True
        allowed = self.settings.drain_delay + LAST_REQUESTS + self.settings.shutdown_timeout + EXTRA
        if time.monotonic() > self.stopping + allowed:
            log.error(
                "processes did not end in time and are killed", left=sum(1 for child in self.children if child.pid)
            )
            self.code = self.code or 1
            self._end_all(signal.SIGKILL)
            return False
        return any(child.pid for child in self.children)

    def _end_all(self, number: signal.Signals) -> None:
        for child in self.children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)


def _say_ready(ready: int) -> None:
    os.write(ready, b"!")
    os.close(ready)


def serve_many(settings: Settings, role: Role, count: int, announce: Callable[[str], None]) -> None:
    """Run `count` processes on one port until SIGTERM or SIGINT.

    Raises:
        ConfigError: the address or a setting is refused.
        SystemExit: with a code other than 0, when a child could not start or did not end.
    """
    if code := Family(settings, role, count, announce).run():
        raise SystemExit(code)
