"""Retention: for how many days each site's events are kept, and which whole UTC days therefore go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tallystick.analysis.buckets import EPOCH, micros
from tallystick.store.carried import DayEvents
from tallystick.store.removal import Span, steps

DAYS_MAX = 36_500
"""Most days of a rule: a hundred years."""


class RetentionRule(msgspec.Struct, frozen=True):
    """How long a site's events are kept, in the place of TALLYSTICK_RETENTION_DAYS.

    Attributes:
        days: 1 to DAYS_MAX; None: for ever.
        keep_rollups: whether rollups stay when their events go; None: as TALLYSTICK_RETENTION_ROLLUPS says.
    """

    site_id: str
    days: int | None
    keep_rollups: bool | None = None


class Keeping(msgspec.Struct, frozen=True):
    """Of which sites rollups stay when retention removes their events.

    Attributes:
        default: whether those of the sites that are not in `others` do.
        others: the sites of which the opposite holds, ascending.
    """

    default: bool = False
    others: tuple[str, ...] = ()

    def of(self, site_id: str) -> bool:
        """Whether a site's rollups stay."""
        return self.default != (site_id in self.others)

    @property
    def any(self) -> bool:
        """Whether those of any site may stay."""
        return self.default or bool(self.others)


NO_KEEPING = Keeping()
"""Rollups go with their events on every site."""


class Borders(msgspec.Struct, frozen=True):
    """Up to where events go: midnights in UTC; None: no event goes.

    Attributes:
        default: that of the sites that are not in `sites`.
        keeping: of which sites rollups stay.
    """

    default: datetime | None
    sites: Mapping[str, datetime | None] = {}
    keeping: Keeping = NO_KEEPING

    def of(self, site_id: str) -> datetime | None:
        """A site's border."""
        return self.sites.get(site_id, self.default)

    @property
    def everywhere(self) -> datetime | None:
        """Up to where the events of every site go, of those too that have none yet."""
        borders = [self.default, *self.sites.values()]
        return None if None in borders else min(border for border in borders if border is not None)

    @property
    def latest(self) -> datetime | None:
        """After it no event goes; None: none goes at all."""
        return max((border for border in (self.default, *self.sites.values()) if border is not None), default=None)

    def going(self, end_of_day: datetime, sites: Iterable[str]) -> list[str]:
        """Those of some sites whose events of a day go.

        Args:
            end_of_day: the midnight at which the day ends.
        """
        return [site for site in sites if (border := self.of(site)) is not None and end_of_day <= border]

    def steps(self, days: Iterable[DayEvents]) -> list[tuple[str, Span]]:
        """Which days of which site go, each site's oldest first, put together to steps of about STEP_EVENTS events.

        Args:
            days: what is stored, ascending by day.
        """
        going: dict[str, list[tuple[int, int]]] = {}
        for site, day, events in days:
            border = self.of(site)
            if border is not None and day < micros(border):
                going.setdefault(site, []).append((day, events))
        return [(site, span) for site in sorted(going) for span in steps(going[site])]


def borders_at(
    now: datetime, default_days: float, rules: Sequence[RetentionRule], keep_rollups: bool = False
) -> Borders:
    """The borders at an instant.

    Args:
        default_days: of sites without a rule; 0: for ever.
        keep_rollups: whether rollups stay on sites whose rule does not say it.
    """
    sites = {rule.site_id: None if rule.days is None else _border(now, rule.days) for rule in rules}
    others = tuple(sorted(rule.site_id for rule in rules if rule.keep_rollups not in (None, keep_rollups)))
    return Borders(_border(now, default_days) if default_days else None, sites, Keeping(keep_rollups, others))


def may_drop(going: Collection[str], present: Collection[str]) -> bool:
    """Whether a day can be dropped as a whole: each of its sites lets it go."""
    return bool(present) and set(present) <= set(going)


def _border(now: datetime, days: float) -> datetime:
    """The midnight that begins the day of so many days ago, but never before EPOCH."""
    oldest = max(now.astimezone(UTC) - timedelta(days=min(days, DAYS_MAX)), EPOCH)
    return oldest.replace(hour=0, minute=0, second=0, microsecond=0)
