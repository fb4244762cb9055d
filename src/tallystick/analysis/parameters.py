"""A compiled question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tallystick.analysis.buckets import Buckets


@dataclass(frozen=True)
class Statement:
    """SQL with its parameters, and what is needed to read its rows.

    Attributes:
        exact: no number is an estimate.
        from_rollup: it reads the rollup, `people` or folded sessions instead of the events.
        buckets: of a time series.
        now: when it was asked, where the answer depends on it.
    """

    sql: str
    params: tuple[object, ...]
    exact: bool = True
    from_rollup: bool = False
    buckets: Buckets | None = None
    now: datetime | None = None
