WITH persons AS (
    SELECT if(minIf(timestamp, starts) IS NOT NULL AND minIf(timestamp, starts) >= {p6:DateTime64(6, 'UTC')}, [assumeNotNull(intDiv((toUnixTimestamp64Micro(minIf(timestamp, starts)) + -345600000000), 604800000000) * 604800000000 + 345600000000)], emptyArrayInt64()) AS cohorts, groupUniqArrayIf(intDiv((toUnixTimestamp64Micro(timestamp) + -345600000000), 604800000000) * 604800000000 + 345600000000, returns AND timestamp >= {p6:DateTime64(6, 'UTC')}) AS periods
    FROM (
        SELECT
            assumeNotNull(user_id) AS person,
            timestamp,
            coalesce(name = {p1:String}, FALSE) AS starts,
            coalesce((if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL) = {p3:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0'))), FALSE) AS returns
        FROM events
        WHERE site_id = {p4:String}
            AND timestamp < {p5:DateTime64(6, 'UTC')}
            AND user_id IS NOT NULL
    ) AS tested_events
    WHERE starts OR returns
    GROUP BY person
)
SELECT cohort, period, count(*) AS users
FROM (
    SELECT cohort, arrayConcat([NULL], arrayFilter(period -> period >= cohort AND period <= cohort + 5443200000000, periods)) AS of_cohort
    FROM persons
    ARRAY JOIN cohorts AS cohort
) AS cohorts_of_persons
ARRAY JOIN of_cohort AS period
GROUP BY cohort, period
LIMIT 102001

-- $1: 'sign_up'
-- $2: 'plan'
-- $3: 'pro'
-- $4: 'default'
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
