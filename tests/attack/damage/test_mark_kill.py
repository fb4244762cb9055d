"""kill -9 at any moment of a queue under load: no false alarm by log, rows or mark, and nothing confirmed is gone."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tallystick.config import Settings
from tests.faults.times import REPETITIONS, Record
from tests.helpers.queue.steps import opened, take_all
from tests.helpers.thorough import examples
from tests.servers.scratch import scratch_folder

ROOT = Path(__file__).parents[3]
KILLS = 30
SERVE = """
import asyncio, pathlib, random, secrets, sys
from tallystick.config import Settings
from tallystick.queue import make_queue
from tests.helpers.samples import incompressible_block, sample_block

async def main():
    queue = make_queue(Settings(data=pathlib.Path(sys.argv[1]), disk_reserve_bytes=0))
    print("opening", flush=True)
    await queue.open()
    ingester, seq = secrets.token_hex(8), 0
    while True:
        blocks = []
        for _ in range(random.choice((1, 1, 3, 8))):
            large = random.random() < 0.2
            make = incompressible_block if large else sample_block
            size = random.choice((5_000, 300_000)) if large else range(random.randint(1, 9))
            blocks.append(make(seq, size, ingester))
            seq += 1
        await queue.publish(blocks)
        print(ingester, seq, flush=True)
        if random.random() < 0.4 and (batch := await queue.consume(random.randint(1, 30), 0)) is not None:
            print("acknowledging", *(f"{b.ingester}-{b.seq}" for b in batch.blocks), flush=True)
            await batch.ack()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder("kills", in_memory=True) as folder:
        yield folder


async def test_no_kill_raises_an_alarm(folder: Path, record_property: Record) -> None:
    """G1, G6, G11: at its start, in a commit, in a copy of the log, between a commit and its mark."""
    record_property(REPETITIONS, examples(KILLS))
    confirmed: dict[str, int] = {}
    gone: set[str] = set()
    for kill in range(examples(KILLS)):
        said = await asyncio.to_thread(life, folder, random.Random().uniform(0.0, 0.6))
        for line in said:
            match line.split():
                case ["acknowledging", *receipts]:
                    gone |= set(receipts)
                case [ingester, seq]:
                    confirmed[ingester] = int(seq)
        with capture_logs() as logs:
            async with opened(Settings(data=folder, disk_reserve_bytes=0)) as queue:
                books = await queue.books()
                here = {f"{block.ingester}-{block.seq}" for block in books.queued}
                if kill % 5 == 4:
                    gone |= {f"{block.ingester}-{block.seq}" for block in await take_all(queue)}
        assert logs == []
        for ingester, seqs in confirmed.items():
            assert books.published[ingester].next_seq >= seqs
            assert {f"{ingester}-{seq}" for seq in range(seqs)} <= here | gone


def life(folder: Path, seconds: float) -> list[str]:
    """What a process said before it was killed, so many seconds after it began to open the queue."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        assert process.wait() == -signal.SIGKILL, json.dumps(process.stderr.read())
    assert first == "opening\n"
    return rest.splitlines()
