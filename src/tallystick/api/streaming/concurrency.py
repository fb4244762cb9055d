"""A limit on long answers that run at the same time: for all callers together, and for each of them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from tallystick.errors import TooMany, Unavailable
from tallystick.store.turns import CALLER


class ConcurrencyLimit:
    """At most `total` answers at a time; one key may hold half of them. Requests without a key share all of them."""

    def __init__(self, total: int, what: str, setting: str) -> None:
        """
        Args:
            what: what is limited, in the plural; for error messages.
            setting: the setting that gives `total`; for error messages.
        """
        self._total = total
        self._what = what
        self._setting = setting
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many run now."""
        return self._taken.total()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Count one more for the `CALLER`, until the `with` block ends.

        Raises:
            TooMany: the caller holds as many as one key may hold.
            Unavailable: the total is reached.
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
            self._taken += Counter()  # drops callers whose count is zero, so the counter does not grow for ever
