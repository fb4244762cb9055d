"""G12: on PostgreSQL only a column may follow a dot, since `x.f` may be a call of `f`."""

from __future__ import annotations

import pytest

from tallystick.errors import InvalidRequest
from tallystick.usersql.check import check_sql

COLUMNS = [
    "SELECT e.name FROM events e",
    "SELECT EVENTS.Name FROM events",
    'SELECT e."name" FROM events AS e',
    "SELECT q.n FROM (SELECT count(*) AS n FROM events) q",
    "SELECT q.count FROM (SELECT count(*) FROM events) q",
    "SELECT q.name FROM (SELECT CAST(name AS TEXT) FROM events) q",
    'SELECT q."Ä" FROM (SELECT 1 AS "Ä") q',
    "SELECT q.event_id, q.o FROM (SELECT e.*, 1 AS o FROM events e) q",
    "SELECT q.a FROM ((SELECT 1 AS a)) q",
    "SELECT q.b FROM (SELECT 1 AS x, 2 AS b) AS q(a)",
    "SELECT e.c, e.properties FROM events AS e(a, b, c)",
    "SELECT x.y FROM (SELECT 1 AS y UNION SELECT 2 AS z) x ORDER BY x.y",
    "SELECT j.key, j.value FROM events e, json_each(e.properties) j",
    "SELECT j.value FROM events e CROSS JOIN LATERAL json_array_elements(e.properties) AS j",
    "SELECT s.s, generate_series.generate_series FROM generate_series(1, 2) s, generate_series(1, 2)",
    "SELECT v.a FROM (VALUES (1)) v(a)",
    "SELECT v.column1 FROM (VALUES (1)) v",
    "SELECT u.a FROM unnest(ARRAY[1]) AS u(a)",
    "SELECT u.b FROM unnest(ARRAY[1]) WITH ORDINALITY AS u(a, b)",
    "WITH x AS (SELECT * FROM events) SELECT x.name FROM x",
    "WITH x(a, b) AS (SELECT 1, 2) SELECT y.b FROM x AS y",
    "SELECT u.user_id, (SELECT max(e.timestamp) FROM events e WHERE e.user_id = u.user_id) FROM users u",
    "SELECT a.name, b.events FROM (events a JOIN users b USING (user_id))",
    "SELECT j.name FROM (events a JOIN users b USING (user_id)) j",
    "SELECT l.a FROM events e CROSS JOIN LATERAL (SELECT e.name AS a) l",
    "SELECT e.name FROM events e GROUP BY e.name HAVING max(e.path) > '' ORDER BY min(e.timestamp)",
    "SELECT sum(1) OVER (PARTITION BY e.name ORDER BY e.timestamp) FROM events e WINDOW w AS (ORDER BY e.path)",
]
CALLS = [
    "SELECT ('/etc/passwd'::text).pg_read_file",
    "SELECT ('SELECT 1'::text).ts_stat",
    "SELECT (1).pg_sleep",
    "SELECT (SELECT 'x' AS pg_read_file).pg_read_file",
    "SELECT (e).name FROM events e",
    "SELECT (e).* FROM events e",
    "SELECT (ARRAY['x'])[1].pg_read_file",
    "SELECT t.a[1].pg_read_file FROM (SELECT ARRAY['x'] AS a) t",
    "SELECT t.pg_read_file FROM unnest(ARRAY['x']) AS t",
    "SELECT t.f FROM unnest(ARRAY['x']) AS t",
    "SELECT unnest.pg_sleep FROM unnest(ARRAY[1])",
    "SELECT s.pg_sleep FROM generate_series(1, 2) s",
    "SELECT t.\"pg_read_file\" FROM (VALUES ('x')) t",
    "SELECT t.PG_READ_FILE FROM (VALUES ('x')) t",
    "SELECT x.pg_read_file FROM (SELECT 'a') x(\"PG_READ_FILE\")",
    "SELECT x.ﬁle FROM (SELECT 1 AS file) x",
    "SELECT e.json_agg FROM events e",
    "SELECT e.ctid FROM events e",
    "SELECT e.count FROM events e",
    # a column that is only declared somewhere else
    "SELECT 1 AS pg_read_file, x.pg_read_file FROM unnest(ARRAY['a']) x",
    "WITH pg_read_file AS (SELECT 1 AS pg_read_file) SELECT x.pg_read_file FROM unnest(ARRAY['a']) x",
    "SELECT x.pg_read_file FROM unnest(ARRAY['a']) x, (SELECT 1 AS pg_read_file) y",
    "SELECT x.f FROM unnest(ARRAY['a']) x WHERE EXISTS (SELECT 1 FROM (SELECT 1 AS f) x WHERE x.f = 1)",
    # two tables of one name: which is meant depends on LATERAL
    "SELECT 1 FROM unnest(ARRAY['a']) x WHERE EXISTS (SELECT 1 FROM (SELECT 1 AS f) x, (SELECT x.f) y)",
    "SELECT 1 FROM generate_series(1, 2) x, (SELECT x.f FROM (SELECT 1 AS f) x) y",
    "WITH a AS (SELECT 1 AS f) SELECT (WITH a AS (SELECT 'b') SELECT a.f FROM a)",
    # everywhere
    "SELECT 1 FROM events e ORDER BY e.pg_sleep",
    "SELECT 1 FROM events e GROUP BY e.pg_sleep",
    "SELECT 1 FROM events e GROUP BY ROLLUP (e.pg_sleep)",
    "SELECT 1 FROM events e HAVING e.pg_sleep IS NULL",
    "SELECT sum(1) OVER (PARTITION BY e.pg_sleep) FROM events e",
    "SELECT DISTINCT ON (e.pg_sleep) 1 FROM events e",
    "SELECT sum(1) OVER w FROM events e WINDOW w AS (ORDER BY e.pg_sleep)",
    "SELECT count(*) FILTER (WHERE e.pg_sleep) FROM events e",
    "SELECT 1 FROM events e JOIN users u ON u.pg_sleep",
    "SELECT 1 FROM events e, LATERAL (SELECT e.pg_sleep) l",
    "SELECT 1 FROM events e LIMIT (SELECT e.pg_sleep)",
    "SELECT 1 FROM events e, json_each(e.pg_read_file) j",
    "SELECT CASE WHEN e.pg_sleep THEN 1 END FROM events e",
    "SELECT j.f FROM (SELECT CASE WHEN true THEN 1 END) j",
    "SELECT e.value.pg_sleep FROM json_each('{}') e",
    # names that PostgreSQL cuts off at 63 bytes, and that are then the same
    f"SELECT {'a' * 64}.f FROM (SELECT 1 AS f) {'a' * 64}",
    f"SELECT 1 AS {'ä' * 32}",
    f"WITH {'a' * 53} AS (SELECT 1 AS f) SELECT f FROM {'a' * 53}",
]


@pytest.mark.parametrize("sql", COLUMNS)
def test_a_column_may_stand_behind_a_dot(sql: str) -> None:
    assert check_sql(sql, "postgres").sql


REASONS = "known to be a column|no name may follow|several tables|longer than|DB is|no schema or object"


@pytest.mark.parametrize("sql", CALLS, ids=lambda sql: ascii(sql)[:70])
def test_nothing_else_may(sql: str) -> None:
    with pytest.raises(InvalidRequest, match=REASONS):
        check_sql(sql, "postgres")


def test_duckdb_reads_a_field_as_a_field() -> None:
    """There a name after a dot is never a function without parentheses, and with them it is refused."""
    assert check_sql("SELECT ({'a': 1}).a, e.name FROM events AS e", "duckdb").sql
    for call in ("('x').lower()", "name.lower()", "({'a': 1}).a.getenv()", "('HOME').getenv()"):
        with pytest.raises(InvalidRequest):
            check_sql(f"SELECT {call} FROM events", "duckdb")
