"""PostgreSQL's fragments of SQL. The functions `property_…` and `whole_…` are the schema's own."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.dialect import Dialect, Kind
from tallystick.analysis.property_columns import NUMBER

_TYPES: dict[Kind, str] = {
    "text": "text",
    "number": "double precision",
    "bucket": "timestamptz",
    "day": "date",
    "timestamp": "timestamptz",
    "uuid": "uuid",
    "property": "text",
}

# So large that they are summed up apart. No table has as many smaller numbers as would make a sum beyond a double.
_MODERATE = "abs({0}) < 1e290"
_LARGE = "abs({0}) >= 1e290 AND abs({0}) < 'Infinity'"
_SUMS = f"sum({{0}}) FILTER (WHERE {_MODERATE}), sum({{0}} / 2 ^ 64) FILTER (WHERE {_LARGE})"
# The same of numbers that were counted. No count is so large that a product would be beyond a double.
_COUNTED_SUMS = (
    f"sum({{0}} * {{count}}) FILTER (WHERE {_MODERATE}), sum({{0}} / 2 ^ 64 * {{count}}) FILTER (WHERE {_LARGE})"
)


def _placeholder(number: int, kind: Kind) -> str:
    """What is read with a key in the collation "C" compares and sorts in it too: by code points, and faster."""
    collation = ' COLLATE "C"' if kind == "property" else ""
    return f"CAST(${number} AS {_TYPES[kind]}){collation}"


def _literal(micros: int) -> str:
    return f"TIMESTAMPTZ '{instant_of(micros):%Y-%m-%d %H:%M:%S}+00'"


def _cut(instant: str, size: int, before: int, after: int) -> str:
    """Counted from an origin that is moved the other way, which saves an addition for each row."""
    cut = f"date_bin('{size} seconds', {instant}, {_literal(-before * 1_000_000)})"
    return f"{cut} + INTERVAL '{before + after} seconds'" if before + after else cut


def _month(instant: str, offset: int) -> str:
    local = f"{instant} + INTERVAL '{offset} seconds'" if offset else instant
    return f"date_trunc('month', {local}, 'UTC')"


def _text(value: object) -> str:
    """PostgreSQL has no NUL, and no event has one (see `ingest.text`). The character after it compares with what events
    have as NUL would.
    """
    return str(value).replace("\0", "\1")


def _utc_day(instant: datetime) -> date:
    return instant.date()


# How many elements of a sorted list are before an instant.
_BEFORE = "width_bucket({0} - INTERVAL '1 microsecond', {times})"


def _times_between(since: str | None, until: str | None) -> str:
    first = "1" if since is None else f"{_BEFORE.format(since, times='{0}')} + 1"
    last = "" if until is None else _BEFORE.format(until, times="{0}")
    return f"{{0}}[{first} : {last}]"


# Each site is one step in the index of `rollup`, however many rows it has.
_SITES = """WITH RECURSIVE sites AS (
  SELECT min(site_id) AS site FROM rollup
  UNION ALL
  SELECT (SELECT min(site_id) FROM rollup WHERE site_id > site) FROM sites WHERE site IS NOT NULL
)"""

# From bucket to bucket in the index of `people`, until there are enough users.
_NEWEST_USERS = """
WITH RECURSIVE rows_of_people AS NOT MATERIALIZED (
    {people}
), newest AS (
    SELECT max(bucket) AS bucket, CAST('{}' AS text[]) COLLATE "C" AS users
    FROM rows_of_people
    UNION ALL
    SELECT
        (SELECT max(earlier.bucket) FROM rows_of_people AS earlier WHERE earlier.bucket < newest.bucket),
        ARRAY(SELECT unnest(users) UNION SELECT user_id FROM rows_of_people AS same WHERE same.bucket = newest.bucket)
    FROM newest
    WHERE newest.bucket IS NOT NULL AND cardinality(users) <= {limit}
)
SELECT users
FROM newest
ORDER BY cardinality(users) DESC
LIMIT 1
"""


POSTGRES = Dialect(
    name="postgres",
    placeholder=_placeholder,
    encode={"text": _text, "property": _text, "number": float, "bucket": instant_of, "day": _utc_day, "uuid": UUID},
    property_text="property_text({json}, {0})",
    property_json="json_compact({json} -> {0})",
    property_number="property_number({json}, {0})",
    has_all_digits="({0} ~ '^-?[0-9]+$')",
    property_string="json_typeof({json} -> {0}) = 'string'",
    property_content="{json} ->> {0}",
    property_boolean="CASE json_typeof({json} -> {0}) WHEN 'boolean' THEN {json} ->> {0} END",
    property_value="({json} -> {0})",
    any_element=(
        "EXISTS (SELECT 1 FROM json_array_elements(CASE json_typeof({array}) WHEN 'array' THEN {array} END) "
        "AS elements(element) WHERE {test})"
    ),
    as_object="json_build_object('', element)",
    property_keys='json_object_keys(properties) COLLATE "C"',
    cut=_cut,
    month=_month,
    key=_literal,
    key_us="CAST(extract(epoch FROM {0}) * 1000000 AS bigint)",
    uuid_text="CAST({0} AS text)",
    epoch_us="CAST(extract(epoch FROM {0}) * 1000000 AS bigint)",
    # Through the numbers of `extract`, which are decimal, it takes several times as long.
    seconds_between="date_part('epoch', {1} - {0})",
    instant="TIMESTAMPTZ '{0}+00'",
    contains="strpos({0}, {1}) > 0",
    # The collation "C" knows the case of ASCII letters only.
    lowered='lower({0} COLLATE "und-x-icu") COLLATE "C"',
    matches="{0} ~ '{pattern}'",
    matched="substring({0} FROM '{pattern}')",
    # PostgreSQL joins by hash where it finds "=" alone.
    same="coalesce({0}, '') = coalesce({1}, '') AND ({0} IS NULL) = ({1} IS NULL)",
    percentile="percentile_cont({fraction}) WITHIN GROUP (ORDER BY {0})",
    finite="CASE WHEN abs({0}) < 'Infinity' THEN {0} END",
    total=f"whole_sum({_SUMS})",
    mean=f"whole_mean({_SUMS}, count({{0}}) FILTER (WHERE abs({{0}}) < 'Infinity'))",
    counted_total=f"whole_sum({_COUNTED_SUMS})",
    counted_mean=(
        f"whole_mean({_COUNTED_SUMS}, CAST(sum({{count}}) FILTER (WHERE abs({{0}}) < 'Infinity') AS bigint))"
    ),
    column_number=(
        f"CASE WHEN {{kind}} = {NUMBER} THEN CASE WHEN {{text}} !~ '[eE]' AND length({{text}}) < 200 "
        "THEN CAST({text} AS double precision) ELSE json_double({text}) END END"
    ),
    day_start="CAST(day AS timestamp) AT TIME ZONE 'UTC'",
    sites=_SITES,
    # Rows of one batch are inserted in their order, so that their places in the table are in that order too.
    arrival=("received_at", "ctid"),
    row_key=("timestamp", "ctid"),
    text_type="text",
    anti_join="(SELECT * FROM {rows} WHERE ({keys}) NOT IN (SELECT {keys} FROM {others})) AS {rows}",
    # It is computed once, before the rows are read.
    any_row="EXISTS (SELECT FROM {0})",
    list_length="cardinality({0})",
    number_type="bigint",
    # It expects a third of the rows of such a condition, but a two-hundredth of the rows with `{0} % 2 = 1`.
    halves=("{0} % 2 < 1", "{0} % 2 >= 1"),
    text_halves=("hashtext({0}) < 0", "hashtext({0}) >= 0"),
    newest_users=_NEWEST_USERS,
    first="(array_agg(ARRAY{0} ORDER BY page DESC, timestamp, received_at, ctid))[1:1]",
    last="(array_agg(ARRAY{0} ORDER BY page DESC, timestamp DESC, received_at DESC, ctid DESC))[1:1]",
    member="{0}[1][{1}]",
    later="{0} + INTERVAL '{seconds} seconds'",
    ascending="ARRAY(SELECT at FROM unnest(ARRAY[{0}]) AS at WHERE at IS NOT NULL ORDER BY at)",
    last_of="{0}[cardinality({0})]",
    next_time=f"{{times}}[{_BEFORE.format('{0}', times='{times}')} + 1]",
    merged_times="merged_times({0})",
    first_and_more="first || more",
    times_between=_times_between,
    no_time="CAST(NULL AS timestamptz)",
    preaggregates=True,
)
