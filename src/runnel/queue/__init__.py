"""Queues: the contract in `base`, one backend a file. This is the only place that names the backends."""

from __future__ import annotations

from urllib.parse import urlsplit

from runnel.config import Settings
from runnel.errors import ConfigError
from runnel.queue.base import Batch, Depth, Queue

__all__ = ["Batch", "Depth", "Queue", "make_queue"]


def make_queue(settings: Settings) -> Queue:
    """The queue that `settings.queue_url` names; opens nothing.

    Raises:
        ConfigError: unknown scheme, or a durability that promises are not kept with.
    """
    scheme = urlsplit(settings.resolved_queue_url).scheme
    if scheme == "sqlite":
        from runnel.queue.sqlite import SqliteQueue

        return SqliteQueue(settings)
    if scheme == "memory":
        from runnel.queue.memory import MemoryQueue

        return MemoryQueue(settings)
    raise ConfigError(f"RUNNEL_QUEUE_URL: {scheme!r} is not a queue this version has; use sqlite or memory")
