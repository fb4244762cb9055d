WITH cohorts AS (
    SELECT person, intDiv((toUnixTimestamp64Micro(first_at) + -345600000000), 604800000000) * 604800000000 + 345600000000 AS period_key
    FROM (
        SELECT user_id AS person, min(timestamp) AS first_at
        FROM events
        WHERE site_id = {p3:String}
            AND timestamp < {p5:DateTime64(6, 'UTC')}
            AND name = {p6:String}
            AND user_id IS NOT NULL
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= {p4:DateTime64(6, 'UTC')}
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, intDiv((toUnixTimestamp64Micro(timestamp) + -345600000000), 604800000000) * 604800000000 + 345600000000 AS period_key
    FROM events
    WHERE site_id = {p3:String}
        AND timestamp >= {p4:DateTime64(6, 'UTC')}
        AND timestamp < {p5:DateTime64(6, 'UTC')}
        AND (if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL) = {p2:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p1:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p1:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p1:String}, 'Nullable(String)'), NULL), '\0')))
        AND user_id IS NOT NULL
)
SELECT cohorts.period_key AS cohort, NULL AS period, count(*) AS users
FROM cohorts
GROUP BY period_key
UNION ALL
SELECT cohorts.period_key, returning_persons.period_key, count(*)
FROM cohorts
JOIN returning_persons
    ON returning_persons.person = cohorts.person
    AND returning_persons.period_key >= cohorts.period_key
    AND returning_persons.period_key <= cohorts.period_key + 5443200000000
GROUP BY cohorts.period_key, returning_persons.period_key
LIMIT 102001

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'sign_up'
