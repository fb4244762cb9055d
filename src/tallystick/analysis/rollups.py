"""The pre-aggregated tables: which fields they have, and whether their rows fit the edges of a range and its buckets.

`rollup` counts events by quarter hour (UTC), `people` has the users who were active in a quarter hour, `people_days`
those of a UTC day. They say what the raw events say, so a query that fits them is answered from them.
"""

from __future__ import annotations

from tallystick.analysis.buckets import QUARTER_HOUR, SECOND, SECONDS, Buckets, micros
from tallystick.model.queries.scope import Scope

ROLLUP_FIELDS = {"name", "source", "site_id"}
"""Fields of an event that `rollup` has a column for."""
PEOPLE_FIELDS = {"site_id"}
"""Fields of an event that `people` and `people_days` have a column for."""


def on_quarter_hours(scope: Scope, buckets: Buckets | None) -> bool:
    """Whether the range and its buckets consist of whole quarter hours."""
    return _edges_on(scope, QUARTER_HOUR) and (buckets is None or buckets.on_quarter_hours)


def on_utc_days(scope: Scope, buckets: Buckets | None) -> bool:
    """Whether the range and its buckets consist of whole UTC days."""
    return _edges_on(scope, SECONDS["day"]) and (buckets is None or buckets.on_utc_days)


def on_utc_hours(scope: Scope, buckets: Buckets) -> bool:
    """Whether the range and its buckets, which are hours, consist of whole UTC hours."""
    return _edges_on(scope, SECONDS["hour"]) and buckets.on_utc_hours


def _edges_on(scope: Scope, seconds: int) -> bool:
    """Whether `since` and `until` are multiples of these seconds since 1970."""
    return all(micros(edge) % (seconds * SECOND) == 0 for edge in (scope.since, scope.until) if edge)
