"""Group commit: who shares a publish, what becomes of the sequence, and what a failing queue means for a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog

from tallystick.config import Settings
from tallystick.errors import QueueBroken, QueueFull, QueueUnavailable, Unavailable
from tallystick.ingest.publisher import BLOCKS_PER_PUBLISH, COMPRESS_IN_THREAD_BYTES, IDS_IN_LINE, Publisher
from tallystick.model.block import Block, RefusedLine, parse_receipt
from tallystick.queue.memory import MemoryQueue

LINE = b'{"name":"a"}\n'


class GatedQueue(MemoryQueue):
    """The memory queue, whose commits wait for the test and may fail as the test says.

    Attributes:
        commits: the blocks of each publish that was begun.
        gate: commits go through while it is set.
        failures: raised by the next publishes, before anything is taken.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.commits: list[Sequence[Block]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[Exception] = []

    async def publish(self, blocks: Sequence[Block]) -> None:
        self.commits.append(blocks)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        await super().publish(blocks)

    async def blocks(self) -> list[Block]:
        """What the queue has durably, in order."""
        batch = await self.consume(1_000_000, 0)
        return list(batch.blocks) if batch else []


@asynccontextmanager
async def publishing(**settings: float) -> AsyncIterator[tuple[Publisher, GatedQueue]]:
    made = Settings(allow_weak_durability=True, **settings)  # type: ignore[arg-type]
    queue = GatedQueue(made)
    publisher = Publisher(queue, made)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher, queue
    finally:
        queue.gate.set()
        publisher.stop()
        await asyncio.wait_for(running, 60)


def send(publisher: Publisher, *counts: int) -> list[asyncio.Task[str]]:
    """A request for each count of events, under way."""
    return [asyncio.create_task(publisher.publish(LINE * n, n, f"request-{n}")) for n in counts]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a list has no event to wait for
            await asyncio.sleep(0.001)


async def begun(queue: GatedQueue, commits: int = 1) -> None:
    await until(lambda: len(queue.commits) == commits)


async def test_requests_that_arrive_meanwhile_share_the_next_commit() -> None:
    """G1: no answer before the commit, and one commit for all that wait."""
    async with publishing() as (publisher, queue):
        queue.gate.clear()
        first = send(publisher, 1)
        await begun(queue)
        others = send(publisher, 2, 3, 4)
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in first + others)
        queue.gate.set()
        receipts = await asyncio.gather(*first, *others)
    assert receipts == [f"{publisher.ingester}-0", *[f"{publisher.ingester}-1"] * 3]
    blocks = await queue.blocks()
    assert [(block.seq, block.count) for block in blocks] == [(0, 1), (1, 9)]
    assert [(part.request_id, part.count) for part in blocks[1].requests] == [(f"request-{n}", n) for n in (2, 3, 4)]
    assert blocks[1].lines() == LINE * 9


async def test_refused_lines_keep_their_place_among_those_of_other_requests() -> None:
    refused = [RefusedLine(1, "name_missing", "it has no name")]
    async with publishing() as (publisher, queue):
        queue.gate.clear()
        first = send(publisher, 1)
        await begun(queue)
        others = [
            *send(publisher, 3),
            *[asyncio.create_task(publisher.publish(LINE * 2, 2, f"refused-{n}", refused)) for n in range(2)],
        ]
        await asyncio.sleep(0.01)
        queue.gate.set()
        await asyncio.gather(*first, *others)
    found = [(line.index, line.code) for line in (await queue.blocks())[1].refused]
    assert found == [(4, "name_missing"), (6, "name_missing")]


async def test_the_log_leads_from_a_request_to_its_receipt() -> None:
    refused = [RefusedLine(1, "name_missing", "it has no name")]
    with structlog.testing.capture_logs() as lines:
        async with publishing(block_max_events=1_000_000, block_max_bytes=2**30) as (publisher, queue):
            queue.gate.clear()
            first = send(publisher, 1)
            await begun(queue)
            others = [
                *send(publisher, *range(2, 302)),
                asyncio.create_task(publisher.publish(LINE, 1, "last", refused)),
            ]
            await asyncio.sleep(0.01)
            queue.gate.set()
            await asyncio.gather(*first, *others)
    accepted = [line for line in lines if line["event"] == "accepted"]
    found = {name: line["receipt"] for line in accepted for name in line["request_ids"].split()}
    for block in await queue.blocks():
        for part in block.requests:
            assert found[part.request_id] == f"{block.ingester}-{block.seq}"
    assert found.keys() == {*(f"request-{n}" for n in range(1, 302)), "last"}
    assert max(len(line["request_ids"].split()) for line in accepted) == IDS_IN_LINE
    assert [line.get("refused") for line in accepted] == [None, *[1] * (len(accepted) - 1)]


async def test_accepted_requests_are_not_logged_when_that_is_off() -> None:
    with structlog.testing.capture_logs() as lines:
        async with publishing(log_accepted=False) as (publisher, _):
            await asyncio.gather(*send(publisher, 1))
    assert lines == []


async def test_a_request_is_never_divided() -> None:
    async with publishing(block_max_events=10, block_max_bytes=1024) as (publisher, queue):
        queue.gate.clear()
        first = send(publisher, 1)
        await begun(queue)
        others = send(publisher, 6, 6, 4, 25, 1)
        await asyncio.sleep(0)
        queue.gate.set()
        await asyncio.gather(*first, *others)
        assert [block.count for block in queue.commits[1]] == [6, 10, 25, 1]
        big = await asyncio.gather(*send(publisher, 100, 1))
    assert big[0] != big[1]
    assert [block.seq for block in await queue.blocks()] == list(range(7))


