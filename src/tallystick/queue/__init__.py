"""Queues: the contract in `base`, one module or package for each backend. Only this module names the backends."""

from __future__ import annotations

from tallystick.config import Settings, check_files, split_url
from tallystick.errors import ConfigError
from tallystick.extras import needed_for
from tallystick.metrics import Metrics
from tallystick.queue.base import Batch, Depth, Queue

__all__ = ["Batch", "Depth", "Queue", "is_embedded", "make_queue"]

EMBEDDED = ("sqlite", "memory")
"""Schemes of the queues that live inside one process."""
SCHEMES = ("sqlite", "redis", "rediss", "unix", "amqp", "amqps", "kafka", "kafkas", "memory")
"""All schemes that TALLYSTICK_QUEUE_URL takes."""


def is_embedded(settings: Settings) -> bool:
    """Whether the queue belongs to one process, so that no other can share it."""
    return split_url(settings.resolved_queue_url).scheme in EMBEDDED


def make_queue(settings: Settings, metrics: Metrics | None = None) -> Queue:
    """The queue that `settings.queue_url` names; opens nothing. `metrics`: for what only the queue can count.

    Raises:
        ConfigError: the scheme is unknown, or needs packages that are not installed; a file it names cannot be read.
    """
    scheme = split_url(settings.resolved_queue_url).scheme
    check_files("TALLYSTICK_QUEUE_URL", settings.queue_url)
    if scheme == "sqlite":
        from tallystick.queue.sqlite.queue import SqliteQueue

        return SqliteQueue(settings)
    if scheme == "memory":
        from tallystick.queue.memory import MemoryQueue

        return MemoryQueue(settings)
    if scheme in ("redis", "rediss", "unix"):
        with needed_for(f"TALLYSTICK_QUEUE_URL: {scheme}://"):
            from tallystick.queue.redis import RedisQueue

        return RedisQueue(settings, metrics)
    if scheme in ("amqp", "amqps"):
        with needed_for(f"TALLYSTICK_QUEUE_URL: {scheme}://"):
            from tallystick.queue.rabbitmq import RabbitQueue

        return RabbitQueue(settings)
    if scheme in ("kafka", "kafkas"):
        with needed_for(f"TALLYSTICK_QUEUE_URL: {scheme}://"):
            from tallystick.queue.kafka import KafkaQueue

        return KafkaQueue(settings, metrics)
    raise ConfigError(f"TALLYSTICK_QUEUE_URL: {scheme!r} is no scheme of a queue; there are {', '.join(SCHEMES)}")
