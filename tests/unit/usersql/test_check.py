"""G12: what a user's own statement may not be, and the reason that is given; what is executed of one that may be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from tallystick.errors import InvalidRequest
from tallystick.usersql.check import PREFIX, check_sql
from tallystick.usersql.functions import SCALAR, TABLE
from tallystick.usersql.nodes import ALLOWED
from tallystick.usersql.parser import parse, render
from tallystick.usersql.views import VIEWS
from tests.helpers.thorough import examples

STORES = ["duckdb", "postgres", "clickhouse"]
ONLY_ONE = "only one SELECT"
NOT_READ = "line 1, column|cannot be read"
NO_VIEW = "there is no view"

REFUSED: list[tuple[str, str]] = [
    # no SELECT
    ("", ONLY_ONE),
    (";", ONLY_ONE),
    ("-- nothing", ONLY_ONE),
    ("VALUES (1)", ONLY_ONE),
    ("SELECT 1; SELECT 2", ONLY_ONE),
    ("SELECT 1; DROP TABLE events", ONLY_ONE),
    ("DROP TABLE events", ONLY_ONE),
    ("DELETE FROM events", ONLY_ONE),
    ("INSERT INTO events SELECT * FROM events", ONLY_ONE),
    ("UPDATE events SET name = 'x'", ONLY_ONE),
    ("CREATE TABLE x AS SELECT 1", ONLY_ONE),
    ("TRUNCATE events", ONLY_ONE),
    ("ALTER TABLE events ADD x int", ONLY_ONE),
    ("COPY events TO '/tmp/x'", ONLY_ONE),
    ("COPY (SELECT 1) TO PROGRAM 'sh'", f"{ONLY_ONE}|{NOT_READ}"),
    ("ATTACH '/tmp/x' AS x", f"{ONLY_ONE}|{NOT_READ}"),
    ("PRAGMA database_list", ONLY_ONE),
    ("SET memory_limit = '1TB'", ONLY_ONE),
    ("RESET ALL", f"{ONLY_ONE}|{NOT_READ}"),
    ("SHOW search_path", ONLY_ONE),
    ("EXPLAIN SELECT 1", ONLY_ONE),
    ("EXPLAIN ANALYZE DELETE FROM events", ONLY_ONE),
    ("DESCRIBE events", ONLY_ONE),
    ("BEGIN", ONLY_ONE),
    ("COMMIT", ONLY_ONE),
    ("CALL pragma_version()", f"{ONLY_ONE}|{NOT_READ}"),
    ("INSTALL httpfs", f"{ONLY_ONE}|{NOT_READ}"),
    ("LOAD httpfs", f"{ONLY_ONE}|{NOT_READ}"),
    ("CHECKPOINT", f"{ONLY_ONE}|{NOT_READ}"),
    ("VACUUM", f"{ONLY_ONE}|{NOT_READ}"),
    ("DO $$ BEGIN END $$", f"{ONLY_ONE}|{NOT_READ}"),
    ("LISTEN x", f"{ONLY_ONE}|{NOT_READ}"),
    ("PREPARE p AS SELECT 1", f"{ONLY_ONE}|{NOT_READ}"),
    ("EXECUTE p", f"{ONLY_ONE}|{NOT_READ}"),
    ("SELECT 1 FROM", NOT_READ),
    ("SELECT (", NOT_READ),
    ("SELECT 'open", NOT_READ),
    ("nonsense", f"{ONLY_ONE}|{NOT_READ}"),
    ("SELECT", "at least one column"),
    ("SELECT FROM events", "at least one column"),
    ("SELECT '\0'", "NUL"),
    ("SELECT '\ud800'", "surrogate"),
    # something that writes, inside
    ("WITH x AS (DELETE FROM events RETURNING *) SELECT * FROM x", "DELETE is not allowed"),
    ("WITH x AS (INSERT INTO events VALUES (1) RETURNING *) SELECT * FROM x", "INSERT is not allowed"),
    ("WITH x AS (UPDATE events SET name = '' RETURNING *) SELECT * FROM x", "UPDATE is not allowed"),
    ("SELECT * INTO x FROM events", "INTO is not allowed"),
    ("SELECT * FROM events FOR UPDATE", "LOCKS is not allowed"),
    ("SELECT * FROM events FOR SHARE SKIP LOCKED", "LOCKS is not allowed"),
    # tables
    ("SELECT * FROM blocks", NO_VIEW),
    ("SELECT * FROM dead_letters", NO_VIEW),
    ("SELECT * FROM shares", NO_VIEW),
    ("SELECT * FROM library", NO_VIEW),
    ("SELECT * FROM identities", NO_VIEW),
    ("SELECT * FROM site_events", NO_VIEW),
    ("SELECT * FROM tallystick_sql_events", NO_VIEW),
    ('SELECT * FROM "Tallystick_SQL_events"', NO_VIEW),
    ("SELECT * FROM main.events", "DB is not allowed"),
    ("SELECT * FROM tallystick.events", "DB is not allowed"),
    ("SELECT * FROM public.events", "DB is not allowed"),
    ('SELECT * FROM "public"."events"', "DB is not allowed"),
    ("SELECT * FROM tallystick.main.blocks", "(DB|CATALOG) is not allowed"),
    ("SELECT main.events.name FROM events", "DB is not"),
    ("SELECT * FROM pg_catalog.pg_authid", "DB is not allowed"),
    ("SELECT * FROM pg_authid", NO_VIEW),
    ("SELECT * FROM pg_stat_activity", NO_VIEW),
    ("SELECT * FROM information_schema.tables", "DB is not allowed"),
    ("SELECT * FROM sqlite_master", NO_VIEW),
    ("SELECT * FROM duckdb_settings", NO_VIEW),
    ("SELECT * FROM 'events.csv'", f"{NO_VIEW}|{NOT_READ}|is not allowed"),
    ('SELECT * FROM "/etc/passwd"', NO_VIEW),
    ('SELECT * FROM "http://localhost/x.parquet"', NO_VIEW),
    ("SELECT * FROM '/etc/*'", f"{NO_VIEW}|{NOT_READ}|is not allowed"),
    ("SELECT * FROM events, 'x.json' AS x", f"{NO_VIEW}|{NOT_READ}|is not allowed"),
    ("TABLE blocks", NO_VIEW),
    ("SELECT * FROM ONLY blocks", f"{NO_VIEW}|is not allowed|{NOT_READ}"),
    ("SELECT (SELECT count(*) FROM blocks)", NO_VIEW),
    ("SELECT 1 WHERE EXISTS (SELECT 1 FROM blocks)", NO_VIEW),
    ("SELECT * FROM events JOIN blocks ON true", NO_VIEW),
    ("SELECT 1 UNION SELECT count FROM blocks", NO_VIEW),
    ("SELECT 1 ORDER BY (SELECT count(*) FROM blocks)", NO_VIEW),
    ("SELECT 1 LIMIT (SELECT count(*) FROM blocks)", NO_VIEW),
    ("SELECT * FROM events, LATERAL (SELECT * FROM blocks) AS b", NO_VIEW),
    ("SELECT sum(1) OVER (ORDER BY (SELECT 1 FROM blocks)) FROM events", NO_VIEW),
    ("SELECT count(*) FILTER (WHERE (SELECT true FROM blocks)) FROM events", NO_VIEW),
    ("SELECT 1 IN (SELECT count FROM blocks)", NO_VIEW),
    ("SELECT 1 = ANY (SELECT count FROM blocks)", NO_VIEW),
    ("SELECT ARRAY(SELECT count FROM blocks)", "is not allowed"),
    ("(SELECT * FROM blocks)", NO_VIEW),
    # a view's name taken
    ("WITH events AS (SELECT 1) SELECT * FROM events", "is a view's name"),
    ("WITH EVENTS AS (SELECT 1) SELECT * FROM events", "is a view's name"),
    ('WITH "events" AS (SELECT 1) SELECT * FROM events', "is a view's name"),
    ("SELECT * FROM (WITH users AS (SELECT 1) SELECT * FROM users) AS x", "is a view's name"),
    ("WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT 2 FROM x) SELECT * FROM x", "RECURSIVE is not allowed"),
    # functions
    *(
        (f"SELECT {call}", "is not allowed")
        for call in (
            "pg_sleep(1)",
            "PG_SLEEP(1)",
            '"pg_sleep"(1)',
            "pg_read_file('/etc/passwd')",
            "pg_ls_dir('/')",
            "lo_import('/x')",
            "lo_export(1, '/x')",
            "dblink('host=x', 'y')",
            "current_setting('x')",
            "set_config('x', 'y', true)",
            "getenv('HOME')",
            "read_csv('x')",
            "read_text('/etc/passwd')",
            "read_blob('x')",
            "glob('*')",
            "query('SELECT 1')",
            "nextval('x')",
            "txid_current()",
            "pg_terminate_backend(1)",
            "pg_advisory_lock(1)",
            "pg_notify('a', 'b')",
            "query_to_xml('x', true, true, '')",
            "version()",
            "current_database()",
            "inet_server_addr()",
            "pg_stat_file('x')",
            "has_table_privilege('x', 'y')",
            "repeat('x', 1000000000)",
            "lpad('x', 1000000000)",
            "rpad('x', 1000000000)",
            "format('%1000000000s', 1)",
            "printf('%d', 1)",
            "getvariable('x')",
            "error('x')",
            "nosuchfunction(1)",
            "COLUMNS('.*')",
            "write_log('x')",
            "json_execute_serialized_sql('x')",
            "sys_context('a')",
            "list_resize([1], 9)",
            "random()",
            "setseed(1)",
            "user_defined(1)",
            "xmlparse('x')",
            "cast_to_type(1, 2)",
        )
    ),
    ("SELECT pg_catalog.pg_sleep(1)", "no schema|is not allowed|DB"),
    ("SELECT pg_catalog.lower('x')", "no schema"),
    ("SELECT a.pg_catalog.lower('x')", "no schema|DB is not allowed"),
    ("SELECT ('x').lower()", "no schema|is not allowed"),
    ("SELECT * FROM read_csv('/etc/passwd')", "is not allowed"),
    ("SELECT * FROM read_parquet(['a'])", "is not allowed"),
    ("SELECT * FROM query('SELECT 1')", "is not allowed"),
    ("SELECT * FROM query_table('blocks')", "is not allowed"),
    ("SELECT * FROM pragma_table_info('blocks')", "is not allowed"),
    ("SELECT * FROM duckdb_tables()", "is not allowed"),
    ("SELECT * FROM pg_ls_dir('/')", "is not allowed"),
    ("SELECT * FROM dblink('a', 'b') AS t(x int)", "is not allowed"),
    ("SELECT * FROM events, LATERAL pg_ls_dir(name) AS l", "is not allowed"),
    ("SELECT * FROM lower('x')", "is not allowed"),
    ("SELECT * FROM events WHERE pg_sleep(1) IS NULL", "is not allowed"),
    ("SELECT 1 ORDER BY pg_sleep(1)", "is not allowed"),
    ("SELECT count(*) FILTER (WHERE getenv('x') = '') FROM events", "is not allowed"),
    ("SELECT string_agg(name, ',') OVER () FROM events", "over a window"),
    ("SELECT array_agg(name) FILTER (WHERE true) OVER (ORDER BY timestamp) FROM events", "over a window"),
    # values, types, words
    ("SELECT $1", "takes no parameters"),
    ("SELECT ?", f"takes no parameters|{NOT_READ}"),
    ("SELECT :name", f"takes no parameters|{NOT_READ}|is not allowed"),
    ("SELECT E'a\\nb'", "single quotes only"),
    ("SELECT $$x$$", "single quotes only"),
    ("SELECT session_user", "not available|not allowed"),
    ("SELECT 'x'::regclass", "is not allowed"),
    ("SELECT CAST('x' AS xml)", "is not allowed"),
    ("SELECT CAST('x' AS public.thing)", f"is not allowed|{NOT_READ}"),
    ("SELECT EXTRACT(nonsense FROM now())", f"is not allowed|{NOT_READ}"),
    ("SELECT INTERVAL 1 parsec", f"not allowed|{NOT_READ}"),
    ("SELECT properties->>name FROM events", "a key in quotes"),
    ("SELECT * FROM events TABLESAMPLE SYSTEM (10)", "SAMPLE"),
    # too much
    ("SELECT " + "(" * 400 + "1" + ")" * 400, "nested too deep"),
    ("SELECT " + "NOT " * 2_000 + "true", "nested too deep"),
    ("SELECT " + "(SELECT " * 200 + "1" + ")" * 200, "nested too deep"),
    ("SELECT " + "+".join("1" * 2_900), "nested too deep"),
    ("SELECT 1" + "::int" * 2_000, "nested too deep"),
    ("SELECT * FROM " + "(" * 300 + "SELECT 1" + ")" * 300, "too deep"),
    ("SELECT replace(name, 'a', path) FROM events", "in quotes"),
    (f"SELECT replace(name, 'a', '{'x' * 101}') FROM events", "100"),
    (
        "WITH a AS (SELECT name||name||name||name||name AS s FROM events), "
        "b AS (SELECT s||s||s||s||s||s||s AS s FROM a), "
        "c AS (SELECT s||s||s||s||s||s||s||s AS s FROM b), "
        "d AS (SELECT concat(s, s, s, s, s, s, s, s) AS s FROM c) SELECT * FROM d",
        "too large",
    ),
    (
        "SELECT replace(replace(name, '', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'), 'x', "
        "'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy') FROM events",
        "too large",
    ),
    (
        "WITH a AS (SELECT string_agg(name, '') AS s FROM events), b AS (SELECT s||s||s||s||s||s||s||s AS s FROM a) "
        "SELECT s||s||s||s||s||s||s||s FROM b",
        "too large",
    ),
]

REFUSED_ON = {
    "duckdb": [
        ("SELECT range(1000000000)", "in FROM only"),
        ("SELECT generate_series(1, 10)", "in FROM only"),
        ("SELECT unnest(range(1000000000))", "in FROM only"),
        ("SUMMARIZE events", f"{ONLY_ONE}|{NOT_READ}"),
        ("FROM 'x.csv'", f"{NO_VIEW}|{NOT_READ}|is not allowed"),
        ("PIVOT events ON name", f"{ONLY_ONE}|{NOT_READ}|not"),
        ("SELECT list_transform([1], x -> x + 1)", "not"),
        ("SELECT * FROM events USING SAMPLE 3", "SAMPLE|not allowed"),
        ("SELECT {'a': 1}.lower()", "no schema|not allowed"),
        ("SELECT name.pg_sleep() FROM events", "no schema|not allowed"),
        ("SELECT * FROM read_csv_auto('x')", "is not allowed"),
        ("SELECT * FROM glob('/*')", "is not allowed"),
        ("SELECT * FROM events AT (VERSION => 1)", f"not allowed|{NOT_READ}"),
        ("SELECT 0x1F::blob", f"not allowed|{NOT_READ}"),
        ("FROM duckdb_secrets()", "is not allowed"),
        ("SELECT current_setting('memory_limit')", "is not allowed"),
    ],
    "postgres": [
        ('SELECT * FROM "Events"', NO_VIEW),
        ("SELECT U&'\\0061'", "single quotes only"),
        ("SELECT B'1'", "single quotes only"),
        ("SELECT X'1F'", "single quotes only"),
        ("SELECT name OPERATOR(pg_catalog.=) 'x' FROM events", "not allowed"),
        ('SELECT name COLLATE "C" FROM events', "not allowed"),
        ("SELECT 'a'::\"char\"", "not allowed"),
        ("SELECT current_user", "not available|not allowed"),
        ("SELECT current_schema", "not available"),
        ("SELECT xmlelement(name x)", f"not allowed|{NOT_READ}"),
        ("SELECT * FROM ROWS FROM (pg_ls_dir('/'))", f"not allowed|{NOT_READ}|{NO_VIEW}"),
        ("SELECT * FROM json_to_record('{}') AS x(a int)", "is not allowed"),
        ("SELECT lo_get(1)", "is not allowed"),
        ("SELECT query_to_json('SELECT 1')", "is not allowed"),
        ("SELECT txid_current_snapshot()", "is not allowed"),
    ],
    "clickhouse": [
        ("SELECT 1 IN blocks", "IN takes a list"),
        ("SELECT 1 IN (blocks)", "IN takes a list"),
        ("SELECT 1 IN ((blocks))", "IN takes a list"),
        ("SELECT 1 IN system.users", "IN takes a list|not allowed"),
        ("SELECT 1 NOT IN blocks", "IN takes a list"),
        ("SELECT 1 GLOBAL IN blocks", f"IN takes a list|not allowed|{NOT_READ}"),
        ("SELECT * FROM system.users", "DB is not allowed"),
        ("SELECT * FROM events FINAL", "not allowed"),
        ("SELECT * FROM events SAMPLE 0.1", "not"),
        ("SELECT * FROM events PREWHERE name = 'a'", "not allowed"),
        ("SELECT 1 SETTINGS readonly = 0", "not allowed"),
        ("SELECT 1 FORMAT CSV", "not allowed"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", f"not allowed|{NOT_READ}"),
        ("SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0) AS x", "not allowed"),
        ("SELECT * FROM file('/etc/passwd')", "is not allowed"),
        ("SELECT file('/etc/passwd')", "is not allowed"),
        ("SELECT * FROM url('http://127.0.0.1:9/')", "is not allowed"),
        ("SELECT * FROM remote('127.0.0.1', system.one)", "is not allowed"),
        ("SELECT * FROM s3('x')", "is not allowed"),
        ("SELECT * FROM merge('x', '.*')", "is not allowed"),
        ("SELECT * FROM site_events(site = 'x', seal = '')", "is not allowed"),
        ("SELECT * FROM view(SELECT 1)", "not allowed"),
        ("SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))", "not allowed"),
        ("SELECT dictGet('x', 'y', 1)", "is not allowed"),
        ("SELECT joinGet('blocks', 'y', 1)", "is not allowed"),
        ("SELECT getSetting('readonly')", "is not allowed"),
        ("SELECT getMacro('shard')", "is not allowed"),
        ("SELECT currentUser()", "is not allowed"),
        ("SELECT hostName()", "is not allowed"),
        ("SELECT sleep(3)", "is not allowed"),
        ("SELECT throwIf(1)", "is not allowed"),
        ("SELECT arrayMap(x -> x + 1, [1])", "not|key in quotes"),
        ("SELECT range(1000000000)", "is not allowed"),
        ("SELECT arrayWithConstant(1000000000, 'x')", "is not allowed"),
        ("SELECT leftPad('x', 1000000000)", "is not allowed"),
        ("SELECT randomString(1000000000)", "is not allowed"),
        ("SELECT groupArrayIf(name, 1 = 1) FROM events", "is not allowed"),
        ("SELECT quantile(name)(1) FROM events", "numbers"),
        ("SELECT groupArray(2)(name) FROM events", f"not allowed|{NOT_READ}"),
        ("SELECT {x:String}", "takes no parameters|not allowed"),
        ("SELECT * FROM {x:Identifier}", f"takes no parameters|not allowed|{NOT_READ}|a table needs a name"),
        ("SELECT (name AS n) || n FROM events", "AS is allowed"),
        ("SELECT count() FROM events WHERE (name AS n) = n", "AS is allowed"),
        ("WITH name AS n SELECT n FROM events", "SCALAR is not allowed"),
        ("WITH (SELECT 1) AS n SELECT n FROM events", "SCALAR is not allowed|is not allowed"),
        ("SELECT COLUMNS('.*') FROM events", "not allowed"),
        ("SELECT * APPLY(max) FROM events", f"not allowed|{NOT_READ}"),
        ("SELECT name.null FROM blocks", NO_VIEW),
        ("SELECT 1 FROM events ARRAY JOIN (SELECT count FROM blocks) AS x", f"{NO_VIEW}|not allowed|{NOT_READ}"),
        ("DESCRIBE TABLE events", f"{ONLY_ONE}|{NOT_READ}"),
        ("SHOW GRANTS", f"{ONLY_ONE}|{NOT_READ}"),
        ("SYSTEM RELOAD CONFIG", f"{ONLY_ONE}|{NOT_READ}"),
        ("KILL QUERY WHERE 1", f"{ONLY_ONE}|{NOT_READ}"),
        ("EXISTS TABLE events", f"{ONLY_ONE}|{NOT_READ}|not allowed"),
        ("SELECT CAST(name AS AggregateFunction(sum, Int8)) FROM events", "is not allowed"),
        ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY name) FROM events", "percentile_cont"),
    ],
}


OTHERWISE_ON_CLICKHOUSE = {
    "TABLE blocks": ONLY_ONE,
    "SELECT ARRAY(SELECT count FROM blocks)": NO_VIEW,
    "SELECT $1": NOT_READ,
    "SELECT E'a\\nb'": NOT_READ,
    "SELECT session_user": "",
    "SELECT 'x'::regclass": NOT_READ,
    "SELECT CAST('x' AS xml)": NOT_READ,
    "SELECT * FROM events TABLESAMPLE SYSTEM (10)": NOT_READ,
}
"""What sqlglot reads otherwise in ClickHouse's dialect, and the reason; none: it is a column's name there."""


def refused() -> Iterator[tuple[str, str, str]]:
    for store in STORES:
        for sql, reason in [*REFUSED, *REFUSED_ON[store]]:
            if store == "clickhouse":
                reason = OTHERWISE_ON_CLICKHOUSE.get(sql, reason)
            if reason:
                yield store, sql, reason


def test_a_place_is_where_the_word_begins() -> None:
    for store in STORES:
        with pytest.raises(InvalidRequest, match=r"^sql: line 2, column 3: Expecting \), near 'FROM'$"):
            check_sql("SELECT count(*\n  FROM events", store)


@pytest.mark.parametrize(("store", "sql", "reason"), list(refused()), ids=lambda value: ascii(value)[:60])
def test_is_refused(store: str, sql: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^sql: ") as error:
        check_sql(sql, store)
    assert re.search(reason, error.value.message), error.value.message
    assert "\x1b" not in error.value.message
    assert len(error.value.message) < 300


ON_BOTH = [
    "SELECT * FROM events",
    "TABLE events",
    "SELECT e.* FROM events AS e",
    "SELECT name n FROM events ORDER BY 1 DESC NULLS LAST",
    "SELECT name FROM events WHERE name ~ '^a' OR name SIMILAR TO 'b%'",
    "SELECT CAST(name AS VARCHAR(10)) FROM events",
    "SELECT extract(dow FROM timestamp), extract(epoch FROM timestamp - received_at) FROM events",
    "SELECT * FROM events ORDER BY timestamp LIMIT 3 OFFSET 2",
    "SELECT name FROM events GROUP BY ROLLUP (name)",
    "SELECT * FROM events AS a LEFT JOIN users USING (user_id) CROSS JOIN sessions",
    "SELECT -1, +1, 1.5e3, 'x' || NULL",
    "SELECT timestamp AT TIME ZONE 'Europe/Berlin' FROM events",
    "SELECT CURRENT_TIMESTAMP, CURRENT_DATE, now()",
    "WITH a AS MATERIALIZED (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM a, b",
    "WITH a AS (SELECT 1 AS x) SELECT (WITH a AS (SELECT 2 AS x) SELECT x FROM a) FROM a",
    "SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY timestamp) FILTER (WHERE name = 'a') FROM events",
    "SELECT first_value(name) OVER (ORDER BY timestamp RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW)\n"
    "FROM events",
]


NOT_ON_CLICKHOUSE = {
    "TABLE events",
    "SELECT name FROM events WHERE name ~ '^a' OR name SIMILAR TO 'b%'",
    "SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY timestamp) FILTER (WHERE name = 'a') FROM events",
}


@pytest.mark.parametrize(
    ("sql", "store"),
    [(sql, store) for store in STORES for sql in ON_BOTH if store != "clickhouse" or sql not in NOT_ON_CLICKHOUSE],
)
def test_is_allowed_and_reads_names_of_its_own(sql: str, store: str) -> None:
    """What is executed reads nothing but tables whose names begin as no table of a store does."""
    checked = check_sql(sql, store)
    (tree,) = parse(checked.sql, store)
    assert tree is not None
    for table in tree.find_all(exp.Table):
        assert isinstance(table.this, exp.Anonymous) or table.name.startswith(PREFIX)
    assert checked.views <= VIEWS.keys()


def test_what_is_executed() -> None:
    sql = (
        "WITH Own AS (SELECT Name, now() AS n FROM Events) -- why\n"
        "SELECT own.NAME, properties->'a/b~'->>'$c' FROM own, Users U"
    )
    assert check_sql(sql, "duckdb").sql == (
        'WITH "tallystick_sql_own" AS (SELECT "Name", CAST(now() AS TIMESTAMP) AS "n" '
        'FROM "tallystick_sql_events" AS "Events") '
        'SELECT "own"."NAME", json_extract_string(json_extract("properties", \'/a~1b~0\'), \'/$c\') '
        'FROM "tallystick_sql_own" AS "own", "tallystick_sql_users" AS "U"'
    )
    assert check_sql(sql, "postgres").sql == (
        'WITH "tallystick_sql_own" AS (SELECT "name", now() AS "n" FROM "tallystick_sql_events" AS "events") '
        'SELECT "own"."name", "properties" -> \'a/b~\' ->> \'$c\' '
        'FROM "tallystick_sql_own" AS "own", "tallystick_sql_users" AS "u"'
    )
    assert check_sql(sql, "postgres").views == {"events", "users"}
    assert check_sql(sql, "clickhouse").sql == (
        'WITH "tallystick_sql_own" AS (SELECT "Name", now() AS "n" FROM "tallystick_sql_events" AS "Events") '
        'SELECT "own"."NAME" AS "NAME", JSONExtract(CAST(nullIf(JSONExtractRaw("properties", \'a/b~\'), \'\') AS '
        "SimpleAggregateFunction(\"any\", Nullable(String))), '$c', 'Nullable(String)') AS "
        "\"properties -> \\'a/b~\\' ->> \\'$c\\'\" "
        'FROM "tallystick_sql_own" AS "own" CROSS JOIN "tallystick_sql_users" AS "U"'
    )


@pytest.mark.parametrize("store", STORES)
def test_a_common_table_does_not_reach_further_than_its_select(store: str) -> None:
    """Outside of it the name would be that of a real table; what is executed is called otherwise."""
    checked = check_sql("SELECT (WITH blocks AS (SELECT 1 AS x) SELECT x FROM blocks), count FROM blocks", store)
    assert '"blocks" AS' not in checked.sql
    assert checked.sql.endswith('FROM "tallystick_sql_blocks" AS "blocks"')


# --- anything -------------------------------------------------------------------------------------------------------

WORDS = [
    "SELECT",
    "FROM",
    "events",
    "users",
    "WHERE",
    "name",
    "=",
    "'x'",
    "(",
    ")",
    ",",
    "*",
    "1",
    "WITH",
    "AS",
    "blocks",
    "a",
    ".",
    "UNION",
    "ALL",
    "count",
    "->>",
    "'k'",
    "pg_sleep",
    "read_csv",
    "JOIN",
    "ON",
    "true",
    "LATERAL",
    "INTO",
    "FOR",
    "UPDATE",
    ";",
    "--",
    "/*",
    "*/",
    "$1",
    "'",
    '"',
    "E'",
    "$$",
    "::",
    "int",
    "OVER",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "\\",
    "\n",
    "LIMIT",
    "main",
]
texts = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=25).map(" ".join)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


def functions_of(tree: exp.Expr) -> Iterator[tuple[str, bool]]:
    for call in tree.find_all(exp.Anonymous):
        yield call.name.lower(), isinstance(call.parent, exp.Table | exp.Lateral)


@settings(max_examples=examples(1_500), suppress_health_check=list(HealthCheck))
@given(text=texts, store=st.sampled_from(STORES))
@example(text="SELECT * FROM (SELECT 'a' AS \"x' -- \") AS y", store="duckdb")
def test_any_text_is_refused_or_harmless(text: str, store: str) -> None:
    """No text makes anything but a refusal, or a statement that passes the same checks when it is read again."""
    try:
        checked = check_sql(text, store)
    except InvalidRequest:
        return
    assert_harmless(checked.sql, store)


def assert_harmless(sql: str, store: str) -> None:
    (tree,) = parse(sql, store)
    assert isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery)
    for node in tree.walk():
        assert type(node) in ALLOWED
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Anonymous):
            assert node.name.startswith(PREFIX)
            assert not node.db
    for name, in_from in functions_of(tree):
        assert name in (TABLE if in_from else SCALAR)[store]


@settings(max_examples=examples(400), suppress_health_check=list(HealthCheck))
@given(name=names, text=names, store=st.sampled_from(STORES))
def test_names_and_texts_stay_what_they_are(name: str, text: str, store: str) -> None:
    """Whatever characters they have, they do not end where they should not; DuckDB itself reads them so, too."""
    quoted, literal = name.replace('"', '""'), text.replace("'", "''")
    if store == "clickhouse":  # a backslash begins an escape; its own reading is in tests/attack/sql
        quoted, literal = (
            part.replace("\\", "\\\\").replace(end, f"\\{end}") for part, end in ((name, '"'), (text, "'"))
        )
    checked = check_sql(f"SELECT '{literal}' AS \"{quoted}\"", store)
    assert_harmless(checked.sql, store)
    if store == "clickhouse":
        (tree,) = parse(checked.sql, store)
        assert isinstance(tree, exp.Select)
        assert [(column.alias, column.this.name) for column in tree.expressions] == [(name, text)]
        return
    with duckdb.connect() as connection:
        found = connection.execute(checked.sql)
        assert found.description is not None
        assert found.description[0][0] == name
        assert found.fetchall() == [(text,)]


conditions = st.sampled_from(
    [
        "name = 'a'",
        "user_id IS NOT NULL",
        "timestamp > now()",
        "properties->>'$os' <> 'x'",
        "path LIKE '/%'",
        "1 IN (1, 2)",
    ]
)
values = st.sampled_from(
    ["name", "count(*)", "lower(path)", "max(timestamp)", "properties->>'a'", "CASE WHEN true THEN 1 END"]
)


@st.composite
def selects(draw: st.DrawFn, depth: int = 2) -> str:
    """SELECTs over views, subqueries and joins of them."""
    source = draw(st.sampled_from(["events", "users", "sessions", "deeper"])) if depth else "events"
    if source == "deeper":
        source = f"({draw(selects(depth=depth - 1))}) AS q{depth}"
    columns = ", ".join(f"{value} AS c{n}" for n, value in enumerate(draw(st.lists(values, min_size=1, max_size=3))))
    where = " AND ".join(draw(st.lists(conditions, max_size=2)))
    join = draw(st.sampled_from(["", " JOIN users AS u ON true", " LEFT JOIN events AS e2 USING (user_id)"]))
    limit = draw(st.sampled_from(["", " LIMIT 5"]))
    return f"SELECT {columns} FROM {source}{join}{f' WHERE {where}' if where else ''}{limit}"


@settings(max_examples=examples(300), suppress_health_check=list(HealthCheck))
@given(sql=selects(), store=st.sampled_from(STORES), pretty=st.booleans())
def test_selects_are_allowed_however_they_are_written(sql: str, store: str, pretty: bool) -> None:
    """And what is executed is the same after it was written by sqlglot in another form."""
    (tree,) = parse(sql, store)
    assert tree is not None
    other = tree.sql(dialect=store, pretty=pretty, identify=False)
    assume("DAYOFWEEK" not in other)
    checked = check_sql(sql, store)
    assert_harmless(checked.sql, store)
    assert render(parse(checked.sql, store)[0] or exp.Null(), store) == checked.sql
    assert checked.views <= VIEWS.keys()
    assert check_sql(" ".join(sql.split()), store) == checked
