"""Runs under load in which servers and processes are killed: a deployment, its clients, and one fault after another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from tallystick.harness.deployment import Deployment
from tallystick.harness.server import TALLYSTICK
from tests.faults.killing import Clients, look
from tests.faults.oracle import Outcome
from tests.servers.process import RealServer

SETTLE = (0.1, 1.0)
"""Seconds of load before and after a fault."""

ANSWERS = 30
"""Requests that are accepted between two kills of the queue's server."""
LONG = 300.0
"""Seconds that no test waits in full."""

HANG_SECONDS = 6.0
"""More than TALLYSTICK_QUEUE_TAKEOVER_SECONDS here, and than Kafka's brokers wait for a worker."""

Fault = Callable[[], Awaitable[None]]


class FaultRun:
    """Clients that go on through everything, against processes of Tallystick on real servers."""

    def __init__(
        self,
        folder: Path,
        queue: RealServer,
        queue_url: str,
        store: RealServer,
        store_url: str,
        seed: int,
        command: Sequence[str] = TALLYSTICK,
        more: Mapping[str, str] | None = None,
    ) -> None:
        settings = {"TALLYSTICK_QUEUE_TAKEOVER_SECONDS": "2", "TALLYSTICK_PUBLISH_TIMEOUT": "5", **(more or {})}
        self.deployment = Deployment(
            folder / "data", queue_url, store_url, workers=2, settings=settings, command=command
        )
        self.clients = Clients(lambda: self.deployment.write_url, seed)
        self._queue = queue
        self._store = store
        self._random = random.Random(seed)

    async def run(self, faults: Sequence[Fault]) -> Outcome:
        """One fault after the other under load; then the load ends, the queue drains, and what is left is looked at."""
        try:
            await asyncio.to_thread(self.deployment.start)
            self.clients.go_on()
            async with self.clients.sending():
                for fault in faults:
                    await self._settle()
                    await fault()
                await self._settle()
            return await asyncio.to_thread(self.look)
        finally:
            self.deployment.kill()

    def look(self) -> Outcome:
        """What is left, once the queue is empty."""
        return look(self.deployment.write_url, self.deployment.read_url)

    # --- the faults -----------------------------------------------------------------------------------------------

    async def ingest_dies(self) -> None:
        """kill -9 of the process that takes events; another one starts."""
        self.clients.pause()
        await asyncio.to_thread(self.deployment.ingest[0].kill)
        await asyncio.to_thread(self.deployment.ingest[0].start)
        self.clients.go_on()

    async def worker_dies(self) -> None:
        """kill -9 of one of the two workers; the other takes its blocks over. It is back after the next fault."""
        worker = self._random.choice(self.deployment.work)
        await asyncio.to_thread(worker.kill)
        await self._settle()
        await asyncio.to_thread(worker.start)

    async def worker_hangs(self) -> None:
        """SIGSTOP for longer than the queue waits: the other worker has its blocks when it goes on."""
        worker = self.deployment.work[0]
        worker.pause()
        await asyncio.sleep(HANG_SECONDS)
        worker.resume()
        await asyncio.sleep(2.0)

    async def queue_dies(self) -> None:
        """kill -9 of the queue's server in the middle of publishes, and its recovery from its own files.

        Some servers listen long before they take anything, so that the next kill has to wait for answers.
        """
        await self._crash(self._queue)
        until = self.clients.answered + ANSWERS
        async with asyncio.timeout(LONG):
            while self.clients.answered < until:  # noqa: ASYNC110 - the clients have no event
                await asyncio.sleep(0.05)

    async def store_dies(self) -> None:
        """kill -9 of the store's server in the middle of transactions, and its recovery."""
        await self._crash(self._store)

    async def store_is_away(self, seconds: float) -> None:
        """The store is stopped in good order and comes back later; events are taken all the while."""
        await asyncio.to_thread(self._store.stop)
        accepted = len(self.clients.ledger.accepted)
        await asyncio.sleep(seconds)
        assert len(self.clients.ledger.accepted) > accepted, "nothing was accepted while the store was away (G6)"
        await asyncio.to_thread(self._store.start)

    async def store_is_away_until_refused(self) -> None:
        """The store is stopped in good order, and comes back when the queue's budget is used up."""
        await asyncio.to_thread(self._store.stop)
        async with asyncio.timeout(LONG):
            while not self.clients.refused:  # noqa: ASYNC110 - the clients have no event
                await asyncio.sleep(0.05)
        await asyncio.to_thread(self._store.start)

    async def _crash(self, server: RealServer) -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await asyncio.to_thread(server.start)

    async def _settle(self) -> None:
        await asyncio.sleep(self._random.uniform(*SETTLE))
