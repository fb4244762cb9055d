WITH sampled_events AS (
    SELECT *
    FROM events
    WHERE site_id = {p2:String}
    ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
    LIMIT 100000
),
newest_events AS (
    SELECT trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL)), '\0') AS text, nullIf(replaceRegexpAll(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"\\\\u0000([^"]*)"', '\\1'), '') AS value
    FROM sampled_events AS events
)
SELECT value, count(*) AS events
FROM newest_events
WHERE text IS NOT NULL
    AND position(lowerUTF8(text), lowerUTF8({p3:String})) > 0
GROUP BY text, value
ORDER BY events DESC, text, value
LIMIT 50

-- $1: 'plan'
-- $2: 'default'
-- $3: 'Pro'
