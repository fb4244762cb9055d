WITH scoped AS (
  SELECT property_text(properties, CAST($1 AS text) COLLATE "C") AS d0, source AS d1, property_number(properties, CAST($2 AS text) COLLATE "C") AS n0, property_number(properties, CAST($2 AS text) COLLATE "C") AS n1, property_number(properties, CAST($2 AS text) COLLATE "C") AS n2, property_number(properties, CAST($2 AS text) COLLATE "C") AS n3, property_number(properties, CAST($2 AS text) COLLATE "C") AS n4, property_number(properties, CAST($2 AS text) COLLATE "C") AS n5
  FROM events WHERE site_id = CAST($3 AS text)
)
SELECT d0, d1, whole_sum(sum(n0) FILTER (WHERE abs(n0) < 1e290), sum(n0 / 2 ^ 64) FILTER (WHERE abs(n0) >= 1e290 AND abs(n0) < 'Infinity')) AS m0, whole_mean(sum(n1) FILTER (WHERE abs(n1) < 1e290), sum(n1 / 2 ^ 64) FILTER (WHERE abs(n1) >= 1e290 AND abs(n1) < 'Infinity'), count(n1) FILTER (WHERE abs(n1) < 'Infinity')) AS m1, min(CASE WHEN abs(n2) < 'Infinity' THEN n2 END) AS m2, percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN abs(n3) < 'Infinity' THEN n3 END) AS m3, percentile_cont(0.9) WITHIN GROUP (ORDER BY CASE WHEN abs(n4) < 'Infinity' THEN n4 END) AS m4, percentile_cont(0.95) WITHIN GROUP (ORDER BY CASE WHEN abs(n5) < 'Infinity' THEN n5 END) AS m5
FROM scoped
GROUP BY d0, d1
ORDER BY d0 NULLS LAST, d1 NULLS LAST
LIMIT 10001

-- $1: 'plan'
-- $2: 'amount'
-- $3: 'default'
