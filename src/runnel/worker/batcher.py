"""When a batch is full enough: pure, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """A batch is flushed at the first of these.

    Attributes:
        events, bytes: size of the lines, before compression.
        age: seconds since the batch's first block came.
    """

    events: int
    bytes: int
    age: float


class Batcher:
    """Counts what was gathered and says whether to go on gathering."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._events = 0
        self._bytes = 0
        self._since: float | None = None

    def add(self, events: int, size: int, now: float) -> None:
        """Some blocks came; `now` is monotonic seconds."""
        if self._since is None:
            self._since = now
        self._events += events
        self._bytes += size

    def room(self) -> int:
        """Events that still fit; 0 or less when the batch is full by count or bytes."""
        return 0 if self._bytes >= self._limits.bytes else self._limits.events - self._events

    def patience(self, now: float) -> float:
        """Seconds for which more may still be gathered; 0 when it is time to flush. At most the limit while empty."""
        if self._since is None:
            return self._limits.age
        if self.room() <= 0:
            return 0.0
        return max(0.0, self._since + self._limits.age - now)
