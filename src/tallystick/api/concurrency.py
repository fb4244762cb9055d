"""Places: how many long answers there may be at a time, of all callers and of one."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from tallystick.errors import TooMany, Unavailable
from tallystick.store.turns import CALLER


class Places:
    """At most `total` at a time, and of one key half of them; without keys everybody is one who may have them all."""

    def __init__(self, total: int, what: str, setting: str) -> None:
        """
        Args:
            what: goes on, in the plural; for sentences.
            setting: says how many.
        """
        self._total = total
        self._what = what
        self._setting = setting
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many there are now."""
        return self._taken.total()

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """One of them for the `CALLER`, until the end of the `with`.

        Raises:
            TooMany: the caller has as many as one key may have.
            Unavailable: all are taken.
        """
        caller = CALLER.get()
        if caller and self._taken[caller] >= max(1, self._total // 2):
            message = f"this key has as many {self._what} as one may have, half of {self._setting}: end one, or wait"
            raise TooMany(message)
        if self.taken >= self._total:
            raise Unavailable(f"there are as many {self._what} as {self._setting} allows: try again later")
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            self._taken += Counter()  # those who have none are forgotten
