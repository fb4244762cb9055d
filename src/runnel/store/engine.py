"""Engine: the fragments of SQL in which the stores differ. `compile` puts them together and knows no dialect.

A fragment is a template; `{…}` takes SQL that `compile` made, never text of a request. All take and give the same:
instants are the store's UTC timestamps, texts compare in code-point order, a property is read as docs/query.md says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from runnel.store.slots import BOOLEAN, NESTED, NUMBER, STRING

Kind = Literal["text", "number", "whole", "timestamp", "uuid", "property"]
"""What a parameter is; `property` is a key in `properties`."""


@dataclass(frozen=True)
class Engine:
    """One store's fragments.

    Attributes:
        placeholder: the parameter numbered `{n}` from 1, by kind.
        encode: what the driver is given for a parameter of a kind; kinds without an entry go as they are.
        property_text: a property's text: a string's content, other values' JSON text; NULL when missing or null.
        property_json: a property's JSON text, of a string with its quotes; NULL when missing.
        property_number: a JSON number as a double, infinite when it is beyond one; NULL for anything else.
        property_keys: the different keys of `properties`, as a column that gives a row for each.
        uuid_text: a UUID as text in lower case.
        epoch_us: an instant as microseconds since 1970.
        shift: an instant moved by a number of seconds.
        month: an instant cut to the start of its month.
        quotient: a whole number divided by a whole number, rounded down.
        instant: a literal instant of the form `2025-03-30 01:00:00`.
        contains: whether a text contains another, exactly.
        folded: a text for comparing whatever the case.
        same: equality to which NULL is a value like any other.
        estimate: an estimated count of distinct values, where a query allows one.
        percentile: the interpolated percentile `{fraction}` of the non-NULL values.
        finite: a double, NULL when it is infinite.
        whole: a sum of whole numbers as a 64-bit integer; NULL stays.
        slot_text, slot_kind: what a slot's two columns hold (see `slots`), from a property's JSON text.
        slot_number: `property_number` from the two columns.
    """

    name: str
    placeholder: Callable[[int, Kind], str]
    property_text: str
    property_json: str
    property_number: str
    property_keys: str
    encode: dict[Kind, Callable[..., object]] = field(default_factory=dict)
    uuid_text: str = "CAST({0} AS VARCHAR)"
    epoch_us: str = "epoch_us({0})"
    shift: str = "{0} + INTERVAL ({seconds}) SECOND"
    month: str = "date_trunc('month', {0})"
    quotient: str = "{0} // {1}"
    instant: str = "TIMESTAMP '{0}'"
    contains: str = "contains({0}, {1})"
    folded: str = "lower({0})"
    same: str = "{0} IS NOT DISTINCT FROM {1}"
    estimate: str = "approx_count_distinct({0})"
    percentile: str = "quantile_cont({0}, {fraction})"
    finite: str = "CASE WHEN isfinite({0}) THEN {0} END"
    whole: str = "CAST(sum({0}) AS BIGINT)"
    slot_text: str = ""
    slot_kind: str = ""
    slot_number: str = ""


def _duckdb_placeholder(number: int, kind: Kind) -> str:
    return f"CAST(${number} AS UUID)" if kind == "uuid" else f"${number}"


def _json_pointer(key: str) -> str:
    """The JSON pointer of a top-level key. As a parameter it is a value: no character of a key has a meaning in SQL."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _naive_utc(instant: datetime) -> datetime:
    """DuckDB's TIMESTAMP has no zone; Runnel's are UTC."""
    return instant.replace(tzinfo=None)


DUCKDB = Engine(
    name="duckdb",
    placeholder=_duckdb_placeholder,
    encode={"property": _json_pointer, "timestamp": _naive_utc, "number": float},
    property_text="json_extract_string(properties, {0})",
    property_json="CAST(json_extract(properties, {0}) AS VARCHAR)",
    # The JSON text of anything but a number is no number either: of a string it has the quotes.
    property_number="TRY_CAST(CAST(json_extract(properties, {0}) AS VARCHAR) AS DOUBLE)",
    property_keys="unnest(list_distinct(json_keys(properties)))",
    # A string without a backslash is the text between its quotes, which is found without parsing.
    slot_text=(
        "CASE left({0}, 1) WHEN 'n' THEN NULL WHEN '\"' THEN CASE WHEN contains({0}, '\\') "
        "THEN CAST({0} AS JSON)->>'$' ELSE substr({0}, 2, length({0}) - 2) END ELSE {0} END"
    ),
    slot_kind=(
        f"CASE left({{0}}, 1) WHEN '\"' THEN {STRING} WHEN 't' THEN {BOOLEAN} WHEN 'f' THEN {BOOLEAN} "
        f"WHEN '[' THEN {NESTED} WHEN '{{{{' THEN {NESTED} WHEN 'n' THEN NULL "
        f"ELSE CASE WHEN {{0}} IS NOT NULL THEN {NUMBER} END END"
    ),
    slot_number=f"CASE WHEN {{kind}} = {NUMBER} THEN TRY_CAST({{text}} AS DOUBLE) END",
)
