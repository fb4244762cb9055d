WITH scoped AS (
    SELECT
        intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS bucket_key,
        path AS dim_0,
        user_id,
        (if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL) = {p2:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '\0'))) AS passes_0,
        (if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL) = {p2:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '\0'))) AS passes_1,
        name = {p3:String} AS passes_2
    FROM events
    WHERE site_id = {p4:String}
        AND timestamp >= {p5:DateTime64(6, 'UTC')}
        AND timestamp < {p6:DateTime64(6, 'UTC')}
        AND ((if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL) = {p2:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '\0'))) OR name = {p3:String})
),
ranked AS (
    SELECT dim_0, row_number() OVER (ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST) AS rank
    FROM (
        SELECT dim_0, count(DISTINCT CASE WHEN passes_0 THEN user_id END) AS metric_0
        FROM scoped
        GROUP BY dim_0
    ) AS ranking
    ORDER BY rank
    LIMIT 3
)
SELECT
    bucket_key AS bucket,
    ranked.dim_0,
    count(DISTINCT CASE WHEN passes_0 THEN user_id END) AS metric_0,
    CAST(count(CASE WHEN passes_1 THEN user_id END) AS DOUBLE PRECISION) / nullif(count(DISTINCT CASE WHEN passes_1 THEN user_id END), 0) AS metric_1,
    count(CASE WHEN passes_2 THEN 1 END) AS metric_2
FROM scoped
JOIN ranked ON scoped.dim_0 IS NOT DISTINCT FROM ranked.dim_0
GROUP BY bucket_key, rank, ranked.dim_0
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'page_view'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
