"""Kept rollups: counts that stayed when retention removed their events, and which queries read them.

`kept_rollup` has the columns of `rollup`. `kept_days` says how many users a site had on a UTC day: days cannot be added
up, since a user may be in several, nor can sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.rollups import on_utc_days
from tallystick.model.query import MetricsQuery


@dataclass(frozen=True)
class Kept:
    """What is kept in the range of a query, as of one transaction. The statement has to run in the same transaction.

    Attributes:
        events_from: the end of the last kept day of the query's sites.
        exact: users of the kept days are counted once. They may not be where events of such a day came later.
    """

    events_from: datetime
    exact: bool


def has_kept_users(query: MetricsQuery, buckets: Buckets | None) -> bool:
    """Whether `kept_days` has the users of each group: a UTC day of one site."""
    one_site = query.site_id is not None or "site_id" in query.breakdown
    return one_site and query.interval == "day" and on_utc_days(query, buckets)
