-- What an event says of where its visit came from: the texts of the six properties that a channel depends on, as a JSON array
-- in the order of analysis/sessions/channels.py; empty: it has none of them. So a question by channel or referrer parses no
-- properties. A text is what property columns have of a key.

ALTER TABLE events ADD COLUMN IF NOT EXISTS origin LowCardinality(String) MATERIALIZED if(
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

-- What is stored already is rewritten later, by ClickHouse itself: questions read its properties until then.
ALTER TABLE events MATERIALIZE COLUMN origin SETTINGS mutations_sync = 0;
