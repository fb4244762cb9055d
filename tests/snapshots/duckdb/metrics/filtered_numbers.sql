WITH scoped AS (
  SELECT session_id, CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS n0, CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS n1, CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS n2, CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS n3
  FROM events WHERE site_id = $4
)
SELECT sum(CASE WHEN isfinite(n0) THEN n0 END) AS m0, avg(CASE WHEN isfinite(n1) THEN n1 END) AS m1, max(CASE WHEN isfinite(n2) THEN n2 END) AS m2, quantile_cont(CASE WHEN isfinite(n3) THEN n3 END, 0.9) AS m3, count(DISTINCT session_id) AS m4
FROM scoped

-- $1: '/plan'
-- $2: 'pro'
-- $3: '/amount'
-- $4: 'default'
