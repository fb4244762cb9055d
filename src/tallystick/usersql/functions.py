"""The functions that a statement may call, by store. Every other function is refused.

Each function meets three conditions: it reads only its arguments (no file, address, setting or catalogue), it changes
nothing, and its result is not much larger than its arguments. The third excludes `repeat`, `lpad`, `format` and lists
made by `range`: one call could create gigabytes, and the store's memory limit does not count them. Distances between
texts (`levenshtein`) are excluded because one call may take hours and cannot be interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping


def words(text: str) -> frozenset[str]:
    """The words of a text that is separated by white space."""
    return frozenset(text.split())


_SCALAR = """
abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10 power pow mod pi degrees radians sin cos tan asin
acos atan atan2 greatest least coalesce nullif
lower upper length char_length character_length octet_length bit_length ltrim rtrim substr substring left right strpos
replace concat concat_ws reverse starts_with split_part regexp_replace translate md5 ascii chr
date_trunc date_part make_date make_timestamp age now to_timestamp json_array_length to_json
"""
_AGGREGATE = """
count sum avg min max bool_and bool_or stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
regr_slope regr_intercept regr_r2 regr_count bit_and bit_or bit_xor any_value
"""
_ORDERED = "mode percentile_cont percentile_disc"
_COLLECTING = "string_agg array_agg"
_WINDOW = """
row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
"""

_DUCKDB_SCALAR = """
log2 even gamma isnan isfinite isinf ifnull trim contains prefix suffix ends_with instr len strlen left_grapheme
string_split str_split string_to_array split str_split_regex string_split_regex regexp_matches regexp_extract
regexp_full_match regexp_extract_all jaccard
unicode ord sha256 hash url_decode url_encode
datetrunc datepart date_diff datediff date_sub datesub date_add dayname monthname day month year hour minute second
millisecond microsecond week weekday isodow dayofweek dayofmonth dayofyear quarter weekofyear yearweek isoyear decade
century era epoch epoch_ms epoch_us last_day strftime strptime try_strptime time_bucket timezone make_time to_years
to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds today
json_extract json_extract_string json_extract_path json_extract_path_text json_type json_valid json_keys json_contains
json_exists json_object json_array json_value typeof unnest
list_contains list_has list_position list_distinct list_unique list_sort list_reverse_sort list_reverse list_sum
list_avg list_min list_max list_count list_median list_any_value list_extract list_element list_slice list_has_any
list_has_all array_length array_contains array_distinct array_sort array_to_string cardinality
"""
_DUCKDB_AGGREGATE = """
count_if countif count_star median quantile quantile_cont quantile_disc approx_count_distinct approx_quantile arg_max
arg_min max_by min_by argmax argmin first last arbitrary product entropy kurtosis skewness mad sem fsum kahan_sum
regr_avgx regr_avgy regr_sxx regr_sxy regr_syy
"""
_POSTGRES_SCALAR = """
btrim initcap overlay div gcd lcm width_bucket scale min_scale trim_scale isfinite
to_char to_date to_number date_bin make_interval make_time make_timestamptz justify_days justify_hours justify_interval
timezone clock_timestamp statement_timestamp transaction_timestamp sha256 encode convert_to
regexp_match regexp_matches regexp_like regexp_count regexp_instr regexp_substr regexp_split_to_array
regexp_split_to_table string_to_array array_to_string array_length array_upper array_lower array_ndims array_position
array_positions cardinality unnest generate_series
to_jsonb json_typeof jsonb_typeof jsonb_array_length json_extract_path json_extract_path_text jsonb_extract_path
jsonb_extract_path_text json_build_object json_build_array jsonb_build_object jsonb_build_array json_strip_nulls
jsonb_strip_nulls jsonb_path_exists jsonb_path_query_first row_to_json json_object_keys jsonb_object_keys
json_array_elements json_array_elements_text jsonb_array_elements jsonb_array_elements_text json_each json_each_text
jsonb_each jsonb_each_text num_nulls num_nonnulls pg_typeof property_text property_number
"""
_POSTGRES_AGGREGATE = "every regr_avgx regr_avgy regr_sxx regr_sxy regr_syy"
_CLICKHOUSE_SCALAR = """
abs ceil ceiling floor round roundBankers trunc truncate sign sqrt cbrt exp exp2 exp10 ln log log2 log10 pow power mod
modulo positiveModulo intDiv intDivOrZero pi degrees radians sin cos tan asin acos atan atan2 hypot greatest least
coalesce nullIf ifNull isNull isNotNull assumeNotNull toNullable if multiIf isFinite isInfinite isNaN ifNotFinite
bitAnd bitOr bitXor bitNot bitShiftLeft bitShiftRight bitTest bitCount
lower upper lowerUTF8 upperUTF8 length lengthUTF8 char_length character_length octet_length empty notEmpty ltrim rtrim
trim trimLeft trimRight trimBoth substr substring substringUTF8 left leftUTF8 right rightUTF8 position positionUTF8
positionCaseInsensitive locate countSubstrings hasToken like notLike ilike match startsWith endsWith replace replaceOne
replaceAll replaceRegexpOne replaceRegexpAll regexp_replace regexp_extract regexpExtract extract extractAll
extractAllGroups countMatches concat concat_ws concatWithSeparator reverse reverseUTF8 translate translateUTF8 ascii
initcap splitByChar splitByString splitByRegexp splitByWhitespace splitByNonAlpha alphaTokens split_part hex unhex
base64Encode base64Decode MD5 SHA1 SHA256 SHA512 cityHash64 sipHash64 sipHash128 xxHash64 encodeURLComponent
decodeURLComponent domain domainWithoutWWW topLevelDomain protocol path pathFull queryString fragment
extractURLParameter extractURLParameters extractURLParameterNames cutURLParameter cutQueryString
now now64 today yesterday age date_trunc dateTrunc date_diff dateDiff timestamp_diff addSeconds addMinutes addHours
addDays addWeeks addMonths addQuarters addYears subtractSeconds subtractMinutes subtractHours subtractDays
subtractWeeks subtractMonths subtractQuarters subtractYears toYear toQuarter toMonth toWeek toISOWeek toISOYear
toYearWeek toDayOfMonth toDayOfWeek toDayOfYear toHour toMinute toSecond toMillisecond toStartOfYear toStartOfISOYear
toStartOfQuarter toStartOfMonth toLastDayOfMonth toMonday toStartOfWeek toStartOfDay toStartOfHour toStartOfMinute
toStartOfSecond toStartOfFiveMinutes toStartOfTenMinutes toStartOfFifteenMinutes toStartOfInterval toYYYYMM toYYYYMMDD
toTimeZone toUnixTimestamp toUnixTimestamp64Milli toUnixTimestamp64Micro fromUnixTimestamp fromUnixTimestamp64Milli
fromUnixTimestamp64Micro formatDateTime parseDateTime parseDateTimeBestEffort parseDateTimeBestEffortOrNull
parseDateTime64BestEffort parseDateTime64BestEffortOrNull monthName dateName makeDate makeDateTime makeDateTime64
toDate toDate32 toDateOrNull toDateTime toDateTimeOrNull toDateTime64 toDateTime64OrNull toIntervalSecond
toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear
toInt8 toInt16 toInt32 toInt64 toInt128 toInt256 toUInt8 toUInt16 toUInt32 toUInt64 toUInt128 toUInt256 toFloat32
toFloat64 toInt32OrNull toInt64OrNull toInt64OrZero toUInt64OrNull toFloat64OrNull toFloat64OrZero toDecimal32
toDecimal64 toDecimal128 toDecimal64OrNull toDecimal128OrNull toString toUUID toUUIDOrNull toBool toTypeName
JSONExtractRaw JSONExtractString JSONExtractInt JSONExtractUInt JSONExtractFloat JSONExtractBool JSONExtract
JSONExtractArrayRaw JSONExtractKeys JSONExtractKeysAndValuesRaw JSONHas JSONLength JSONArrayLength json_array_length
JSONType isValidJSON toJSONString
array arrayElement arrayJoin has hasAny hasAll indexOf arrayCount arrayExists arrayAll arraySum arrayAvg arrayMin
arrayMax arrayUniq arrayDistinct arraySort arrayReverseSort arrayReverse arraySlice arrayEnumerate arrayConcat
arrayIntersect arrayCompact arrayStringConcat arrayFlatten arrayZip arrayPopBack arrayPopFront arrayDifference
arrayCumSum tuple tupleElement map mapKeys mapValues mapContains
"""
_CLICKHOUSE_AGGREGATE = """
count countIf countDistinct sum sumIf avg avgIf avgWeighted min minIf max maxIf any anyIf anyLast anyHeavy any_value
first_value last_value argMin argMinIf argMax argMaxIf uniq uniqIf uniqExact uniqExactIf uniqCombined uniqCombined64
uniqHLL12 median medianExact quantile quantileExact quantileExactInclusive quantileTDigest quantiles quantilesExact topK
stddevPop stddevSamp stddev_pop stddev_samp varPop varSamp var_pop var_samp corr covarPop covarSamp skewPop skewSamp
kurtPop kurtSamp entropy simpleLinearRegression groupBitAnd groupBitOr groupBitXor bit_and bit_or bit_xor
bool_and bool_or sumKahan
"""
_CLICKHOUSE_WINDOW = """
row_number rank dense_rank percent_rank cume_dist ntile lag lead lagInFrame leadInFrame nth_value
"""

COLLECTING: Mapping[str, frozenset[str]] = {
    "duckdb": words(f"{_COLLECTING} list group_concat listagg"),
    "postgres": words(f"{_COLLECTING} json_agg jsonb_agg json_object_agg jsonb_object_agg"),
    "clickhouse": words(f"{_COLLECTING} grouparray groupuniqarray groupconcat group_concat"),
}
"""Aggregates whose result holds all their input. Refused over windows, where every row would have such a result."""

SPELLED: Mapping[str, str] = {
    name.lower(): name
    for name in words(
        f"{_CLICKHOUSE_SCALAR} {_CLICKHOUSE_AGGREGATE} {_CLICKHOUSE_WINDOW} groupArray groupUniqArray groupConcat "
        "generateSeries"
    )
}
"""ClickHouse distinguishes upper and lower case: its spelling of a function, by the name in lower case."""

SCALAR: Mapping[str, frozenset[str]] = {
    **{
        store: words(f"{_SCALAR} {_AGGREGATE} {_ORDERED} {_WINDOW} {more}") | COLLECTING[store]
        for store, more in (
            ("duckdb", f"{_DUCKDB_SCALAR} {_DUCKDB_AGGREGATE}"),
            ("postgres", f"{_POSTGRES_SCALAR} {_POSTGRES_AGGREGATE}"),
        )
    },
    "clickhouse": words(f"{_CLICKHOUSE_SCALAR} {_CLICKHOUSE_AGGREGATE} {_CLICKHOUSE_WINDOW} {_ORDERED}".lower())
    | COLLECTING["clickhouse"],
}
"""Functions that are allowed in expressions, in lower case."""

PARAMETRIC = words("quantile quantileexact quantileexactinclusive quantiletdigest quantiles quantilesexact topk")
"""ClickHouse's aggregates that take numbers in parentheses of their own: `quantile(0.9)(x)`."""

