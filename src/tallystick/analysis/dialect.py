"""Dialect: what the stores write differently in SQL. The analyses put the fragments together and know no store.

A fragment is a template; its `{…}` take SQL that an analysis made, never text of a request. All stores give the same
results: instants are UTC, texts compare in code-point order, and a property is read as docs/use/query.md says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "number", "bucket", "day", "timestamp", "uuid", "property"]
"""What a parameter is. `bucket`: a bucket's key in microseconds; `day`: a UTC midnight; `property`: its key."""


@dataclass(frozen=True)
class Dialect:
    """One store's fragments.

    A store groups by a bucket's key, of whatever type; `key_us` turns it into the microseconds of `Buckets.key`.

    Attributes:
        placeholder: the parameter numbered `{n}` from 1, by kind.
        encode: converts a parameter of a kind to what the driver takes; kinds without an entry are passed as they are.
        property_text: a property's text: a string's content, other values' JSON text; NULL when missing or null.
        property_json: a property's JSON text, of a string with its quotes; NULL when missing.
        property_number: a JSON number as a double, infinite when it is beyond one; NULL for anything else.
        property_string: whether a property is a JSON string.
        property_content: the text of a property that is a JSON string; of other properties any value.
        property_boolean: `true` or `false`; of a property that is neither any other value.
        property_keys: the distinct keys of `properties`; the column expands to a row for each.
        cut: the bucket key of an instant: moved by seconds (third argument), truncated to a multiple of seconds since
            1970 (second), moved again (fourth).
        month: the bucket key of an instant: moved by seconds and truncated to its month.
        key: the bucket key that is a number of microseconds since 1970.
        key_us: a bucket key as microseconds since 1970.
        uuid_text: a UUID as text in lower case.
        epoch_us: an instant as microseconds since 1970.
        instant: a literal instant of the form `2025-03-30 01:00:00`.
        contains: whether a text contains another, exactly.
        lowered: a text in lower case, for comparisons that ignore case.
        later: a bucket key moved by `{seconds}`.
        same: equality in which NULL equals NULL.
        hash: a 64-bit hash of some values, which sorts far faster than texts; empty: it is no faster.
        often: the condition `{0}` in a form for conditions that many events fulfil: the store reads the rows first and
            tests them afterwards.
        estimate: an estimated count of distinct values, for queries that allow it; empty: there is none.
        percentile: the interpolated percentile `{fraction}` of the non-NULL values.
        finite: a double, NULL when it is infinite.
        total, mean: the sum and the average of the doubles that are neither NULL nor infinite.
        whole: a sum of integers as a 64-bit integer; NULL stays NULL.
        column_text, column_kind: what the two columns of a `PropertyColumn` hold, from a property's JSON text.
        column_number: `property_number` from these two columns.
        day_start: the instant at which the UTC day in `people_days.day` begins; empty: there is no such table.
        sites: WITH and a CTE of all sites (`sites.site`), by which the newest events are looked up site by site; empty:
            that is no faster.
        first, last: of rows with `page`, `timestamp` and `event_id`: the texts `{0}` of the first (last) page view as a
            list; without a page view, of the first (last) row.
        member: the text at index `{1}`, from 1, of such a list.
        ascending: a sorted list of the instants that are not NULL; `list[1]` is the first.
        soonest: the first instant at or after `{0}`, of `first` and the later ones in the sorted list `more`; NULL if
            there is none.
        no_time: NULL as an instant.
        preaggregates: to group events by user or session first is faster than `count(DISTINCT …)`.
    """

    name: str
    placeholder: Callable[[int, Kind], str]
    property_text: str
    property_json: str
    property_number: str
    property_string: str
    property_content: str
    property_boolean: str
    property_keys: str
    cut: Callable[[str, int, int, int], str]
    month: Callable[[str, int], str]
    key: Callable[[int], str]
    encode: dict[Kind, Callable[..., object]] = field(default_factory=dict)
    key_us: str = "{0}"
    later: str = "{0} + {seconds}000000"
    uuid_text: str = "CAST({0} AS VARCHAR)"
    epoch_us: str = "epoch_us({0})"
    instant: str = "TIMESTAMP '{0}'"
    contains: str = "contains({0}, {1})"
    lowered: str = "lower({0})"
    same: str = "{0} IS NOT DISTINCT FROM {1}"
    hash: str = ""
    often: str = "{0}"
    estimate: str = ""
    percentile: str = "quantile_cont({0}, {fraction})"
    finite: str = "CASE WHEN isfinite({0}) THEN {0} END"
    total: str = "sum(CASE WHEN isfinite({0}) THEN {0} END)"
    mean: str = "avg(CASE WHEN isfinite({0}) THEN {0} END)"
    whole: str = "CAST(sum({0}) AS BIGINT)"
    column_text: str = ""
    column_kind: str = ""
    column_number: str = ""
    day_start: str = ""
    sites: str = ""
    first: str = "arg_min([{0}], ROW(-page, timestamp, event_id))"
    last: str = "arg_max([{0}], ROW(page, timestamp, event_id))"
    member: str = "{0}[{1}]"
    ascending: str = "list_sort(list_filter([{0}], lambda moment: moment IS NOT NULL))"
    soonest: str = (
        "CASE WHEN first >= {0} THEN first "
        "WHEN more[-1] >= {0} THEN list_filter(more, lambda moment: moment >= {0})[1] END"
    )
    no_time: str = "CAST(NULL AS TIMESTAMP)"
    preaggregates: bool = False
