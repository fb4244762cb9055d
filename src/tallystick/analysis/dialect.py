"""Dialect: the fragments of SQL in which the stores differ. `compile` puts them together and knows no dialect.

A fragment is a template; `{…}` takes SQL that `compile` made, never text of a request. All take and give the same:
instants are the store's UTC timestamps, texts compare in code-point order, a property is read as docs/use/query.md says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "number", "bucket", "day", "timestamp", "uuid", "property"]
"""What a parameter is. `bucket`: microseconds, a bucket's key; `day`: a UTC midnight; `property`: a key."""


@dataclass(frozen=True)
class Dialect:
    """One store's fragments.

    A bucket's key is what the store groups by: any type of which `key_us` makes the microseconds of `Buckets.key`.

    Attributes:
        placeholder: the parameter numbered `{n}` from 1, by kind.
        encode: what the driver is given for a parameter of a kind; kinds without an entry go as they are.
        property_text: a property's text: a string's content, other values' JSON text; NULL when missing or null.
        property_json: a property's JSON text, of a string with its quotes; NULL when missing.
        property_number: a JSON number as a double, infinite when it is beyond one; NULL for anything else.
        property_string: whether a property is a JSON string.
        property_content: the text of a property that is a JSON string; anything for others.
        property_boolean: `true` or `false`; anything else for what is neither.
        property_keys: the different keys of `properties`, as a column that gives a row for each.
        cut: the bucket key of an instant: moved by seconds (third argument), cut to a multiple of seconds since 1970
            (second), moved again (fourth).
        month: the bucket key of an instant moved by seconds and cut to its month.
        key: the bucket key that is a number of microseconds since 1970.
        key_us: a bucket key as microseconds since 1970.
        uuid_text: a UUID as text in lower case.
        epoch_us: an instant as microseconds since 1970.
        instant: a literal instant of the form `2025-03-30 01:00:00`.
        contains: whether a text contains another, exactly.
        lowered: a text for comparing whatever the case.
        later: a bucket key moved by `{seconds}`.
        same: equality to which NULL is a value like any other.
        hash: a number of 64 bits in the place of some values, which sorts far faster than texts; empty: no faster.
        often: a condition that many events fulfil, `{0}`, so that they are read first and then told apart.
        estimate: an estimated count of distinct values, where a query allows one; empty: there is none.
        percentile: the interpolated percentile `{fraction}` of the non-NULL values.
        finite: a double, NULL when it is infinite.
        total, mean: the sum and the average of doubles, without those that are NULL or infinite.
        whole: a sum of whole numbers as a 64-bit integer; NULL stays.
        column_text, column_kind: what a slot's two columns hold (see `slots`), from a property's JSON text.
        column_number: `property_number` from the two columns.
        day_start: the instant at which the UTC day in `people_days.day` begins; empty: there is no such table.
        sites: a common table of all sites (`sites.site`), with which the newest events of all are found site by site;
            empty: that is no faster.
        first, last: of rows with `page`, `timestamp` and `event_id`, a list of the texts `{0}` of the first page
            view, or the last (the first or last row, when there is none).
        member: the text at place `{1}`, from 1, of such a list.
        ascending: a list of those of some instants that are not NULL, in order; `list[1]` is its first.
        soonest: of the instant `first` and those in the list `more` behind it, in order, the first that is not before
            `{0}`; NULL: none is.
        no_time: an instant that is NULL.
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