TABLE: Mapping[str, frozenset[str]] = {
    "duckdb": words("unnest generate_series range json_each"),
    "postgres": words(
        "unnest generate_series json_object_keys jsonb_object_keys json_array_elements json_array_elements_text "
        "jsonb_array_elements jsonb_array_elements_text json_each json_each_text jsonb_each jsonb_each_text "
        "regexp_matches regexp_split_to_table"
    ),
    "clickhouse": words("generate_series generateseries numbers"),
}
"""Functions that are allowed in FROM."""

BENEATH = words("extract position substring overlay similar_to_escape like_escape btrim ltrim rtrim repeat rpad")
"""PostgreSQL functions that SELECT syntax or Tallystick's own functions call."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("json_each", "json_each_text", "jsonb_each", "jsonb_each_text"), ("key", "value")),
    **dict.fromkeys(
        ("json_array_elements", "json_array_elements_text", "jsonb_array_elements", "jsonb_array_elements_text"),
        ("value",),
    ),
}
"""PostgreSQL's column names for these functions in FROM; any other function's column takes the alias's name."""

JOINING = words(
    "concat concat_ws json_object json_array json_build_object json_build_array jsonb_build_object jsonb_build_array "
    "overlay concatwithseparator arrayconcat array tuple map arrayzip"
)
"""Functions whose result is about as large as all their arguments together."""

