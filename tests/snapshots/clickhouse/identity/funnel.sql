WITH walked AS (
    WITH
        arraySort(groupArray(toInt64(toUnixTimestamp64Micro(timestamp)) * 16 + (CASE WHEN matches_step_1 THEN 1 WHEN matches_step_2 THEN 2 ELSE 3 END) * 4 + if(matches_step_1, 1, 0) + if(matches_step_2, 2, 0))) AS events,
        arrayReverseFill(after -> after.1 <> 0, arrayMap(event -> tuple(if(bitAnd(event, 2) <> 0, toInt64(intDiv(event, 16)), 0)), events)) AS from_step_2,
        arrayFilter(attempt -> notEmpty(attempt), arrayMap((event, later_1) -> if(bitAnd(event, 1) <> 0, arrayConcat([toInt64(intDiv(event, 16)) AS begun], arrayFilter(moment -> moment <> 0 AND moment <= begun + 604800000000, [later_1.1])), emptyArrayInt64()), events, arrayPushBack(arrayPopFront(from_step_2), tuple(toInt64(0))))) AS attempts
    SELECT
        user_id AS person,
        attempts[indexOf(arrayMap(attempt -> length(attempt), attempts) AS lengths, arrayMax(lengths))] AS times
    FROM (
        SELECT
            user_id,
            timestamp,
            name = {p1:String} AS matches_step_1,
            name = {p2:String} AS matches_step_2
        FROM (
            SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
            FROM events
            LEFT JOIN (
                SELECT user_id AS of_id, person_id
                FROM identities
                WHERE site_id = {p3:String}
            ) AS ids ON of_id = user_id
        ) AS events
        WHERE site_id = {p3:String}
            AND user_id IS NOT NULL
    ) AS tested_events
    WHERE matches_step_1 OR matches_step_2
    GROUP BY user_id
    HAVING max(matches_step_1)
),
persons AS (
    SELECT
        person,
        if(length(times) >= 1, fromUnixTimestamp64Micro(times[1], 'UTC'), NULL) AS step_1_at,
        if(length(times) >= 2, fromUnixTimestamp64Micro(times[2], 'UTC'), NULL) AS step_2_at
    FROM walked
)
SELECT
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(CAST(toUnixTimestamp64Micro(step_2_at) - toUnixTimestamp64Micro(step_1_at) AS DOUBLE PRECISION) / 1000000))],
        [0.5 * (toInt64(count(CAST(toUnixTimestamp64Micro(step_2_at) - toUnixTimestamp64Micro(step_1_at) AS DOUBLE PRECISION) / 1000000)) - 1)]
    )[1] AS median_seconds_2,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(CAST(toUnixTimestamp64Micro(step_2_at) - toUnixTimestamp64Micro(step_1_at) AS DOUBLE PRECISION) / 1000000))],
        [0.9 * (toInt64(count(CAST(toUnixTimestamp64Micro(step_2_at) - toUnixTimestamp64Micro(step_1_at) AS DOUBLE PRECISION) / 1000000)) - 1)]
    )[1] AS p90_seconds_2
FROM persons

-- $1: 'view'
-- $2: 'buy'
-- $3: 'default'
