"""From each queue into a store, and into each store: stored once, whatever stops the worker, and the books close."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.block import Block
from tallystick.model.books import close_books
from tallystick.model.event import Event
from tallystick.queue import Queue
from tallystick.store import DeadLetter, Store, WriteReport
from tallystick.worker.worker import Worker
from tests.faults.times import REPETITIONS, Record
from tests.helpers.pipeline_steps import (
    Crash,
    CrashingQueue,
    closed_books,
    dead,
    drain,
    outcome,
    restart,
    rows,
    stored_numbers,
)
from tests.helpers.samples import block_of, sample_block, sample_event
from tests.helpers.thorough import THOROUGH

DEATHS = 5 if THOROUGH else 1


@pytest.fixture
def worker(queue: Queue, store: Store, settings: Settings) -> Worker:
    return Worker(queue, store, settings)


# --- loading --------------------------------------------------------------------------------------------------------


async def test_what_was_published_is_stored(queue: Queue, store: Store, worker: Worker) -> None:
    """G4: every accepted event is in a column, and this time it is `stored`."""
    await queue.publish([sample_block(seq, range(seq * 10, seq * 10 + 10)) for seq in range(3)])

    await drain(worker)

    assert await stored_numbers(store) == list(range(30))
    assert outcome(await closed_books(queue, store)) == {"accepted": 30, "stored": 30}


async def test_nothing_to_do_is_said(worker: Worker) -> None:
    assert await worker.step(wait=0.0) is False


async def test_what_waits_is_in_the_books(queue: Queue, store: Store, worker: Worker) -> None:
    """G4: between the 202 and the commit an event is `queued`."""
    await queue.publish([sample_block(0, range(10))])
    await drain(worker)
    await queue.publish([sample_block(1, range(10, 15))])

    assert outcome(await closed_books(queue, store)) == {"accepted": 15, "stored": 10, "queued": 5}


async def test_it_runs_until_it_is_stopped(queue: Queue, store: Store, worker: Worker) -> None:
    """G11: the batch in hand is finished, what is left stays in the queue."""
    running = asyncio.create_task(worker.run())
    for seq in range(20):
        await queue.publish([sample_block(seq, range(seq * 5, seq * 5 + 5))])
    worker.stop()

    async with asyncio.timeout(60):
        await running

    totals = await closed_books(queue, store)
    assert totals.accepted == totals.stored + totals.queued == 100


async def test_the_books_close_at_every_moment_of_loading(queue: Queue, store: Store, worker: Worker) -> None:
    """G4: not only at rest."""
    running = asyncio.create_task(worker.run())
    for seq in range(30):
        await queue.publish([sample_block(seq, range(seq * 5, seq * 5 + 5))])
        totals, differences = close_books(await queue.books(), await store.ledger())
        assert differences == []
        assert totals.missing == 0
        assert totals.accepted >= 5 * (seq + 1)
    worker.stop()
    await running


# --- stopped in the middle ------------------------------------------------------------------------------------------


async def test_killed_between_commit_and_acknowledgement(
    queue: Queue, store: Store, settings: Settings, record_property: Record
) -> None:
    """G2, G3: the blocks are delivered again, the ledger knows them, nothing is stored twice."""
    record_property(REPETITIONS, DEATHS)
    for death in range(1, DEATHS + 1):
        await queue.publish(
            [sample_block(seq, range(seq * 10, seq * 10 + 10)) for seq in range(3 * death - 3, 3 * death)]
        )
        with pytest.raises(Crash):
            await Worker(CrashingQueue(queue), store, settings).step(wait=0.0)
        assert await stored_numbers(store) == list(range(30 * death))
        assert (await queue.depth()).blocks == 3 * death
        await restart(queue, store)

    await queue.publish([sample_block(3 * DEATHS, range(30 * DEATHS, 30 * DEATHS + 5))])
    await drain(Worker(queue, store, settings))

    events = 30 * DEATHS + 5
    assert await stored_numbers(store) == list(range(events))
    assert (await queue.depth()).blocks == 0
    assert outcome(await closed_books(queue, store)) == {"accepted": events, "stored": events}


async def test_killed_before_the_commit(queue: Queue, store: Store, settings: Settings) -> None:
    """G3, G11: blocks that a dead worker had are loaded by the next."""
    await queue.publish([sample_block(seq, range(seq * 10, seq * 10 + 10)) for seq in range(3)])
    assert await queue.consume(20, 0.0) is not None

    await restart(queue, store)
    await drain(Worker(queue, store, settings))

    assert await stored_numbers(store) == list(range(30))
    assert outcome(await closed_books(queue, store)) == {"accepted": 30, "stored": 30}


async def test_cancelled_at_any_moment(queue: Queue, store: Store, settings: Settings) -> None:
    """G2, G3: wherever a worker is stopped, every event is stored, and once."""
    for seq in range(12):
        await queue.publish([sample_block(seq, range(seq * 50, seq * 50 + 50))])
        step = asyncio.create_task(Worker(queue, store, settings).step(wait=0.0))
        await asyncio.sleep(0.002 * seq)
        step.cancel()
        await asyncio.wait([step])

    await restart(queue, store)
    await drain(Worker(queue, store, settings))

    assert await stored_numbers(store) == list(range(600))
    assert outcome(await closed_books(queue, store)) == {"accepted": 600, "stored": 600}


# --- the store is away ----------------------------------------------------------------------------------------------


class Outage:
    """Makes a store unavailable; the real one answers again when `over` is set."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.over = False
        self.refused = 0
        self._write = store.write
        monkeypatch.setattr(store, "write", self.write)

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        if self.over:
            return await self._write(blocks, dead)
        self.refused += 1
        raise StoreUnavailable

    async def has_refused(self, times: int) -> None:
        async with asyncio.timeout(60):
            while self.refused < times:  # noqa: ASYNC110 - `write` is called by the worker, not from here
                await asyncio.sleep(0.01)