async def test_a_commit_is_bounded() -> None:
    async with publishing(block_max_events=1) as (publisher, queue):
        queue.gate.clear()
        tasks = send(publisher, 1)
        await begun(queue)
        tasks += send(publisher, *[1] * (BLOCKS_PER_PUBLISH + 2))
        await asyncio.sleep(0)
        queue.gate.set()
        await asyncio.gather(*tasks)
    assert [len(commit) for commit in queue.commits] == [1, BLOCKS_PER_PUBLISH, 2]
    assert [block.seq for block in await queue.blocks()] == list(range(BLOCKS_PER_PUBLISH + 3))


async def test_large_payloads_take_the_same_way() -> None:
    async with publishing() as (publisher, queue):
        count = COMPRESS_IN_THREAD_BYTES // len(LINE) + 1
        await asyncio.gather(*send(publisher, count))
    (block,) = await queue.blocks()
    assert block.lines() == LINE * count


async def test_queue_full_uses_up_no_seq() -> None:
    """G5: nothing was taken, so the sequence goes on without a hole."""
    async with publishing() as (publisher, queue):
        before = parse_receipt(await publisher.publish(LINE, 1, "r"))
        queue.failures = [QueueFull(), QueueFull()]
        for _ in range(2):
            with pytest.raises(QueueFull):
                await publisher.publish(LINE, 1, "r")
        after = parse_receipt(await publisher.publish(LINE, 1, "r"))
    assert before is not None
    assert (before[1], after) == (0, (before[0], 1))


@pytest.mark.parametrize(
    "failure", [QueueUnavailable("gone"), OSError("disk"), QueueBroken("fsync")], ids=lambda error: type(error).__name__
)
async def test_unknown_outcome_begins_a_fresh_ingester(failure: Exception) -> None:
    """G1: the block may be there or not; as the last of its ingester it can leave no hole either way."""
    async with publishing() as (publisher, queue):
        before = parse_receipt(await publisher.publish(LINE, 1, "r"))
        queue.failures = [failure]
        with pytest.raises(QueueUnavailable) as raised:
            await publisher.publish(LINE, 1, "r")
        assert raised.value.status == 503
        after = parse_receipt(await publisher.publish(LINE, 1, "r"))
        assert publisher.failed.is_set() is isinstance(failure, QueueBroken)
    assert before is not None
    assert after is not None
    assert after[0] != before[0]
    assert (before[1], after[1]) == (0, 0)


async def test_a_commit_that_takes_too_long_is_answered_and_goes_on() -> None:
    """G1: 503 means unknown; what waited after it is answered too, and nothing is published twice."""
    async with publishing(publish_timeout=0.05) as (publisher, queue):
        queue.gate.clear()
        first = send(publisher, 1)
        await begun(queue)
        behind = send(publisher, 2)
        results = await asyncio.gather(*first, *behind, return_exceptions=True)
        assert [type(result) for result in results] == [QueueUnavailable, QueueUnavailable]
        later = send(publisher, 3)
        assert isinstance((await asyncio.gather(*later, return_exceptions=True))[0], QueueUnavailable)
        publisher._settings = publisher._settings.model_copy(update={"publish_timeout": 600})  # for a busy machine
        queue.gate.set()
        assert parse_receipt(await publisher.publish(LINE, 1, "r")) == (publisher.ingester, 1)
    assert [(block.seq, block.count) for block in await queue.blocks()] == [(0, 1), (1, 1)]


async def test_stop_publishes_what_waits() -> None:
    """G11: what was taken in before the end is finished, what comes after is refused."""
    async with publishing() as (publisher, queue):
        queue.gate.clear()
        tasks = send(publisher, 1)
        await begun(queue)
        tasks += send(publisher, 2)
        await asyncio.sleep(0)
        publisher.stop()
        with pytest.raises(Unavailable):
            await publisher.publish(LINE, 1, "late")
        queue.gate.set()
        await asyncio.gather(*tasks)
    assert [block.count for block in await queue.blocks()] == [1, 2]


async def gone_while_committing(publisher: Publisher, queue: GatedQueue) -> asyncio.Task[str]:
    tasks = send(publisher, 1)
    await begun(queue)
    return tasks[0]


async def gone_while_waiting(publisher: Publisher, queue: GatedQueue) -> asyncio.Task[str]:
    send(publisher, 5)
    await begun(queue)
    tasks = send(publisher, 1)
    await asyncio.sleep(0)
    return tasks[0]


@pytest.mark.parametrize("gone", [gone_while_committing, gone_while_waiting])
async def test_a_client_that_is_gone_hangs_nobody(
    gone: Callable[[Publisher, GatedQueue], Awaitable[asyncio.Task[str]]],
) -> None:
    """Its events are published all the same: it cannot know that they were not."""
    async with publishing() as (publisher, queue):
        queue.gate.clear()
        task = await gone(publisher, queue)
        task.cancel()
        await asyncio.sleep(0)
        queue.gate.set()
        await asyncio.wait_for(publisher.publish(LINE * 3, 3, "r"), 60)
        assert task.cancelled()
    assert {1, 3} <= {part.count for block in await queue.blocks() for part in block.requests}
