"""Sample events and blocks, for tests that need some and do not care which."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from tallystick.model.block import Block, RequestPart, make_block
from tallystick.model.event import NO_PROPERTIES, Event, encode_lines

INGESTER = "00000000000000aa"
"""An ingester id of the right form."""

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sample_event(
    number: int, *, timestamp: datetime | None = None, name: str = "page_view", properties: bytes = b""
) -> Event:
    """The event whose id is `number`; a second apart unless a timestamp is given. The same number, the same event."""
    return Event(
        event_id=UUID(int=number),
        name=name,
        timestamp=timestamp or NOON + timedelta(seconds=number),
        received_at=NOON + timedelta(seconds=number),
        user_id=f"user-{number % 7}",
        properties=msgspec.Raw(properties) if properties else NO_PROPERTIES,
    )


def sample_block(seq: int, numbers: Sequence[int], ingester: str = INGESTER) -> Block:
    """The block of the events with these numbers, from one request."""
    return block_of(seq, [sample_event(number) for number in numbers], ingester)


def incompressible_block(seq: int, size: int = 100_000, ingester: str = INGESTER) -> Block:
    """A block of one event with `size` random bytes in its properties."""
    noise = base64.b64encode(random.Random(seq).randbytes(size))
    return block_of(seq, [sample_event(seq, properties=b'{"noise":"' + noise + b'"}')], ingester)


def block_of(seq: int, events: Sequence[Event], ingester: str = INGESTER) -> Block:
    """The block of these events, from one request."""
    return block_of_lines(seq, encode_lines(list(events)), len(events), ingester)


def block_of_lines(seq: int, lines: bytes, count: int, ingester: str = INGESTER) -> Block:
    """The block around these bytes, whatever they are."""
    return make_block(ingester, seq, lines, count, (RequestPart(f"request-{ingester}-{seq}", count),))