SUBSTITUTING = words("replace regexp_replace replaceone replaceall replaceregexpone replaceregexpall")
"""Functions that replace each match of their second argument by the third."""

SEPARATORS: Mapping[str, int] = {
    "array_to_string": 1,
    "arraystringconcat": 1,
    "concat_ws": 0,
    "concatwithseparator": 0,
}
"""Functions that join the parts of a list, and the index of the argument that is the separator."""

WIDENING: Mapping[str, Mapping[str, int]] = {
    "encode": {"hex": 2, "base64": 2, "": 4},
    "convert_to": {"UTF8": 1, "": 4},
    "url_encode": {"": 3},
    "encodeurlcomponent": {"": 3},
    "hex": {"": 2},
    "base64encode": {"": 2},
}
"""Functions that encode one character as several: the most characters, by the value of the second argument."""

FORMATTING = words("strftime to_char formatdatetime")
"""Functions whose second argument is a pattern. One of its characters may become several: `%c` becomes a whole date."""

ROUNDING = words("round trunc")
"""PostgreSQL functions that pad a decimal to the number of digits in their second argument."""

DOUBLING = words("power pow exp")
"""Functions that return up to 100,000 digits for PostgreSQL's decimals; their arguments are cast to doubles."""

SEPARATING = words("string_agg group_concat listagg groupconcat")
"""Aggregates that join all rows into one text, with their second argument as separator."""

ESCAPING = words(
    "to_json to_jsonb row_to_json json_object json_array json_build_object json_build_array jsonb_build_object "
    "jsonb_build_array tojsonstring"
)
"""Functions that write a text as JSON, which escapes some characters with a second one."""

LISTING = words(
    "string_split str_split string_to_array split str_split_regex string_split_regex regexp_extract_all json_keys "
    "regexp_match regexp_matches regexp_split_to_array splitbychar splitbystring splitbyregexp splitbywhitespace "
    "splitbynonalpha alphatokens extractall jsonextractarrayraw jsonextractkeys jsonextractkeysandvaluesraw"
)
"""Functions that split a text into a list; as text, the list escapes some characters with a second one."""

GROUPS: Mapping[str, frozenset[str]] = {
    "duckdb": words("regexp_extract"),
    "postgres": words("regexp_match regexp_matches"),
    "clickhouse": words("extractallgroups"),
}
"""Functions whose result holds the match of each group of a pattern."""

PATHS = words("json_extract json_extract_string json_extract_path json_extract_path_text json_value")
"""DuckDB functions that take a JSON path or a list of paths."""
