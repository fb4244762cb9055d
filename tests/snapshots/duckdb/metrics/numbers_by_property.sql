WITH scoped AS (
  SELECT json_extract_string(properties, $1) AS d0, source AS d1, TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS n0, TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS n1, TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS n2, TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS n3, TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS n4, TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS n5
  FROM events WHERE site_id = $3
)
SELECT d0, d1, sum(CASE WHEN isfinite(n0) THEN n0 END) AS m0, avg(CASE WHEN isfinite(n1) THEN n1 END) AS m1, min(CASE WHEN isfinite(n2) THEN n2 END) AS m2, quantile_cont(CASE WHEN isfinite(n3) THEN n3 END, 0.5) AS m3, quantile_cont(CASE WHEN isfinite(n4) THEN n4 END, 0.9) AS m4, quantile_cont(CASE WHEN isfinite(n5) THEN n5 END, 0.95) AS m5
FROM scoped
GROUP BY d0, d1
ORDER BY d0 NULLS LAST, d1 NULLS LAST
LIMIT 10001

-- $1: '/plan'
-- $2: '/amount'
-- $3: 'default'
