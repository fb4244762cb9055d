"""DuckDB's fragments of SQL."""

from __future__ import annotations

from datetime import datetime

from tallystick.analysis.dialect import Dialect, Kind
from tallystick.analysis.property_columns import BOOLEAN, NESTED, NUMBER, STRING

SECOND = 1_000_000
"""Microseconds."""


def _placeholder(number: int, kind: Kind) -> str:
    return f"CAST(${number} AS UUID)" if kind == "uuid" else f"${number}"


def _json_pointer(key: str) -> str:
    """The JSON pointer of a top-level key. As a parameter it is a value: no character of a key has a meaning in SQL."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _naive_utc(instant: datetime) -> datetime:
    """DuckDB's TIMESTAMP has no zone; Tallystick's are UTC."""
    return instant.replace(tzinfo=None)


def _cut(instant: str, size: int, before: int, after: int) -> str:
    """By whole division, which costs DuckDB far less than its functions of dates."""
    micros = f"epoch_us({instant})"
    moved = f"{micros} + {before * SECOND}" if before else micros
    cut = f"({moved}) // {size * SECOND} * {size * SECOND}"
    return f"{cut} + {after * SECOND}" if after else cut


def _month(instant: str, offset: int) -> str:
    local = f"{instant} + INTERVAL ({offset}) SECOND" if offset else instant
    return f"epoch_us(date_trunc('month', {local}))"


DUCKDB = Dialect(
    name="duckdb",
    placeholder=_placeholder,
    encode={"property": _json_pointer, "timestamp": _naive_utc, "number": float},
    property_text="json_extract_string({json}, {0})",
    property_json="CAST(json_extract({json}, {0}) AS VARCHAR)",
    # The JSON text of anything but a number is no number either: of a string it has the quotes.
    property_number="TRY_CAST(CAST(json_extract({json}, {0}) AS VARCHAR) AS DOUBLE)",
    has_all_digits="regexp_full_match({0}, '-?[0-9]+')",
    property_string="left(CAST(json_extract({json}, {0}) AS VARCHAR), 1) = '\"'",
    property_content="json_extract_string({json}, {0})",
    property_boolean="CAST(json_extract({json}, {0}) AS VARCHAR)",
    property_value="json_extract({json}, {0})",
    any_element=(
        "len(list_filter(CASE WHEN json_type({array}) = 'ARRAY' THEN CAST({array} AS JSON[]) END, "
        "lambda element: {test})) > 0"
    ),
    as_object="json_object('', element)",
    property_keys="unnest(list_distinct(json_keys(properties)))",
    cut=_cut,
    month=_month,
    key=str,
    hash="hash({0})",
    # No event lacks a timestamp. A condition on a text alone would go into the scan, which compares each row's and not
    # each of the dictionary's: 80 ms of CPU instead of 40 for the name of 10 million events.
    often="({0} OR timestamp IS NULL)",
    estimate="approx_count_distinct({0})",
    # A string without a backslash is the text between its quotes, which is found without parsing.
    column_text=(
        "CASE left({0}, 1) WHEN 'n' THEN NULL WHEN '\"' THEN CASE WHEN contains({0}, '\\') "
        "THEN CAST({0} AS JSON)->>'$' ELSE substr({0}, 2, length({0}) - 2) END ELSE {0} END"
    ),
    column_kind=(
        f"CASE left({{0}}, 1) WHEN '\"' THEN {STRING} WHEN 't' THEN {BOOLEAN} WHEN 'f' THEN {BOOLEAN} "
        f"WHEN '[' THEN {NESTED} WHEN '{{{{' THEN {NESTED} WHEN 'n' THEN NULL "
        f"ELSE CASE WHEN {{0}} IS NOT NULL THEN {NUMBER} END END"
    ),
    column_number=f"CASE WHEN {{kind}} = {NUMBER} THEN TRY_CAST({{text}} AS DOUBLE) END",
)
