"""The queue's gauges, which every process that answers /metrics reads at each scrape."""

from __future__ import annotations

from tallystick.errors import TallystickError
from tallystick.metrics import Metrics
from tallystick.queue.base import Queue

NOT_A_NUMBER = float("nan")


async def set_queue_gauges(metrics: Metrics, queue: Queue) -> None:
    """Set the queue's gauges. NaN: the queue does not answer, or cannot know the value."""
    values: tuple[float | None, ...]
    try:
        depth = await queue.depth()
        values = (1.0, depth.blocks, depth.events, depth.bytes, depth.oldest_age if depth.blocks else 0.0)
    except TallystickError:
        values = (0.0, None, None, None, None)
    gauges = (
        metrics.up.labels("queue"),
        metrics.queue_blocks,
        metrics.queue_events,
        metrics.queue_bytes,
        metrics.queue_oldest,
    )
    for gauge, value in zip(gauges, values, strict=True):
        gauge.set(NOT_A_NUMBER if value is None else value)
