"""The queue in Redis (7 or newer): one stream, one consumer group, one entry per block."""

from __future__ import annotations

from tallystick.queue.redis.queue import RedisQueue

__all__ = ["RedisQueue"]
