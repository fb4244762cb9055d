"""Finding the events that the store rejects, so that only these become dead letters (G7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tallystick.errors import BlockCorrupt, DataRejected
from tallystick.model.block import Block, split_lines
from tallystick.store.base import DeadLetter

Probe = Callable[[bytes], Awaitable[None]]


def corrupt_blocks(blocks: Sequence[Block]) -> list[DeadLetter]:
    """A dead letter for each block that cannot be unpacked, with the payload as its bytes."""
    letters = []
    for block in blocks:
        try:
            block.lines()
        except BlockCorrupt as error:
            letters.append(whole_block(block, block.payload, error.code, error.message))
    return letters


def whole_block(block: Block, original: bytes, code: str, reason: str, attempts: int = 1) -> DeadLetter:
    """A dead letter that stands for all events of a block."""
    return DeadLetter(block.ingester, block.seq, -1, original, code, reason, block.count, attempts)


async def poisoned_events(blocks: Sequence[Block], probe: Probe) -> list[DeadLetter]:
    """Dead letters for the events that `probe` rejects alone. Bisection: 1 + 2·log2 n probes for one bad event in n."""
    events: list[tuple[Block, int, bytes]] = []
    for block in blocks:
        refused = {line.index for line in block.refused}  # the store makes dead letters of these by itself
        lines = enumerate(split_lines(block.lines()))
        events += [(block, index, line) for index, line in lines if index not in refused]
    tries = 0
    letters: list[DeadLetter] = []

    async def rejection(low: int, high: int) -> DataRejected | None:
        nonlocal tries
        tries += 1
        try:
            await probe(b"".join(line for _, _, line in events[low:high]))
        except DataRejected as error:
            return error
        return None

    async def search(low: int, high: int, error: DataRejected) -> None:
        """Search events[low:high], which were rejected together with `error`."""
        if high - low == 1:
            block, index, line = events[low]
            letter = DeadLetter(block.ingester, block.seq, index, line, error.code, error.message, attempts=tries)
            letters.append(letter)
            return
        middle = (low + high) // 2
        for part in ((low, middle), (middle, high)):
            if (found := await rejection(*part)) is not None:
                await search(*part, found)

    if (error := await rejection(0, len(events))) is not None:
        await search(0, len(events), error)
    return letters
