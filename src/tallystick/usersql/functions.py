"""Which functions a statement may call, by store. What is not listed is refused, whatever it does.

Each was looked at for three things: it reads nothing but its arguments (no file, no address, no setting, no catalogue),
it changes nothing, and its result is not much larger than its arguments. The last is why `repeat`, `lpad`, `format` and
the lists that `range` makes are missing: one call could ask for gigabytes, which no memory limit of the store sees.
Distances between texts (`levenshtein`) are missing because one call may take hours, and cannot be interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping


def words(text: str) -> frozenset[str]:
    """The words of a text."""
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

COLLECTING: Mapping[str, frozenset[str]] = {
    "duckdb": words(f"{_COLLECTING} list group_concat listagg"),
    "postgres": words(f"{_COLLECTING} json_agg jsonb_agg json_object_agg jsonb_object_agg"),
}
"""Aggregates whose result is as large as everything they saw: not over windows, where each row would have one."""

SCALAR: Mapping[str, frozenset[str]] = {
    store: words(f"{_SCALAR} {_AGGREGATE} {_ORDERED} {_WINDOW} {more}") | COLLECTING[store]
    for store, more in (
        ("duckdb", f"{_DUCKDB_SCALAR} {_DUCKDB_AGGREGATE}"),
        ("postgres", f"{_POSTGRES_SCALAR} {_POSTGRES_AGGREGATE}"),
    )
}
"""Functions that may stand where a value does."""

TABLE: Mapping[str, frozenset[str]] = {
    "duckdb": words("unnest generate_series range json_each"),
    "postgres": words(
        "unnest generate_series json_object_keys jsonb_object_keys json_array_elements json_array_elements_text "
        "jsonb_array_elements jsonb_array_elements_text json_each json_each_text jsonb_each jsonb_each_text "
        "regexp_matches regexp_split_to_table"
    ),
}
"""Functions that may stand in FROM."""

BENEATH = words("extract position substring overlay similar_to_escape like_escape btrim ltrim rtrim repeat rpad")
"""PostgreSQL's functions that stand behind the syntax of a SELECT, or that Tallystick's own functions call."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("json_each", "json_each_text", "jsonb_each", "jsonb_each_text"), ("key", "value")),
    **dict.fromkeys(
        ("json_array_elements", "json_array_elements_text", "jsonb_array_elements", "jsonb_array_elements_text"),
        ("value",),
    ),
}
"""How PostgreSQL calls the columns of such functions in FROM; the column of the others has the alias's name."""

JOINING = words(
    "concat concat_ws json_object json_array json_build_object json_build_array jsonb_build_object jsonb_build_array "
    "overlay"
)
"""Functions whose result is about as large as all their arguments together."""

SUBSTITUTING = frozenset({"replace", "regexp_replace"})
"""Functions that put their third argument wherever the second is found."""

SEPARATORS: Mapping[str, int] = {"array_to_string": 1, "concat_ws": 0}
"""Functions that put an argument between the parts of a list, and which."""

WIDENING: Mapping[str, Mapping[str, int]] = {
    "encode": {"hex": 2, "base64": 2, "": 4},
    "convert_to": {"UTF8": 1, "": 4},
    "url_encode": {"": 3},
}
"""Functions that write each sign of a text with several: with how many at most, by what their second argument says."""

FORMATTING = words("strftime to_char")
"""Functions whose second argument is a pattern, of which each sign may become more than one: ten of a date's `%c`."""

ROUNDING = words("round trunc")
"""PostgreSQL's functions that fill a decimal up to as many digits as their second argument says."""

DOUBLING = words("power pow exp")
"""Functions that PostgreSQL has for decimals too, where they make a hundred thousand digits; statements use doubles."""

SEPARATING = words("string_agg group_concat listagg")
"""Aggregates that do so with their second argument, once for each row; what they give is one text."""

ESCAPING = words(
    "to_json to_jsonb row_to_json json_object json_array json_build_object json_build_array jsonb_build_object "
    "jsonb_build_array"
)
"""Functions that write a text as JSON does, with two signs for some."""

LISTING = words(
    "string_split str_split string_to_array split str_split_regex string_split_regex regexp_extract_all json_keys "
    "regexp_match regexp_matches regexp_split_to_array"
)
"""Functions that make a list of a text; as a text the list is written with two signs for some of its parts'."""

GROUPS: Mapping[str, frozenset[str]] = {
    "duckdb": words("regexp_extract"),
    "postgres": words("regexp_match regexp_matches"),
}
"""Functions whose result holds what each group of a pattern matches."""

PATHS = words("json_extract json_extract_string json_extract_path json_extract_path_text json_value")
"""DuckDB's functions that take a path, or a list of them."""
