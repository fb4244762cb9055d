"""Numbers that ascend with time, where a database would have a counter: versions of rows, ids of dead letters."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable


def _microseconds() -> int:
    return time.time_ns() // 1_000


class Ticks:
    """What a clock says, each number once: a clock that is set back gives no number again."""

    def __init__(self, clock: Callable[[], int] = _microseconds) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """A number above all earlier ones."""
        self._last = max(self._last + 1, self._clock())
        return self._last


TICKS = Ticks()
"""Microseconds since 1970, of this process."""


_FIRST_YEAR = 1_577_836_800_000
"""2020 began so many milliseconds after 1970."""
_PROCESSES = 4_096


class LetterIds:
    """Ids of dead letters: milliseconds, and in the last 12 bits a random number of the process. Two processes that set
    letters aside at the same moment so have different ids.

    They stay below 2^53, which JavaScript can count, until 2089.
    """

    def __init__(self, process: int | None = None, ticks: Ticks | None = None) -> None:
        self._process = secrets.randbelow(_PROCESSES) if process is None else process
        self._ticks = ticks or Ticks(lambda: time.time_ns() // 1_000_000)

    def next(self) -> int:
        """An id above all earlier ones of this process."""
        return (self._ticks.next() - _FIRST_YEAR) * _PROCESSES + self._process


LETTER_IDS = LetterIds()
"""Those of this process."""

CHANGED_LETTERS = 2**63
"""Versions of dead letters that changed are above this, and get larger with time."""