async def emptied(queue: Queue) -> None:
    """Wait until nothing is left in the queue."""
    async with asyncio.timeout(60):
        while (await queue.depth()).blocks:  # noqa: ASYNC110 - a queue has no event to wait for
            await asyncio.sleep(0.01)


async def test_an_unavailable_store_loses_nothing(
    queue: Queue, store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: events wait in the queue, none becomes a dead letter, loading goes on by itself."""
    outage = Outage(store, monkeypatch)
    await queue.publish([sample_block(0, range(10))])
    running = asyncio.create_task(worker.run())
    await outage.has_refused(3)
    await queue.publish([sample_block(1, range(10, 20))])
    assert outcome(await closed_books(queue, store)) == {"accepted": 20, "queued": 20}

    outage.over = True
    await emptied(queue)
    worker.stop()
    await running

    assert await stored_numbers(store) == list(range(20))
    assert outcome(await closed_books(queue, store)) == {"accepted": 20, "stored": 20}


async def test_an_outage_does_not_count_as_an_attempt(
    queue: Queue, store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: only the tries that the data failed are counted."""
    broken = Block("00000000000000bb", 0, 1, b"damaged")
    outage = Outage(store, monkeypatch)
    await queue.publish([broken])
    running = asyncio.create_task(worker.run())
    await outage.has_refused(3)
    outage.over = True
    await emptied(queue)
    worker.stop()
    await running

    assert [letter.attempts for letter in await dead(store)] == [1]


async def test_stopping_while_the_store_is_away_gives_the_blocks_back(
    queue: Queue, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: a worker that cannot store ends in time all the same."""
    outage = Outage(store, monkeypatch)
    await queue.publish([sample_block(0, range(10))])
    worker = Worker(queue, store, settings)
    running = asyncio.create_task(worker.run())
    await outage.has_refused(1)
    worker.stop()
    async with asyncio.timeout(60):
        await running

    outage.over = True
    await drain(Worker(queue, store, settings))

    assert await stored_numbers(store) == list(range(10))
    assert outcome(await closed_books(queue, store)) == {"accepted": 10, "stored": 10}


async def test_stopping_ends_the_gathering_and_stores_what_is_there(
    queue: Queue, store: Store, settings: Settings
) -> None:
    """G11: an age of minutes does not hold a process that has to end."""
    await queue.publish([sample_block(0, range(10))])
    worker = Worker(queue, store, settings.model_copy(update={"batch_max_age": 600.0}))
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.2)

    worker.stop()
    async with asyncio.timeout(60):
        await running

    assert await stored_numbers(store) == list(range(10))
    assert outcome(await closed_books(queue, store)) == {"accepted": 10, "stored": 10}


# --- the same event again -------------------------------------------------------------------------------------------


async def load(queue: Queue, worker: Worker, batches: Sequence[Sequence[Event]]) -> None:
    """Each batch of events as a block of its own, loaded before the next is published."""
    for seq, events in enumerate(batches):
        await queue.publish([block_of(seq, events)])
        await drain(worker)


async def test_sent_twice_in_one_block(queue: Queue, store: Store, worker: Worker) -> None:
    """G2: stored once, the other is a duplicate."""
    await load(queue, worker, [[sample_event(1), sample_event(2), sample_event(1)]])

    assert await stored_numbers(store) == [1, 2]
    assert outcome(await closed_books(queue, store)) == {"accepted": 3, "stored": 2, "duplicates": 1}


async def test_sent_twice_in_one_batch_of_two_blocks(queue: Queue, store: Store, worker: Worker) -> None:
    """G2: the earlier block has it."""
    await queue.publish([sample_block(0, [1, 2]), sample_block(1, [2, 3])])
    await drain(worker)

    first = await store.receipt(sample_block(0, []).ingester, 0)
    second = await store.receipt(sample_block(0, []).ingester, 1)
    assert first is not None
    assert second is not None
    assert (first.stored, first.duplicates, second.stored, second.duplicates) == (2, 0, 1, 1)
    assert await stored_numbers(store) == [1, 2, 3]
    assert outcome(await closed_books(queue, store)) == {"accepted": 4, "stored": 3, "duplicates": 1}


async def test_sent_again_later(queue: Queue, store: Store, worker: Worker) -> None:
    """G2: a retry by the client, in a block of its own."""
    await load(queue, worker, [[sample_event(1), sample_event(2)], [sample_event(2), sample_event(3)]])

    assert await stored_numbers(store) == [1, 2, 3]
    assert outcome(await closed_books(queue, store)) == {"accepted": 4, "stored": 3, "duplicates": 1}


def arriving_now(number: int, timestamp: datetime) -> Event:
    """A sample event with another event time, received at this moment: what the dedupe window looks at."""
    return msgspec.structs.replace(sample_event(number), timestamp=timestamp, received_at=datetime.now(UTC))


async def test_sent_again_after_a_restart(queue: Queue, store: Store, settings: Settings) -> None:
    """G2: what was stored is known from the store, not from a process."""
    sent = datetime.now(UTC)
    await queue.publish([block_of(0, [sample_event(1), arriving_now(2, sent)])])
    await drain(Worker(queue, store, settings))
    await restart(queue, store)
    await queue.publish([block_of(1, [sample_event(1), arriving_now(2, sent + timedelta(minutes=1))])])
    await drain(Worker(queue, store, settings))

    assert await stored_numbers(store) == [1, 2]
    assert (await closed_books(queue, store)).duplicates == 2


@pytest.mark.parametrize("hours", [-1000, -47, 1, 23])
async def test_sent_again_with_another_time(queue: Queue, store: Store, worker: Worker, hours: int) -> None:
    """G2: known within the window after its arrival, whatever the times are; the first write wins."""
    sent = datetime.now(UTC)
    again = arriving_now(1, sent + timedelta(hours=hours))
    await load(queue, worker, [[arriving_now(1, sent)], [sample_event(2)], [again]])

    stored = {row["user_id"]: row["timestamp"] for row in await rows(store)}
    assert len(stored) == 2
    assert datetime.fromisoformat(stored["user-1"]) == sent
    assert (await closed_books(queue, store)).duplicates == 1


async def test_sent_again_with_the_same_time_long_ago(queue: Queue, store: Store, worker: Worker) -> None:
    """G2: known forever, and not only within the window."""
    old = sample_event(1, timestamp=datetime(2001, 2, 3, tzinfo=UTC))
    await load(queue, worker, [[old], [sample_event(2), old]])

    assert await stored_numbers(store) == [1, 2]
    assert (await closed_books(queue, store)).duplicates == 1


async def test_the_same_id_with_another_payload(queue: Queue, store: Store, worker: Worker) -> None:
    """G2: a duplicate that is counted as a conflict too; the first write wins."""
    await load(queue, worker, [[sample_event(1, name="first")], [sample_event(1, name="second")]])

    assert [row["name"] for row in await rows(store)] == ["first"]
    totals = outcome(await closed_books(queue, store))
    assert totals == {"accepted": 2, "stored": 1, "duplicates": 1, "conflicts": 1}


async def test_the_same_id_on_another_site_is_another_event(queue: Queue, store: Store, worker: Worker) -> None:
    """G2: identity is (site_id, event_id)."""
    other = msgspec.structs.replace(sample_event(1), site_id="other")
    await load(queue, worker, [[sample_event(1), other]])

    assert await stored_numbers(store) == [1, 1]
    assert outcome(await closed_books(queue, store)) == {"accepted": 2, "stored": 2}
