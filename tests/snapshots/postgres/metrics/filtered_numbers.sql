WITH scoped AS (
  SELECT session_id, CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS n0, CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS n1, CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS n2, CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS n3
  FROM events WHERE site_id = CAST($4 AS text)
)
SELECT whole_sum(sum(n0) FILTER (WHERE abs(n0) < 1e290), sum(n0 / 2 ^ 64) FILTER (WHERE abs(n0) >= 1e290 AND abs(n0) < 'Infinity')) AS m0, whole_mean(sum(n1) FILTER (WHERE abs(n1) < 1e290), sum(n1 / 2 ^ 64) FILTER (WHERE abs(n1) >= 1e290 AND abs(n1) < 'Infinity'), count(n1) FILTER (WHERE abs(n1) < 'Infinity')) AS m1, max(CASE WHEN abs(n2) < 'Infinity' THEN n2 END) AS m2, percentile_cont(0.9) WITHIN GROUP (ORDER BY CASE WHEN abs(n3) < 'Infinity' THEN n3 END) AS m3, count(DISTINCT session_id) AS m4
FROM scoped

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'amount'
-- $4: 'default'
