"""One data folder under load, on a disk that fails, is full or is slow, and servers that follow each other on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tallystick.harness.server import TALLYSTICK, ServerFailed, ServerProcess
from tests.faults.killing import Clients, look
from tests.faults.oracle import Outcome
from tests.servers.scratch import scratch_folder

FAILPOINTS = Path(__file__).with_name("failpoints.py")
LONG = 300.0
"""Seconds that no test waits in full."""
POLL = 0.02


def failing(failpoint: str) -> tuple[str, ...]:
    """The command of a server with this failpoint."""
    return (sys.executable, str(FAILPOINTS), failpoint)


class DiskRun:
    """Clients that go on through everything, and one server at a time."""

    def __init__(self, folder: Path, seed: int, settings: Mapping[str, str] | None = None, senders: int = 6) -> None:
        self.data = folder / "data"
        self.settings = dict(settings or {})
        self.chance = random.Random(seed)
        self.server = self._made(TALLYSTICK)
        self.url = ""
        """That of the newest server that was ready: a request may be on its way when another one starts."""
        self.clients = Clients(lambda: self.url, seed, senders=senders)
        self.ended_badly = 0
        """Servers that ended by themselves, with an error or a signal."""

    async def run(self, course: Callable[[], Awaitable[None]]) -> Outcome:
        """What happens under load; then a sound server runs, the load ends, and what is left is looked at."""
        try:
            async with self.clients.sending():
                await course()
                if self.server_ended:
                    await self.start()
                await self.answers(5)
            return await asyncio.to_thread(look, self.server.url, self.server.url)
        finally:
            self.server.kill()

    async def start(self, command: Sequence[str] = TALLYSTICK) -> bool:
        """Another server on the folder, under load. False: it ended while it started."""
        self.server = self._made(command)
        try:
            await asyncio.to_thread(self.server.start)
        except ServerFailed:
            if command == TALLYSTICK:
                raise
            self.ended_badly += 1
            return False
        self.url = self.server.url
        self.clients.go_on()
        return True

    async def until_it_ends(self) -> int:
        """Returns the exit code of a server that ends by itself."""
        process = self.server._running()
        async with asyncio.timeout(LONG):
            while process.poll() is None:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(POLL)
        self.clients.pause()
        self.ended_badly += process.returncode != 0
        code: int = process.returncode
        return code

    @property
    def server_ended(self) -> bool:
        process = self.server._process
        return process is None or process.poll() is not None

    async def answers(self, more: int) -> None:
        """Returns once so many requests more were accepted."""
        until = self.clients.answered + more
        async with asyncio.timeout(LONG):
            while self.clients.answered < until:  # noqa: ASYNC110 - the clients have no event
                await asyncio.sleep(POLL)

    async def stores(self, more: int) -> None:
        """Returns once so many events more are stored."""
        until = await asyncio.to_thread(self._stored) + more
        async with asyncio.timeout(LONG):
            while await asyncio.to_thread(self._stored) < until:  # noqa: ASYNC110 - the server has no event
                await asyncio.sleep(POLL)

    def _stored(self) -> int:
        with contextlib.closing(self.server.api()) as api:
            return int(api.get("/v1/pipeline")["ledger"]["stored"])

    async def refuses(self) -> None:
        """Returns once a request was refused because the queue or the disk is full."""
        before = self.clients.refused
        async with asyncio.timeout(LONG):
            while self.clients.refused == before:  # noqa: ASYNC110 - the clients have no event
                await asyncio.sleep(POLL)

    async def accepts_nothing(self, seconds: float) -> None:
        """Returns once no request was accepted for so long, or the server ended."""
        answered = -1
        async with asyncio.timeout(LONG):
            while self.clients.answered != answered and not self.server_ended:
                answered = self.clients.answered
                await asyncio.sleep(seconds)

    async def stores_nothing(self, seconds: float) -> None:
        """Returns once nothing was stored for so long, while requests were accepted."""
        async with asyncio.timeout(LONG):
            while True:
                before, answered = await asyncio.to_thread(self._stored), self.clients.answered
                await asyncio.sleep(seconds)
                if self.clients.answered > answered and await asyncio.to_thread(self._stored) == before:
                    return

    def _made(self, command: Sequence[str]) -> ServerProcess:
        return ServerProcess(self.data, self.settings, command)


@contextlib.contextmanager
def small_disk(options: str) -> Iterator[Path]:
    """A file system of its own in memory, such as `size=64m`. Skips the test where nobody may mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    with scratch_folder("small") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"{options},mode=755", "tmpfs", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount a file system")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(file: Path) -> None:
    """Use up every byte of a file system."""
    with file.open("ab", buffering=0) as junk, contextlib.suppress(OSError):
        for size in (1 << 20, 4_096, 1):
            with contextlib.suppress(OSError):
                while junk.write(bytes(size)):
                    pass


def use_up_inodes(folder: Path) -> None:
    """Make files until there can be no more."""
    folder.mkdir()
    number = 0
    with contextlib.suppress(OSError):
        while True:
            (folder / str(number)).touch()
            number += 1
