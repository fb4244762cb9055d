WITH scoped AS (
    SELECT
        trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL)), '\0') AS dim_0,
        source AS dim_1,
        if(match(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) AS value_0,
        if(match(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) AS value_1,
        if(match(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) AS value_2,
        if(match(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) AS value_3,
        if(match(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) AS value_4,
        if(match(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) AS value_5
    FROM events
    WHERE site_id = {p3:String}
)
SELECT
    dim_0,
    dim_1,
    sum(if(isFinite(value_0), value_0, NULL)) AS metric_0,
    avg(if(isFinite(value_1), value_1, NULL)) AS metric_1,
    min(if(isFinite(value_2), value_2, NULL)) AS metric_2,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(if(isFinite(value_3), value_3, NULL)))],
        [0.5 * (toInt64(count(if(isFinite(value_3), value_3, NULL))) - 1)]
    )[1] AS metric_3,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(if(isFinite(value_4), value_4, NULL)))],
        [0.9 * (toInt64(count(if(isFinite(value_4), value_4, NULL))) - 1)]
    )[1] AS metric_4,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(if(isFinite(value_5), value_5, NULL)))],
        [0.95 * (toInt64(count(if(isFinite(value_5), value_5, NULL))) - 1)]
    )[1] AS metric_5
FROM scoped
GROUP BY dim_0, dim_1
ORDER BY dim_0 NULLS LAST, dim_1 NULLS LAST
LIMIT 10001

-- $1: 'plan'
-- $2: 'amount'
-- $3: 'default'
