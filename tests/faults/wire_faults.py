"""A deployment with a wire between it and one of its servers, and what may happen on that wire."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tallystick.harness.server import Api
from tallystick.model.block import MAGIC
from tallystick.queue.redis.scripts import SCRIPTS
from tests.faults.killing import swept
from tests.faults.oracle import Outcome
from tests.faults.server_faults import LONG, Fault, FaultRun
from tests.servers.process import RealServer
from tests.servers.wire import Way, Wire

COMMITS: dict[str, Sequence[bytes]] = {
    "redis": (MAGIC, SCRIPTS["acknowledge"].sha.encode()),
    "rabbitmq": (MAGIC, b"\x00\x3c\x00\x50"),  # class 60, method 80: basic.ack
    "kafka": (MAGIC,),
    "postgres": (b"COMMIT",),
    "clickhouse": (b"INSERT",),
}
"""What Tallystick sends to each server when the server is to keep or to forget something for good."""

PUBLISH_SECONDS, WRITE_SECONDS = 2.0, 4.0
"""Time-outs of a publish and of a statement that writes, in seconds: each is over before a dead wire is mended."""
DEAD_SECONDS = 6.0
SLOW_SECONDS = 2.0
LATENCY = 0.1
"""Seconds in each direction."""
FEW_BYTES = 5_000
"""Within so many bytes of a connection it breaks."""
MORE = 20
"""Requests that are accepted after a fault before the next one."""

WIRE_FAULTS = ("latency", "black_hole", "unheard", "reset_in_commit", "reset_after_bytes", "one_byte_at_a_time")


class WireRun(FaultRun):
    """A run whose queue or store is at the other end of `wire`; its server stays sound.

    Args:
        name: that server, a key of COMMITS.
    """

    def __init__(
        self,
        folder: Path,
        wire: Wire,
        name: str,
        queue: RealServer,
        queue_url: str,
        store: RealServer,
        store_url: str,
        seed: int,
    ) -> None:
        more = {
            "TALLYSTICK_PUBLISH_TIMEOUT": str(PUBLISH_SECONDS),
            "TALLYSTICK_STORE_WRITE_TIMEOUT": str(WRITE_SECONDS),
        }
        self._sweeps = name == "clickhouse"
        super().__init__(folder, queue, queue_url, store, store_url, seed, more=more)
        self.wire = wire
        self.broken = 0
        """Connections that broke where they had to."""
        self._commits = COMMITS[name]
        self._chance = random.Random(seed)

    def faults(self, fault: str, times: int) -> list[Fault]:
        """The same fault so often; a reset comes at another place each time."""
        made: Any = getattr(self, fault)
        return [lambda number=number: self._overcome(made, number) for number in range(times)]  # type: ignore[misc]

    async def _overcome(self, fault: Any, number: int) -> None:
        """A fault, and the return of everything after it."""
        await fault(number)
        self.wire.mend()
        await self._goes_on()

    def look(self) -> Outcome:
        """What is left."""
        return swept(super().look, self.deployment.work[0]) if self._sweeps else super().look()

    # --- the faults -----------------------------------------------------------------------------------------------

    async def latency(self, _: int) -> None:
        """Everything takes long, and arrives."""
        self.wire.delay(LATENCY)
        await asyncio.sleep(SLOW_SECONDS)

    async def black_hole(self, _: int) -> None:
        """Nothing arrives, and nothing fails, for longer than Tallystick waits."""
        self.wire.die()
        await asyncio.sleep(DEAD_SECONDS)

    async def unheard(self, _: int) -> None:
        """The server does what it is asked, and its answers do not arrive."""
        self.wire.die(Way.DOWN)
        await asyncio.sleep(DEAD_SECONDS)

    async def reset_in_commit(self, number: int) -> None:
        """The connection breaks in the middle of a publish, an acknowledgement or a commit, or right after it."""
        pattern = self._commits[number // 2 % len(self._commits)]
        await self._breaks(self.wire.reset_on(pattern, Way.UP, torn=number % 2 == 0))

    async def reset_after_bytes(self, number: int) -> None:
        """The connection breaks anywhere, in one direction and then in the other."""
        way = (Way.UP, Way.DOWN)[number % 2]
        await self._breaks(self.wire.reset_after(self._chance.randrange(1, FEW_BYTES), way))

    async def one_byte_at_a_time(self, _: int) -> None:
        """Both sides have to put together what the other one said; so have new connections."""
        self.wire.trickle()
        await asyncio.sleep(SLOW_SECONDS / 2)
        self.wire.cut()
        await asyncio.sleep(SLOW_SECONDS / 2)

    async def _breaks(self, happened: asyncio.Event) -> None:
        async with asyncio.timeout(LONG):
            await happened.wait()
        self.broken += 1

    # --- afterwards -----------------------------------------------------------------------------------------------

    async def _goes_on(self) -> None:
        """Returns once requests are accepted, and events stored, that were not there before."""
        until = self.clients.answered + MORE
        async with asyncio.timeout(LONG):
            while self.clients.answered < until:  # noqa: ASYNC110 - the clients have no event
                await asyncio.sleep(0.05)
            while (before := await asyncio.to_thread(self._stored)) is None:  # noqa: ASYNC110 - nor has the server
                await asyncio.sleep(0.1)
            while (await asyncio.to_thread(self._stored) or 0) <= before:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def _stored(self) -> int | None:
        """Events in the store; None: nobody says it now."""
        try:
            with closing(Api(self.deployment.read_url)) as api:
                status, _ = api.ask("GET", "/v1/pipeline")
                return int(api.get("/v1/pipeline")["ledger"]["stored"]) if status == 200 else None
        except (OSError, HTTPException):
            return None
