"""Dialect: what the stores write differently in SQL. The analyses put the fragments together and know no store.

A fragment is a template; its `{…}` take SQL that an analysis made, never text of a request. All stores give the same
results: instants are UTC, texts compare in code-point order, and a property is read as docs/use/query.md says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        properties: the JSON object with an event's properties, for the fragments that look into one.
        more_columns: columns of `events` besides those that every store has, which fragments read.
        property_text: a property's text: a string's content, other values' JSON text; NULL when missing or null.
        property_json: a property's JSON text, of a string with its quotes; NULL when missing.
        property_number: a JSON number as a double, infinite when it is beyond one; NULL for anything else.
        has_all_digits: whether the text `{0}` of a number is a whole number without exponent, which keeps its digits.
        property_string: whether a property is a JSON string.
        property_content: the text of a property that is a JSON string; of other properties any value.
        property_boolean: `true` or `false`; of a property that is neither any other value.
        property_value: a property as JSON; NULL when missing. `{json}` is the object that these fragments look into.
        any_element: whether `{test}` holds for an `element` of the JSON `{array}`; not if that is no array.
        as_object: an `element` as the value of the key "" of an object.
        property_keys: the distinct keys of `properties`; the column expands to a row for each.
        cut: the bucket key of an instant: moved by seconds (third argument), truncated to a multiple of seconds since
            1970 (second), moved again (fourth).
        month: the bucket key of an instant: moved by seconds and truncated to its month.
        key: the bucket key that is a number of microseconds since 1970.
        key_us: a bucket key as microseconds since 1970.
        uuid_text: a UUID as text in lower case.
        uuid_order: a UUID as a value that sorts and compares as its text does.
        epoch_us: an instant as microseconds since 1970.
        seconds_between: seconds from an instant to another, with their microseconds, as a double.
        instant: a literal instant of the form `2025-03-30 01:00:00`.
        contains: whether a text contains another, exactly.
        lowered: a text in lower case, for comparisons that ignore case.
        matches, matched: whether a text matches a regular expression `{pattern}`, and the part that does; without one
            NULL or an empty text. The pattern has no groups that capture.
        later: a bucket key moved by `{seconds}`.
        same: equality in which NULL equals NULL.
        hash: a 64-bit hash of some values, which sorts far faster than texts; empty: it is no faster.
        often: the condition `{0}` in a form for conditions that many events fulfil: the store reads the rows first and
            tests them afterwards.
        estimate: an estimated count of distinct values, for queries that allow it; empty: there is none.
        percentile: the interpolated percentile `{fraction}` of the non-NULL values.
        finite: a double, NULL when it is infinite.
        total, mean: the sum and the average of the doubles that are neither NULL nor infinite.
        counted_total, counted_mean: the same of doubles each of which stands `{count}` times; empty: no table counts.
        whole: a sum of integers as a 64-bit integer; NULL stays NULL.
        count: how many rows, as a signed integer, which can be negated and united with others.
        any_true: whether a condition holds for any row; NULL counts as false.
        lag, lead: the column `{0}` of the row before, and of the row after, in the window `{1}`; NULL where there is
            none.
        first_set, last_set: the first (last) value of `{0}` that is not NULL, in the window `{1}`; empty: there is no
            such function.
        separator: a text of one control character, U+001F.
        column_text, column_kind: what the two columns of a `PropertyColumn` hold, from a property's JSON text.
        column_number: `property_number` from these two columns.
        fills_columns: the columns have their values in all rows, and `*` has them.
        day_start: the instant at which the UTC day in `people_days.day` begins; empty: there is no such table.
        sites: WITH and a CTE of all sites (`sites.site`), by which the newest events are looked up site by site; empty:
            that is no faster.
        texts: several texts, any of which may be NULL, as one value.
        first, last: of rows with `page`, `timestamp` and `arrival`: the `texts` `{0}` of the first (last) page view;
            without a page view, of the first (last) row.
        newest_users: SELECT of `users`, a list of the users of the newest buckets of `{people}`, which is a SELECT of
            `bucket` and `user_id`: of so many buckets that there are more users than `{limit}`, or of all; empty: a
            store that groups all events.
        member: the text at index `{1}`, from 1, of such a value.
        origin: a column of `events` with the texts of `channels.CHANNEL_PROPERTIES`, which is never NULL; empty: there
            is none.
        origin_text: the text at index `{1}`, from 1, of such a column.
        fold: an aggregate, a column `{0}` of a group's rows as a list, in the same order for each column that has no
            NULL; empty: a store that looks up channels of sessions one by one. With it comes `unfold`, which makes
            rows of the lists `{0}` again, and stands behind a relation.
        ascending: a sorted list of the instants that are not NULL; `list[1]` is the first.
        session_key: a hash of the site `{site}` and `session_id`, by which sessions are told apart; empty: by the two.
        entry_order, exit_order: the numbers that `first` looks for the least of, and `last` for the greatest.
        order_without: such a number `{0}` without the time `{1}`, which has fewer bytes; of that the number again.
        joined_texts: texts that are marked as `texts` marks each, as one value; only with `session_key`.
        last_of: the last element of a list.
        soonest: the first instant at or after `{0}`, of `first` and the later ones in the sorted list `more`; NULL if
            there is none.
        next_time: the first element of a sorted list `{times}` at or after `{0}`, NULL if there is none, found by
            binary search; empty: a store that joins times instead. With it come `merged_times`, an aggregate that makes
            one sorted list of several, `first_and_more`, the list of `first` and `more`, and `times_between`, the
            elements of the list `{0}` from an instant to before another (None: no edge).
        no_time: NULL as an instant.
        event_order: the order of a visit's events as one whole number; empty: a store that sorts by `timestamp` and
            `arrival`.
        arrival: columns of an event that sort events of one instant in the order in which they arrived.
        row_key: columns of an event that together are unique in a statement.
        text_type: the type of a text.
        anti_join: the relation `{rows}` without the rows whose `{keys}` are in `{others}`.
        any_row: whether a relation has a row, for conditions that are false for all rows if it has none: the store then
            reads none of them; empty: it does so anyway.
        list_length: how many elements a list that is not NULL has.
        number_type: the type of a user number.
        halves, text_halves: conditions that part user numbers, and texts, in two of about equal size; empty: the store
            shares the work of each SELECT among its processes.
        walks_arrays: funnels, paths and retention are found by arrays of events; see `funnel.arrays`.
        preaggregates: to group events by user or session first is faster than `count(DISTINCT …)`.
    """

    name: str
    placeholder: Callable[[int, Kind], str]
    property_text: str
    property_json: str
    property_number: str
    property_string: str
    has_all_digits: str
    property_content: str
    property_boolean: str
    property_value: str
    any_element: str
    as_object: str
    property_keys: str
    cut: Callable[[str, int, int, int], str]
    month: Callable[[str, int], str]
    key: Callable[[int], str]
    encode: dict[Kind, Callable[..., object]] = field(default_factory=dict)
    properties: str = "properties"
    more_columns: tuple[str, ...] = ()
    key_us: str = "{0}"
    later: str = "{0} + {seconds}000000"
    uuid_text: str = "CAST({0} AS VARCHAR)"
    uuid_order: str = "{0}"
    epoch_us: str = "epoch_us({0})"
    seconds_between: str = "CAST(epoch_us({1}) - epoch_us({0}) AS DOUBLE PRECISION) / 1000000"
    instant: str = "TIMESTAMP '{0}'"
    contains: str = "contains({0}, {1})"
    lowered: str = "lower({0})"
    matches: str = "regexp_matches({0}, '{pattern}')"
    matched: str = "regexp_extract({0}, '{pattern}')"
    same: str = "{0} IS NOT DISTINCT FROM {1}"
    hash: str = ""
    often: str = "{0}"
    estimate: str = ""
    percentile: str = "quantile_cont({0}, {fraction})"
    finite: str = "CASE WHEN isfinite({0}) THEN {0} END"
    total: str = "sum(CASE WHEN isfinite({0}) THEN {0} END)"
    mean: str = "avg(CASE WHEN isfinite({0}) THEN {0} END)"
    counted_total: str = ""
    counted_mean: str = ""
    whole: str = "CAST(sum({0}) AS BIGINT)"
    count: str = "count(*)"
    any_true: str = "bool_or({0})"
    lag: str = "lag({0}) OVER {1}"
    lead: str = "lead({0}) OVER {1}"
    first_set: str = ""
    last_set: str = ""
    separator: str = "chr(31)"
    column_text: str = ""
    column_kind: str = ""
    column_number: str = ""
    fills_columns: bool = False
    day_start: str = ""
    sites: str = ""
    texts: Callable[[Sequence[str]], str] = lambda texts: f"[{', '.join(texts)}]"
    first: str = "arg_min({0}, ROW(-page, timestamp, rowid))"
    last: str = "arg_max({0}, ROW(page, timestamp, rowid))"
    session_key: str = ""
    entry_order: str = ""
    exit_order: str = ""
    order_without: str = ""
    joined_texts: Callable[[Sequence[str]], str] = ", ".join
    newest_users: str = ""
    member: str = "{0}[{1}]"
    origin: str = ""
    origin_text: str = ""
    fold: str = ""
    unfold: str = ""
    ascending: str = "list_sort(list_filter([{0}], lambda moment: moment IS NOT NULL))"
    last_of: str = "{0}[-1]"
    soonest: str = (
        "CASE WHEN first >= {0} THEN first "
        "WHEN more[-1] >= {0} THEN list_filter(more, lambda moment: moment >= {0})[1] END"
    )
    next_time: str = ""
    merged_times: str = ""
    first_and_more: str = ""
    times_between: Callable[[str | None, str | None], str] = lambda since, until: "{0}"
    no_time: str = "CAST(NULL AS TIMESTAMP)"
    event_order: str = ""
    arrival: tuple[str, ...] = ("rowid",)
    row_key: tuple[str, ...] = ("rowid",)
    text_type: str = "VARCHAR"
    anti_join: str = "{rows} ANTI JOIN {others} USING ({keys})"
    any_row: str = ""
    list_length: str = "len({0})"
    number_type: str = "UINTEGER"
    halves: tuple[str, ...] = ()
    text_halves: tuple[str, ...] = ()
    walks_arrays: bool = False
    preaggregates: bool = False
