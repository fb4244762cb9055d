WITH walked AS MATERIALIZED (
    WITH
        arraySort(groupArray(toInt64(toUnixTimestamp64Micro(timestamp)) * 64 + (CASE WHEN matches_step_1 THEN 1 WHEN matches_step_2 THEN 2 WHEN matches_step_3 THEN 3 ELSE 4 END) * 8 + if(matches_step_1, 1, 0) + if(matches_step_2, 2, 0) + if(matches_step_3, 4, 0))) AS events,
        arrayReverseFill(after -> after.1 <> 0, arrayMap(event -> tuple(if(bitAnd(event, 4) <> 0, toInt64(intDiv(event, 64)), 0)), events)) AS from_step_3,
        arrayReverseFill(after -> after.1 <> 0, arrayMap((event, later) -> if(bitAnd(event, 2) <> 0, tuple(toInt64(intDiv(event, 64)), later.1), tuple(toInt64(0), toInt64(0))), events, arrayPushBack(arrayPopFront(from_step_3), tuple(toInt64(0))))) AS from_step_2,
        arrayFilter(attempt -> notEmpty(attempt), arrayMap((event, later_1) -> if(bitAnd(event, 1) <> 0, arrayConcat([toInt64(intDiv(event, 64)) AS begun], arrayFilter(moment -> moment <> 0 AND moment <= begun + 604800000000, [later_1.1, later_1.2])), emptyArrayInt64()), events, arrayPushBack(arrayPopFront(from_step_2), tuple(toInt64(0), toInt64(0))))) AS attempts
    SELECT
        user_id AS person,
        attempts[indexOf(arrayMap(attempt -> length(attempt), attempts) AS lengths, arrayMax(lengths))] AS times
    FROM (
        SELECT
            user_id,
            timestamp,
            1 = 1 AS matches_step_1,
            (name = {p1:String} AND (if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL) = {p3:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p2:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p2:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p2:String}, 'Nullable(String)'), NULL), '\0')))) AS matches_step_2,
            name = {p1:String} AS matches_step_3
        FROM events
        WHERE site_id = {p4:String}
            AND user_id IS NOT NULL
    ) AS tested_events
    WHERE matches_step_1 OR matches_step_2 OR matches_step_3
    GROUP BY user_id
    HAVING max(matches_step_1)
),
persons AS (
    SELECT
        person,
        if(length(times) >= 1, fromUnixTimestamp64Micro(times[1], 'UTC'), NULL) AS step_1_at,
        if(length(times) >= 2, fromUnixTimestamp64Micro(times[2], 'UTC'), NULL) AS step_2_at,
        if(length(times) >= 3, fromUnixTimestamp64Micro(times[3], 'UTC'), NULL) AS step_3_at
    FROM walked
),
starts AS (
    SELECT person, min(step_1_at) AS started_at
    FROM persons
    GROUP BY person
),
values_at_start AS (
    SELECT starts.person, min(breakdown_value) AS breakdown_value
    FROM (
        SELECT user_id, timestamp, path AS breakdown_value
        FROM events
        WHERE site_id = {p4:String}
            AND user_id IS NOT NULL
            AND (1 = 1)
    ) AS starting_events
    JOIN starts ON starts.person = user_id AND started_at = timestamp
    GROUP BY starts.person
),
persons_with_value AS (
    SELECT
        step_1_at,
        step_2_at,
        step_3_at,
        breakdown_value
    FROM persons
    JOIN values_at_start ON values_at_start.person = persons.person
),
largest_groups AS (
    SELECT
        breakdown_value,
        row_number() OVER (ORDER BY count(*) DESC, breakdown_value NULLS LAST) AS group_rank
    FROM persons_with_value
    GROUP BY breakdown_value
    ORDER BY group_rank
    LIMIT 3
)
SELECT
    group_rank,
    largest_groups.breakdown_value,
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    count(step_3_at) AS persons_3,
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
    )[1] AS p90_seconds_2,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(CAST(toUnixTimestamp64Micro(step_3_at) - toUnixTimestamp64Micro(step_2_at) AS DOUBLE PRECISION) / 1000000))],
        [0.5 * (toInt64(count(CAST(toUnixTimestamp64Micro(step_3_at) - toUnixTimestamp64Micro(step_2_at) AS DOUBLE PRECISION) / 1000000)) - 1)]
    )[1] AS median_seconds_3,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(CAST(toUnixTimestamp64Micro(step_3_at) - toUnixTimestamp64Micro(step_2_at) AS DOUBLE PRECISION) / 1000000))],
        [0.9 * (toInt64(count(CAST(toUnixTimestamp64Micro(step_3_at) - toUnixTimestamp64Micro(step_2_at) AS DOUBLE PRECISION) / 1000000)) - 1)]
    )[1] AS p90_seconds_3
FROM persons_with_value
LEFT JOIN largest_groups ON persons_with_value.breakdown_value IS NOT DISTINCT FROM largest_groups.breakdown_value
GROUP BY group_rank, largest_groups.breakdown_value
ORDER BY group_rank NULLS LAST

-- $1: 'add'
-- $2: 'plan'
-- $3: 'pro'
-- $4: 'default'
