"""ClickHouse's fragments of SQL.

Its JSON functions change some numbers: `1.0` becomes 1, and 30 digits a string. Such numbers are strings in `readable`
that begin with NUL, which no event has (see sql/0001_init.sql), so what these fragments look into is that column where
it is filled. All fragments of a property begin with its JSON text, so that an object is parsed once for each property.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.dialect import Dialect, Kind
from tallystick.analysis.property_columns import NUMBER

SECOND = 1_000_000
"""Microseconds."""

TYPES: dict[Kind, str] = {
    "text": "String",
    "number": "Float64",
    "bucket": "Int64",
    "day": "Date32",
    "timestamp": "DateTime64(6, 'UTC')",
    "uuid": "UUID",
    "property": "String",
}


def parameter(number: int) -> str:
    """The name of the parameter with a number."""
    return f"p{number}"


def _placeholder(number: int, kind: Kind) -> str:
    return f"{{{parameter(number)}:{TYPES[kind]}}}"


def _cut(instant: str, size: int, before: int, after: int) -> str:
    """By whole division, as in DuckDB."""
    micros = f"toUnixTimestamp64Micro({instant})"
    moved = f"({micros} + {before * SECOND})" if before else micros
    cut = f"intDiv({moved}, {size * SECOND}) * {size * SECOND}"
    return f"{cut} + {after * SECOND}" if after else cut


def _month(instant: str, offset: int) -> str:
    local = f"addSeconds({instant}, {offset})" if offset else instant
    return f"dateDiff('day', toDate32('1970-01-01'), toStartOfMonth({local})) * {86_400 * SECOND}"


def _key(micros: int) -> str:
    return f"toInt64({micros})"


# --- properties -----------------------------------------------------------------------------------------------------

_RAW = "JSONExtractRaw({json}, {0})"
_MAY_HAVE = "(position({json}, concat('\"', {0}, '\"')) > 0 OR position({json}, '\\\\') > 0)"
"""Whether a search of the text finds the key, which is faster than to parse an object that lacks it. A key may be
written with a backslash.
"""
_TEXT = f"if({_MAY_HAVE}, JSONExtract({{json}}, {{0}}, 'Nullable(String)'), NULL)"
"""A string's content, other values' JSON text; NULL for null and for what is missing."""
_IS_STRING = f"startsWith({_RAW}, '\"')"
_UNMARKED = "replaceRegexpAll({value}, '\"\\\\\\\\u0000([^\"]*)\"', '\\\\1')"
_MAY_BE_MARKED = f"coalesce(position({_TEXT}, '\"\\\\u0000') > 0, FALSE)"
"""Whether numbers in an array or an object are; a string may have such a text too."""
_DOUBLE = "JSONExtract({json}, {0}, 'Nullable(Float64)')"
# ClickHouse's reader of JSON rounds as it should; its casts do not.
_MARKED_DOUBLE = f"JSONExtract(concat('[', trimLeft({_TEXT}, '\\0'), ']'), 1, 'Nullable(Float64)')"
_COLUMN_DOUBLE = "JSONExtract(concat('[', ifNull({text}, ''), ']'), 1, 'Nullable(Float64)')"
_COLUMN_BEYOND = "if(startsWith({text}, '-'), -inf, inf)"
_BEYOND = f"if(startsWith({_TEXT}, '\\0-'), -inf, inf)"

# --- aggregates -----------------------------------------------------------------------------------------------------

# Two values and a fraction of their difference, as the other stores have it; quantileExactInclusive rounds apart. The
# lambda names what would else stand in the statement ten times.
_PERCENTILE = """arrayMap(
    (sorted, place) -> if(
        empty(sorted),
        NULL,
        sorted[toInt64(floor(place)) + 1]
            + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
    ),
    [arraySort(groupArray({0}))],
    [{fraction} * (toInt64(count({0})) - 1)]
)[1]"""
# The order of a visit's events as one number of 128 bits, which is compared much faster than a tuple or 256 bits.
# Below one bit for page views are 52 of the time; 50 of how long the event took to arrive, which orders events of one
# time as `received_at` does; 5 of the block's number and 20 of the line's. These two tell events of one request apart.
# Everything is unsigned, or the sum would be signed and the bit for page views its sign.
_TIME = f"toUInt128(toUnixTimestamp64Micro({{0}})) * toUInt128('{2**75}')"
_TOOK = "toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp)"
ORDER = f"""(
    {_TIME.format("timestamp")}
        + toUInt128(least(greatest({_TOOK} + {2**37}, 0), {2**50 - 1})) * {2**25}
        + toUInt64(bitAnd(seq, 31) * {2**20} + least(line, {2**20 - 1}))
)"""
_PAGE = f"toUInt128(page) * toUInt128('{2**127}')"
_NO_PAGE = f"toUInt128(1 - page) * toUInt128('{2**127}')"


NUL = "'\\0'"
"""What separates texts."""


def _texts(texts: Sequence[str]) -> str:
    """One text, since aggregates of lists, and of what may be NULL, take twice the time. No text has a NUL (G9)."""
    return _joined([f"ifNull(concat('=', {text}), '')" for text in texts])


def _joined(marked: Sequence[str]) -> str:
    between = f", {NUL}, "
    return marked[0] if len(marked) == 1 else f"concat({between.join(marked)})"


CLICKHOUSE = Dialect(
    name="clickhouse",
    hash="assumeNotNull(cityHash64({0}))",  # what can be NULL groups slower, with twice the memory
    placeholder=_placeholder,
    encode={"number": float},
    properties="if(readable = '', properties, readable)",
    more_columns=("readable", "origin"),
    property_text=(
        f"trimLeft(if({_MAY_BE_MARKED} AND NOT {_IS_STRING}, {_UNMARKED.format(value=_TEXT)}, {_TEXT}), '\\0')"
    ),
    property_json=f"nullIf({_UNMARKED.format(value=_RAW)}, '')",
    property_number=(
        f"if(match({_RAW}, '^(?:[-0-9]|\"\\\\\\\\u0000)'), coalesce({_DOUBLE}, {_MARKED_DOUBLE}, {_BEYOND}), NULL)"
    ),
    column_number=f"if({{kind}} = {NUMBER}, coalesce({_COLUMN_DOUBLE}, {_COLUMN_BEYOND}), NULL)",
    fills_columns=True,
    has_all_digits="match({0}, '^-?[0-9]+$')",
    property_string=f"({_IS_STRING} AND NOT startsWith({_TEXT}, '\\0'))",
    property_content=_TEXT,
    property_boolean=_RAW,
    property_value=_RAW,
    any_element="arrayExists(element -> coalesce({test}, FALSE), JSONExtractArrayRaw({array}))",
    as_object="concat('{\"\":', element, '}')",
    property_keys="arrayJoin(arrayDistinct(JSONExtractKeys(properties)))",
    cut=_cut,
    month=_month,
    key=_key,
    uuid_text="toString({0})",
    uuid_order="toUInt128({0})",
    epoch_us="toUnixTimestamp64Micro({0})",
    seconds_between="CAST(toUnixTimestamp64Micro({1}) - toUnixTimestamp64Micro({0}) AS DOUBLE PRECISION) / 1000000",
    instant="toDateTime64('{0}', 6, 'UTC')",
    contains="position({0}, {1}) > 0",
    lowered="lowerUTF8({0})",
    matches="match({0}, '{pattern}')",
    matched="extract({0}, '{pattern}')",
    estimate="uniq({0})",
    percentile=_PERCENTILE,
    finite="if(isFinite({0}), {0}, NULL)",
    total="sum(if(isFinite({0}), {0}, NULL))",
    mean="avg(if(isFinite({0}), {0}, NULL))",
    whole="toInt64(sum({0}))",
    count="toInt64(count())",
    texts=_texts,
    first=f"argMin({{0}}, {ORDER} + {_NO_PAGE})",
    last=f"argMax({{0}}, {ORDER} + {_PAGE})",
    # The site is mixed in by a hash that ClickHouse computes once for each of its few values.
    session_key=("bitXor(reinterpretAsUInt128(sipHash128(assumeNotNull(session_id))), toUInt128(cityHash64({site})))"),
    entry_order=f"{ORDER} + {_NO_PAGE}",
    exit_order=f"{ORDER} + {_PAGE}",
    order_without=f"bitXor({{0}}, {_TIME.format('{1}')})",
    joined_texts=_joined,
    member=f"arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar({NUL}, {{0}})[{{1}}]])[1]",
    origin="origin",
    origin_text="JSONExtract(ifNull({0}, ''), 'Array(Nullable(String))')[{1}]",
    fold="groupArray({0})",
    unfold="ARRAY JOIN {0}",
    ascending="arraySort(arrayFilter(moment -> moment IS NOT NULL, [{0}]))",
    soonest=("multiIf(first >= {0}, first, more[-1] >= {0}, arrayFirst(moment -> moment >= {0}, more), NULL)"),
    no_time="CAST(NULL AS Nullable(DateTime64(6, 'UTC')))",
    event_order=ORDER,
    arrival=("received_at", "ingester", "seq", "line"),
    row_key=("ingester", "seq", "line"),
    text_type="String",
    anti_join="{rows} LEFT ANTI JOIN {others} USING ({keys})",
    any_true="max({0})",
    lag="lag(toNullable({0})) OVER {1}",
    lead="lead(toNullable({0})) OVER {1}",
    first_set="any({0}) OVER {1}",
    last_set="anyLast({0}) OVER {1}",
    separator="char(31)",
    list_length="length({0})",
    walks_arrays=True,
)
