"""PostgreSQL's fragments of SQL. The functions `property_…` and `whole_…` are the schema's own."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.dialect import Dialect, Kind

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


# Each site is one step in the index of `rollup`, however many rows it has.
_SITES = """WITH RECURSIVE sites AS (
  SELECT min(site_id) AS site FROM rollup
  UNION ALL
  SELECT (SELECT min(site_id) FROM rollup WHERE site_id > site) FROM sites WHERE site IS NOT NULL
)"""


POSTGRES = Dialect(
    name="postgres",
    placeholder=_placeholder,
    encode={"text": _text, "property": _text, "number": float, "bucket": instant_of, "day": _utc_day, "uuid": UUID},
    property_text="property_text(properties, {0})",
    property_json="json_compact(properties -> {0})",
    property_number="property_number(properties, {0})",
    property_string="json_typeof(properties -> {0}) = 'string'",
    property_content="properties ->> {0}",
    property_boolean="CASE json_typeof(properties -> {0}) WHEN 'boolean' THEN properties ->> {0} END",
    property_keys='json_object_keys(properties) COLLATE "C"',
    cut=_cut,
    month=_month,
    key=_literal,
    key_us="CAST(extract(epoch FROM {0}) * 1000000 AS bigint)",
    uuid_text="CAST({0} AS text)",
    epoch_us="CAST(extract(epoch FROM {0}) * 1000000 AS bigint)",
    instant="TIMESTAMPTZ '{0}+00'",
    contains="strpos({0}, {1}) > 0",
    # The collation "C" knows the case of ASCII letters only.
    lowered='lower({0} COLLATE "und-x-icu") COLLATE "C"',
    # PostgreSQL joins by hash where it finds "=" alone.
    same="coalesce({0}, '') = coalesce({1}, '') AND ({0} IS NULL) = ({1} IS NULL)",
    percentile="percentile_cont({fraction}) WITHIN GROUP (ORDER BY {0})",
    finite="CASE WHEN abs({0}) < 'Infinity' THEN {0} END",
    total=f"whole_sum({_SUMS})",
    mean=f"whole_mean({_SUMS}, count({{0}}) FILTER (WHERE abs({{0}}) < 'Infinity'))",
    day_start="CAST(day AS timestamp) AT TIME ZONE 'UTC'",
    sites=_SITES,
    first="(array_agg(ARRAY[{0}] ORDER BY page DESC, timestamp, event_id))[1:1]",
    last="(array_agg(ARRAY[{0}] ORDER BY page DESC, timestamp DESC, event_id DESC))[1:1]",
    member="{0}[1][{1}]",
    later="{0} + INTERVAL '{seconds} seconds'",
    ascending="ARRAY(SELECT at FROM unnest(ARRAY[{0}]) AS at WHERE at IS NOT NULL ORDER BY at)",
    no_time="CAST(NULL AS timestamptz)",
    preaggregates=True,
)
