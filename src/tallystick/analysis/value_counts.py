"""Value counts: how many events of a day have a path or a value of a property, counted by the store ahead of queries.

A metrics query that counts events or adds up numbers, and names only one such field beside the rollup's own, reads them
instead of the events; the answer is the same. How a store counts is its own business: a query only gets rows to read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tallystick.analysis.property_columns import PropertyColumn

PATH = "path"

COLUMN = PropertyColumn(0, 0)
"""The columns of a property's value in the rows, as if they were a property column."""


@dataclass(frozen=True)
class ValueCounts:
    """The counts of one field, as of one transaction. The statement has to run in the same transaction.

    Attributes:
        field: `path`, or `properties.<key>`.
        has_events: the rows are made of events too, of those that are not counted yet.
        rows: SELECT of `site_id`, `bucket`, `name`, `source`, `bot`, `events` and the value: `path`, or the columns of
            COLUMN. The arguments are the range, and whether the statement tells apart no more than UTC days; then a row
            may stand for a whole day of the range. `bucket` is an instant in that day, or in the quarter hour.
    """

    field: str
    has_events: bool
    rows: Callable[[datetime | None, datetime | None, bool], str]
