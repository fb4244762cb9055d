"""How much each key and each site may send (G5): token buckets, in the memory of one process.

A request is refused while the bucket of its key or of its site is empty, before its body is read. One that is let in
may take more than the bucket has, and the next ones wait for that: so no batch is too large for ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from tallystick.config import Settings
from tallystick.errors import QuotaExceeded


@dataclass
class Bucket:
    """What one caller has left, as of `at` on the clock; below 0 after a request that took more than there was."""

    left: float
    at: float


class Rates(NamedTuple):
    """A key's own quota: what it may send a second; 0: any amount; None: what the settings say."""

    events: int | None
    bytes: int | None


NO_RATES = Rates(None, None)
What: TypeAlias = Literal["events", "bytes"]


class Limit:
    """One quota: so much a second for each caller, of which `burst` seconds' worth may be used at once.

    Attributes:
        whose: `key` or `site`.
        rate: a second, for a caller without a rate of its own; 0: no quota.
    """

    def __init__(self, whose: str, what: What, rate: int, burst: float) -> None:
        self.whose = whose
        self.what = what
        self.rate = rate
        self._burst = burst
        self._buckets: dict[Hashable, Bucket] = {}

    def wait(self, caller: Hashable, rate: int, now: float) -> float:
        """Seconds until the caller may send again; 0: now."""
        return max(0.0, -self._bucket(caller, rate, now).left / rate)

    def spend(self, caller: Hashable, rate: int, amount: int, now: float) -> None:
        """Take what a request brought."""
        self._bucket(caller, rate, now).left -= amount

    def _bucket(self, caller: Hashable, rate: int, now: float) -> Bucket:
        """The caller's bucket with what flowed in until now. A rate that was changed holds from now on."""
        most = rate * self._burst
        bucket = self._buckets.setdefault(caller, Bucket(most, now))
        bucket.left = min(most, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        return bucket


class Quotas:
    """The quotas of one process. Callers are keys that were checked, so there are no more buckets than keys."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that never go back."""
        self._clock = clock
        burst = settings.quota_burst
        self._of_keys = (
            Limit("key", "events", settings.quota_key_events, burst),
            Limit("key", "bytes", settings.quota_key_bytes, burst),
        )
        self._of_sites = (
            Limit("site", "events", settings.quota_site_events, burst),
            Limit("site", "bytes", settings.quota_site_bytes, burst),
        )
        self._any = any(limit.rate for limit in (*self._of_keys, *self._of_sites))

    def check(self, key: bytes, site: str | None, own: Rates = NO_RATES) -> None:
        """Whether a request may come in.

        Args:
            key: empty when the request needs none; all such requests count as one key.
            site: the key's only site; None: the key is of every site, and no site's quota applies.
            own: the key's own quota.

        Raises:
            QuotaExceeded: with the seconds after which the next one may come in.
        """
        if not self._any and own is NO_RATES:
            return
        now = self._clock()
        longest, said = 0.0, ""
        for limit, who, rate in self._of(key, site, own):
            if (wait := limit.wait(who, rate, now)) > longest:
                longest, said = wait, f"this {limit.whose} may send {rate:,} {limit.what} a second"
        if longest > 0:
            raise QuotaExceeded(f"{said}, and has sent more: wait {math.ceil(longest)} s", math.ceil(longest))

    def spend(self, key: bytes, site: str | None, events: int, size: int, own: Rates = NO_RATES) -> None:
        """Count what a request brought. `size`: bytes of its events as they are queued."""
        if not self._any and own is NO_RATES:
            return
        now = self._clock()
        for limit, who, rate in self._of(key, site, own):
            limit.spend(who, rate, events if limit.what == "events" else size, now)

    def _of(self, key: bytes, site: str | None, own: Rates) -> Iterator[tuple[Limit, Hashable, int]]:
        """The limits that hold for a caller, the caller's name there, and its rate."""
        for limit, own_rate in zip(self._of_keys, own, strict=True):
            if rate := limit.rate if own_rate is None else own_rate:
                yield limit, key, rate
        if site is not None:
            for limit in self._of_sites:
                if limit.rate:
                    yield limit, site, limit.rate
