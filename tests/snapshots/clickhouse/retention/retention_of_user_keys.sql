WITH persons AS (
    SELECT groupUniqArrayIf(intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000, starts AND timestamp >= {p3:DateTime64(6, 'UTC')}) AS cohorts, groupUniqArrayIf(intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000, returns AND timestamp >= {p3:DateTime64(6, 'UTC')}) AS periods
    FROM (
        SELECT
            assumeNotNull(user_id) AS person,
            timestamp,
            TRUE AS starts,
            TRUE AS returns
        FROM (SELECT * EXCEPT (user_id), user_id AS sent_id, nullIf(user_key, 0) AS user_id FROM events) AS events
        WHERE site_id = {p1:String}
            AND timestamp < {p2:DateTime64(6, 'UTC')}
            AND user_id IS NOT NULL
    ) AS tested_events
    WHERE starts OR returns
    GROUP BY person
)
SELECT cohort, period, count(*) AS users
FROM (
    SELECT cohort, arrayConcat([NULL], arrayFilter(period -> period >= cohort AND period <= cohort + 777600000000, periods)) AS of_cohort
    FROM persons
    ARRAY JOIN cohorts AS cohort
) AS cohorts_of_persons
ARRAY JOIN of_cohort AS period
GROUP BY cohort, period
LIMIT 102001

-- $1: 'default'
-- $2: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
