WITH scoped AS (
  SELECT p0 AS d0, source AS d1, CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS n0, CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS n1, CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS n2, CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS n3, CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS n4, CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS n5
  FROM (SELECT * FROM events WHERE shredded >= 2
    UNION ALL SELECT * REPLACE (CASE left(CAST(json_extract(properties, $2) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $2) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $2) AS VARCHAR), 2, length(CAST(json_extract(properties, $2) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $2) AS VARCHAR) END AS p0, CASE left(CAST(json_extract(properties, $2) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $2) AS VARCHAR) IS NOT NULL THEN 2 END END AS k0, CASE left(CAST(json_extract(properties, $3) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $3) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $3) AS VARCHAR), 2, length(CAST(json_extract(properties, $3) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $3) AS VARCHAR) END AS p1, CASE left(CAST(json_extract(properties, $3) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $3) AS VARCHAR) IS NOT NULL THEN 2 END END AS k1)
    FROM events WHERE shredded IS NULL OR shredded < 2) AS events WHERE site_id = $1
)
SELECT d0, d1, sum(CASE WHEN isfinite(n0) THEN n0 END) AS m0, avg(CASE WHEN isfinite(n1) THEN n1 END) AS m1, min(CASE WHEN isfinite(n2) THEN n2 END) AS m2, quantile_cont(CASE WHEN isfinite(n3) THEN n3 END, 0.5) AS m3, quantile_cont(CASE WHEN isfinite(n4) THEN n4 END, 0.9) AS m4, quantile_cont(CASE WHEN isfinite(n5) THEN n5 END, 0.95) AS m5
FROM scoped
GROUP BY d0, d1
ORDER BY d0 NULLS LAST, d1 NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: '/plan'
-- $3: '/amount'
