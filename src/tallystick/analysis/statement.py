"""What compiling a query returns, and what its rows become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from tallystick.analysis.buckets import Buckets

Row: TypeAlias = Sequence[Any]
"""A row as the driver returns it."""

Answer: TypeAlias = tuple[list[dict[str, Any]], str | None]
"""The rows of an answer and `next_cursor`, None on the last page."""


@dataclass(frozen=True)
class Statement:
    """A compiled query: SQL with its parameters, and what is needed to read the rows.

    Attributes:
        exact: no number is an estimate.
        from_rollup: it reads the rollup, `people` or the session index instead of the events.
        reads_kept: it reads all that is kept of removed events for the query, so that its figures cover the range.
        events_from: the query's sites have no events of before, and figures that kept rollups do not have begin here;
            None: all figures cover the range.
        in_halves: it unites SELECTs of parts of the persons or the sessions, each of which is for one process.
        buckets: the buckets of a time series.
        now: when the query was received, where the answer depends on it: which buckets are over.
    """

    sql: str
    params: tuple[object, ...]
    exact: bool = True
    from_rollup: bool = False
    reads_kept: bool = False
    events_from: datetime | None = None
    in_halves: bool = False
    buckets: Buckets | None = None
    now: datetime | None = None
