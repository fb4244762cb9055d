"""Queues: the contract in `base`, one module or package for each backend. Only this module names the backends."""

from __future__ import annotations

from urllib.parse import urlsplit

from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.metrics import Metrics
from tallystick.queue.base import Batch, Depth, Queue

__all__ = ["Batch", "Depth", "Queue", "is_embedded", "make_queue"]

EMBEDDED = ("sqlite", "memory")
"""Schemes of the queues that live inside one process."""


def is_embedded(settings: Settings) -> bool:
    """Whether the queue belongs to one process, so that no other can share it."""
    return urlsplit(settings.resolved_queue_url).scheme in EMBEDDED


def make_queue(settings: Settings, metrics: Metrics | None = None) -> Queue:
    """The queue that `settings.queue_url` names; opens nothing. `metrics`: for what only the queue can count.

    Raises:
        ConfigError: the scheme is unknown.
    """
    scheme = urlsplit(settings.resolved_queue_url).scheme
    if scheme == "sqlite":
        from tallystick.queue.sqlite.queue import SqliteQueue

        return SqliteQueue(settings)
    if scheme == "memory":
        from tallystick.queue.memory import MemoryQueue

        return MemoryQueue(settings)
    if scheme in ("redis", "rediss", "unix"):
        from tallystick.queue.redis import RedisQueue

        return RedisQueue(settings, metrics)
    if scheme in ("amqp", "amqps"):
        from tallystick.queue.rabbitmq import RabbitQueue

        return RabbitQueue(settings)
    raise ConfigError(f"TALLYSTICK_QUEUE_URL: {scheme!r} is not a queue this version has; use sqlite or memory")
