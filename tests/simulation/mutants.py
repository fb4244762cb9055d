"""Simulated servers with one promise taken out, to see that the runs notice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tallystick.ingest.publisher import Publisher, Tell
from tallystick.model.block import RefusedLine, receipt_of
from tallystick.queue.base import Batch
from tallystick.worker.worker import Worker
from tests.faults.mutants import Forgotten
from tests.simulation.broker import Broker
from tests.simulation.run import Simulation
from tests.simulation.tables import Tables


class NoFsync(Simulation):
    """The queue confirms before its disk has the blocks."""

    def make_broker(self) -> Broker:
        return Broker(self.weather, synced=False)


class FullEvicts(Simulation):
    """A full queue deletes its oldest block instead of refusing the new one."""

    def make_broker(self) -> Broker:
        return Broker(self.weather, evicts=True)


class NoLedger(Simulation):
    """A block that is delivered again is stored again."""

    def make_tables(self) -> Tables:
        return Tables(self.weather, skips=False)


class NoDedupe(Simulation):
    """An event that is stored is stored again when its client sends it again."""

    def make_tables(self) -> Tables:
        return Tables(self.weather, dedupes=False)


class _AcksFirst(Worker):
    async def _gather(self, wait: float) -> Batch | None:
        batch = await super()._gather(wait)
        if batch is not None:
            await batch.ack()
        return batch and Forgotten(batch)


class AckBeforeCommit(Simulation):
    """The worker acknowledges what the store does not have yet."""

    worker = _AcksFirst


class _SameIdentity(Publisher):
    def _identity(self) -> None:
        if not hasattr(self, "ingester"):
            super()._identity()


class SeqUsedTwice(Simulation):
    """The publisher goes on with the same ingester after a publish of unknown outcome."""

    publisher = _SameIdentity


class _AnswersFirst(Publisher):
    def submit(self, lines: bytes, count: int, request_id: str, refused: Sequence[RefusedLine], tell: Tell) -> None:
        super().submit(lines, count, request_id, refused, lambda _: None)
        asyncio.get_running_loop().call_soon(tell, receipt_of(self.ingester, self.seq))


class AnswerBeforeCommit(Simulation):
    """The client has its 202 before the queue has the events."""

    publisher = _AnswersFirst


MUTANTS: dict[type[Simulation], str] = {
    NoFsync: "neither stored nor dead",
    FullEvicts: "neither stored nor dead",
    NoLedger: "were published",
    NoDedupe: "stored more than once",
    AckBeforeCommit: "neither stored nor dead",
    SeqUsedTwice: "neither stored nor dead",
    AnswerBeforeCommit: "neither stored nor dead",
}
"""Each with what its runs complain of."""
