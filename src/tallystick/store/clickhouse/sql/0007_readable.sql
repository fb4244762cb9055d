-- `readable` of fewer events: a number that ClickHouse's JSON functions would change stands behind a colon, a comma or a
-- bracket. Before, digits in a text, such as "site-05" or "0e", were enough for a copy of the properties.
-- What is stored stays: a copy without such a number says the same.

ALTER TABLE events MODIFY COLUMN readable String DEFAULT if(
    match(properties, '[:,[][ \\t\\n\\r]*(?:-0|-?(?:[0-9]+\\.0+[^0-9]|[0-9.]+[eE]|[0-9.]{17}))'),
    arrayStringConcat(arrayMap(
        (place, part, number) ->
            if(place = 1, part, concat('"\\u0000', number, '"', substring(part, position(part, '\x02') + 1))),
        arrayEnumerate(
            splitByChar('\x01', replaceAll(
                replaceRegexpAll(properties, '("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][0-9.eE+-]*)', '\\1\x01\\2\x02'),
                '\x01\x02', '')) AS parts),
        parts,
        arrayMap(
            (digits, double) -> multiIf(
                NOT match(digits, '[.eE]'), if(digits = '-0', '0', digits),
                double IS NULL OR isInfinite(double), digits,
                match(toString(assumeNotNull(double)), '[.e]'), toString(assumeNotNull(double)),
                concat(toString(assumeNotNull(double)), '.0')),
            arrayMap(part -> substring(part, 1, greatest(position(part, '\x02'), 1) - 1), parts) AS numbers,
            arrayMap(digits -> JSONExtract(concat('[', digits, ']'), 1, 'Nullable(Float64)'), numbers)))),
    '') CODEC(ZSTD(1));

-- A DEFAULT, which an INSERT can give: sql/load.sql says why it does.
ALTER TABLE events MODIFY COLUMN origin LowCardinality(String) DEFAULT if(
    multiSearchAny(properties, ['"utm_', '"$ad_click"', '"$referring_domain"', '"$host"', '\\']),
    replaceOne(toJSONString(arrayMap(
        json -> multiIf(
            json IN ('', 'null'), NULL,
            startsWith(json, '"\\u0000'), substring(json, 8, length(json) - 8),
            startsWith(json, '"') AND position(json, '\\') = 0, substring(json, 2, length(json) - 2),
            startsWith(json, '"'), JSONExtractString(concat('[', json, ']'), 1),
            replaceRegexpAll(json, '"\\\\u0000([^"]*)"', '\\1')),
        arrayMap(
            key -> (JSONExtractKeysAndValuesRaw(if(readable = '', properties, readable)) AS origin_pairs).2[
                indexOf(origin_pairs.1, key)],
            ['utm_source', 'utm_medium', 'utm_campaign', '$ad_click', '$referring_domain', '$host']))),
        '[null,null,null,null,null,null]', ''),
    '') CODEC(ZSTD(1));
