"""Events and blocks that no store can take: set aside with their bytes, and the others are stored (G6, G7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.block import Block, RefusedLine
from tallystick.model.event import encode_lines
from tallystick.queue import Queue
from tallystick.store import Store
from tallystick.worker.worker import Worker
from tests.helpers.pipeline_steps import closed_books, dead, drain, outcome, restart, stored_numbers
from tests.helpers.samples import INGESTER, block_of_lines, sample_block, sample_event

POISON = {
    "cut": encode_lines([sample_event(900)])[:-10] + b"\n",
    "no JSON": b"\x00\x01 noise\n",
    "no UTF-8": encode_lines([sample_event(901, name="caf_")]).replace(b"caf_", b"caf\xe9"),
    "no object": b"[1,2,3]\n",
    "null": b"null\n",
    "empty": b"\n",
    "no id": b'{"name":"x","timestamp":"2026-03-01T12:00:00Z","received_at":"2026-03-01T12:00:00Z"}\n',
    "id is none": encode_lines([sample_event(902)]).replace(b"00000000-0000", b"not-an-id-000"),
    "time is none": encode_lines([sample_event(903)]).replace(b"2026-03-01T", b"2026-13-41T"),
    "two values": b"{} {}\n",
}
"""Lines that are no canonical event, as a damaged or foreign writer could leave them."""


@pytest.fixture
def worker(queue: Queue, store: Store, settings: Settings) -> Worker:
    return Worker(queue, store, settings)


@dataclass
class Probes:
    count: int = 0


@pytest.fixture
def probes(store: Store, monkeypatch: pytest.MonkeyPatch) -> Probes:
    """Counts how often the store was asked to read lines on trial."""
    counter = Probes()
    probe = store.probe

    async def counted(lines: bytes) -> None:
        counter.count += 1
        await probe(lines)

    monkeypatch.setattr(store, "probe", counted)
    return counter


def most_probes(events: int) -> int:
    """What G7 allows for one bad event."""
    return 1 + 2 * math.ceil(math.log2(events))


def poisoned_block(seq: int, numbers: range, poison: dict[int, bytes]) -> Block:
    """Sample events, with other bytes in place of some lines (by index)."""
    lines = [poison.get(index, encode_lines([sample_event(number)])) for index, number in enumerate(numbers)]
    return block_of_lines(seq, b"".join(lines), len(lines))


async def test_one_bad_event_is_set_aside_and_the_others_are_stored(
    queue: Queue, store: Store, worker: Worker, probes: Probes
) -> None:
    """G7: found in at most 1 + 2·log2 n tries, kept with its bytes, the reason and the attempts."""
    for turn, (name, line) in enumerate(POISON.items()):
        seq, first, probes.count = 2 * turn, 200 * turn, 0
        poisoned = poisoned_block(seq + 1, range(first + 100, first + 200), {37: line})
        await queue.publish([sample_block(seq, range(first, first + 100)), poisoned])

        await drain(worker)

        letters = await dead(store)
        assert len(letters) == turn + 1, name
        (letter,) = (letter for letter in letters if letter.seq > seq)
        assert (letter.ingester, letter.seq, letter.index, letter.events) == (INGESTER, seq + 1, 37, 1), name
        assert letter.original == line
        assert letter.reason
        assert 1 <= letter.attempts <= most_probes(200), name
        assert probes.count <= most_probes(200), name
        good = [number for number in range(first, first + 200) if number != first + 137]
        assert (await stored_numbers(store))[first - turn :] == good, name
        counted = {"accepted": first + 200, "stored": first + 200 - turn - 1, "dead": turn + 1}
        assert outcome(await closed_books(queue, store)) == counted, name


async def test_a_batch_of_one_bad_event(queue: Queue, store: Store, worker: Worker) -> None:
    """G7: the smallest case."""
    await queue.publish([poisoned_block(0, range(1), {0: POISON["cut"]})])

    await drain(worker)

    assert [letter.index for letter in await dead(store)] == [0]
    assert outcome(await closed_books(queue, store)) == {"accepted": 1, "dead": 1}


async def test_several_bad_events_in_several_blocks(queue: Queue, store: Store, worker: Worker) -> None:
    """G7: each is found, none takes a good neighbour with it."""
    await queue.publish(
        [
            poisoned_block(0, range(20), {0: POISON["cut"], 1: POISON["null"], 19: POISON["no JSON"]}),
            sample_block(1, range(20, 40)),
            poisoned_block(2, range(40, 60), {7: POISON["no id"]}),
        ]
    )

    await drain(worker)

    assert [(letter.seq, letter.index) for letter in await dead(store)] == [(0, 0), (0, 1), (0, 19), (2, 7)]
    assert await stored_numbers(store) == [number for number in range(60) if number not in (0, 1, 19, 47)]
    assert outcome(await closed_books(queue, store)) == {"accepted": 60, "stored": 56, "dead": 4}


async def test_nothing_but_bad_events(queue: Queue, store: Store, worker: Worker) -> None:
    """G7: a batch without a good event is acknowledged too, and loading goes on."""
    lines = list(POISON.values())
    await queue.publish([block_of_lines(0, b"".join(lines), len(lines))])
    await drain(worker)
    await queue.publish([sample_block(1, range(5))])
    await drain(worker)

    assert sorted(letter.original for letter in await dead(store)) == sorted(lines)
    assert await stored_numbers(store) == list(range(5))
    assert outcome(await closed_books(queue, store)) == {"accepted": 5 + len(lines), "stored": 5, "dead": len(lines)}


async def test_bad_events_are_not_set_aside_twice(queue: Queue, store: Store, settings: Settings) -> None:
    """G2, G7: dead letters belong to the transaction that the ledger knows."""
    block = poisoned_block(0, range(10), {3: POISON["cut"]})
    await queue.publish([block])
    batch = await queue.consume(10, 0.0)
    assert batch is not None
    await batch.nack()
    await drain(Worker(queue, store, settings))
    await queue.publish([])
    report = await store.write([block])

    assert report.skipped == 1
    assert len(await dead(store)) == 1
    assert outcome(await closed_books(queue, store)) == {"accepted": 10, "stored": 9, "dead": 1}


@pytest.mark.parametrize(
    "payload",
    [b"", b"no Zstandard at all", sample_block(1, range(7)).payload[:-9], sample_block(1, range(6)).payload],
    ids=["empty", "noise", "cut", "other count"],
)
async def test_a_damaged_block_is_set_aside_whole(queue: Queue, store: Store, worker: Worker, payload: bytes) -> None:
    """G6: quarantined with its bytes and counted event by event; no crash loop, no deletion."""
    await queue.publish([sample_block(0, range(10)), Block(INGESTER, 1, 7, payload), sample_block(2, range(20, 30))])

    await drain(worker)

    (letter,) = await dead(store)
    assert (letter.ingester, letter.seq, letter.index, letter.events) == (INGESTER, 1, -1, 7)
    assert letter.original == payload
    assert letter.code == "block_corrupt"
    assert await stored_numbers(store) == [*range(10), *range(20, 30)]
    assert outcome(await closed_books(queue, store)) == {"accepted": 27, "stored": 20, "dead": 7}


async def test_a_damaged_block_beside_a_bad_event(queue: Queue, store: Store, worker: Worker) -> None:
    """G6, G7: both kinds in one batch."""
    damaged = Block(INGESTER, 1, 7, b"damaged")
    await queue.publish([poisoned_block(0, range(10), {4: POISON["cut"]}), damaged])

    await drain(worker)
    await restart(queue, store)

    assert sorted((letter.seq, letter.index, letter.events) for letter in await dead(store)) == [(0, 4, 1), (1, -1, 7)]
    assert await stored_numbers(store) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert outcome(await closed_books(queue, store)) == {"accepted": 17, "stored": 9, "dead": 8}


def with_refused(block: Block, *indexes: int) -> Block:
    """The block with these lines marked as refused before they came into the queue."""
    lines = tuple(RefusedLine(index, "name_too_long", f"line {index} has a long name") for index in indexes)
    return msgspec.structs.replace(block, refused=lines)


async def test_refused_lines_become_dead_letters_without_an_attempt(
    queue: Queue, store: Store, worker: Worker, probes: Probes
) -> None:
    """G4: what a client was told is accepted ends in the store, with its bytes and the reason; the books close."""
    sent = b'{"event_name":""}\n'
    blocks = [
        with_refused(poisoned_block(0, range(10), {9: sent}), 9),
        with_refused(poisoned_block(1, range(10, 12), {0: sent, 1: sent}), 0, 1),
        sample_block(2, range(12, 20)),
    ]
    await queue.publish(blocks)

    await drain(worker)

    letters = await dead(store)
    assert [(letter.seq, letter.index, letter.attempts) for letter in letters] == [(0, 9, 0), (1, 0, 0), (1, 1, 0)]
    assert {(letter.original, letter.code) for letter in letters} == {(sent[:-1], "name_too_long")}
    assert letters[0].reason == "line 9 has a long name"
    assert probes.count == 0
    assert await stored_numbers(store) == [*range(9), *range(12, 20)]
    assert outcome(await closed_books(queue, store)) == {"accepted": 20, "stored": 17, "dead": 3}
    assert (await store.write(blocks)).skipped == 3
    assert len(await dead(store)) == 3


async def test_refused_lines_beside_lines_that_the_store_rejects(queue: Queue, store: Store, worker: Worker) -> None:
    """G7: neither is counted twice."""
    block = poisoned_block(0, range(10), {2: POISON["cut"], 5: b'{"event_name":""}\n'})
    await queue.publish([with_refused(block, 5)])

    await drain(worker)

    assert sorted((letter.index, letter.code) for letter in await dead(store)) == [
        (2, "data_rejected"),
        (5, "name_too_long"),
    ]
    assert outcome(await closed_books(queue, store)) == {"accepted": 10, "stored": 8, "dead": 2}


async def test_refused_lines_of_a_broken_block(queue: Queue, store: Store, worker: Worker) -> None:
    """G6: its lines cannot be read, so one letter stands for all of its events."""
    sound = with_refused(sample_block(0, range(5)), 1, 3)
    await queue.publish([msgspec.structs.replace(sound, payload=b"noise"), sample_block(1, range(5, 8))])

    await drain(worker)

    assert [(letter.index, letter.events) for letter in await dead(store)] == [(-1, 5)]
    assert outcome(await closed_books(queue, store)) == {"accepted": 8, "stored": 3, "dead": 5}
