"""G12: the second fence of SQL on PostgreSQL alone, with the first one down; and that nothing starts without it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tallystick.config import Settings
from tallystick.errors import ConfigError, TallystickError
from tallystick.model.queries.statement import SqlQuery
from tallystick.store import Store, make_store
from tallystick.store.postgres.role import ROLE, seal_of, verifier
from tests.helpers.commands import run_command
from tests.helpers.sql.side import (
    CANARY,
    MINE,
    OWNER,
    THEIRS,
    asked,
    connected,
    database_of,
    made,
    opened,
    postgres,
    unchecked,
)
from tests.helpers.thorough import some
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return made(server, tmp_path_factory.mktemp("role"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(settings: Settings) -> AsyncIterator[Store]:
    async with opened(settings) as store:
        yield store


@pytest.fixture
def first_fence_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.usersql.check.check_sql", unchecked)


DENIED = "permission denied"
ATTACKS = {
    "files": ("SELECT pg_read_file('/etc/passwd')", DENIED),
    "files, as a column": ("SELECT ('/etc/passwd'::text).pg_read_file", DENIED),
    "binary files": ("SELECT pg_read_binary_file('/etc/passwd')", DENIED),
    "folders": ("SELECT * FROM pg_ls_dir('/')", DENIED),
    "large objects": ("SELECT lo_import('/etc/passwd')", DENIED),
    "large objects out": ("SELECT lo_export(1, '/tmp/x')", DENIED),
    "large objects made": ("SELECT lo_from_bytea(0, 'x')", DENIED),
    "settings": ("SELECT set_config('runnel.site', 'theirs', true)", DENIED),
    "settings, in a row": (
        "SELECT s, e.* FROM set_config('runnel.site', 'theirs', true) AS s, site_events AS e",
        DENIED,
    ),
    "settings read": ("SELECT current_setting('runnel.seal')", DENIED),
    "settings listed": ("SELECT * FROM pg_settings", DENIED),
    "settings changed": ("SELECT * FROM pg_show_all_settings()", DENIED),
    "sleep": ("SELECT pg_sleep(100)", DENIED),
    "sleep for": ("SELECT pg_sleep_for('1 min')", DENIED),
    "terminate": ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", DENIED),
    "terminate one": ("SELECT pg_terminate_backend(1)", DENIED),
    "cancel": ("SELECT pg_cancel_backend(1)", DENIED),
    "sessions": ("SELECT query FROM pg_stat_activity", DENIED),
    "locks": ("SELECT * FROM pg_locks", DENIED),
    "statements in text": ("SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM all_events')", DENIED),
    "statements in XML": ("SELECT query_to_xml('SELECT * FROM all_events', true, true, '')", DENIED),
    "tables in XML": ("SELECT table_to_xml('events', true, true, '')", DENIED),
    "the database in XML": ("SELECT database_to_xml(true, true, '')", DENIED),
    "cursors in XML": ("SELECT cursor_to_xml('a', 1, true, true, '')", DENIED),
    "advisory locks": ("SELECT pg_advisory_lock(1)", DENIED),
    "notices": ("SELECT pg_notify('a', 'b')", DENIED),
    "sequences": ("SELECT nextval('dead_letters_id_seq')", DENIED),
    "sequences set": ("SELECT setval('dead_letters_id_seq', 1)", DENIED),
    "rows by place": ("SELECT currtid2('events', '(0,1)')", DENIED),
    "slots": ("SELECT pg_create_physical_replication_slot('x')", DENIED),
    "log": ("SELECT pg_logical_emit_message(false, 'a', 'b')", DENIED),
    "statistics": ("SELECT count(*) FROM pg_stats", DENIED),
    "sizes": ("SELECT pg_relation_size('events')", DENIED),
    "who": ("SELECT inet_server_addr()", DENIED),
    "passwords": ("SELECT * FROM pg_authid", DENIED),
    "events": ("SELECT * FROM events", DENIED),
    "a partition": ("SELECT * FROM events_20250601", DENIED),
    "events of other schemas": ("SELECT * FROM public.events", DENIED),
    "reports": ("SELECT * FROM library", DENIED),
    "share links": ("SELECT digest FROM shares", DENIED),
    "dead letters": ("SELECT * FROM dead_letters", DENIED),
    "the ledger": ("SELECT * FROM blocks", DENIED),
    "rollups": ("SELECT * FROM rollup", DENIED),
    "identities": ("SELECT * FROM identities", DENIED),
    "people": ("SELECT * FROM people", DENIED),
    "the secret": ("SELECT secret FROM sql_secret", DENIED),
    "locking": ("SELECT * FROM site_events FOR UPDATE", f"{DENIED}|read-only"),
    "writing": ("SELECT 1 AS a) AS asked; DELETE FROM events; SELECT * FROM (SELECT 1 AS a", "multiple commands"),
    "a writing WITH": ("WITH x AS (DELETE FROM all_events RETURNING 1) SELECT * FROM x", "top level|read-only"),
    "all sites": ("SELECT * FROM all_events", "seal"),
    "all sites, by an error": ("SELECT * FROM all_events WHERE CAST(name AS INT) = 1", "seal"),
    "all sites, joined": ("SELECT * FROM (SELECT 1) a LEFT JOIN all_events e ON CAST(e.name AS INT) = 1", "seal"),
    "all sites, each": (
        "SELECT l.* FROM site_events s, LATERAL (SELECT * FROM all_events WHERE name > s.name) l",
        "seal",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_role_may_not(side: Store, first_fence_down: None, name: str) -> None:
    sql, why = ATTACKS[name]
    with pytest.raises(TallystickError, match=why) as refused:
        await asked(side, sql)
    assert CANARY not in str(refused.value)


async def test_the_role_reads_its_site(side: Store, first_fence_down: None) -> None:
    """And no condition or cast of the statement's is evaluated for a row of another."""
    assert (await asked(side, "SELECT name FROM site_events")).rows == [["own"], ["own"]]
    assert (await asked(side, "SELECT * FROM site_events WHERE CAST(name AS TEXT) = 'canary-of-theirs'")).rows == []
    for leak in ("CAST(path AS INT) = 1", "1 / (position('theirs' IN path) * 0) = 1", "path::json IS NOT NULL"):
        assert (await asked(side, f"SELECT * FROM site_events WHERE path IS NOT NULL AND {leak}")).rows == [], leak


async def test_whoever_is_sealed_without_a_site_sees_none(side: Store, first_fence_down: None) -> None:
    """Not all of them."""
    assert (await side.select(SqlQuery(sql="SELECT count(*) FROM site_events"), sealed=True)).rows == [[0]]
    with pytest.raises(TallystickError, match="seal"):
        await side.select(SqlQuery(sql="SELECT count(*) FROM all_events"), sealed=True)
    for odd in ("\0", "x\0"):
        with pytest.raises(TallystickError, match="holds a"):
            await asked(side, "SELECT count(*) FROM site_events", odd)
    for other in ("x' OR '1'='1", "mine'; SET runnel.site = 'theirs", "\\", "", "all", "site mine"):
        assert (await asked(side, "SELECT count(*) FROM site_events", other)).rows == [[0]]


async def test_no_other_site_without_its_seal(settings: Settings, side: Store) -> None:
    """As the role itself, which can set anything in its own session: the site is worth nothing without the seal."""
    async with connected(settings.store_url) as keeper:
        secret = await keeper.fetchval("SELECT secret FROM sql_secret")
    own, other, every = (seal_of(secret, scope) for scope in (f"site {MINE}", f"site {THEIRS}", "all"))
    async with connected(settings.sql_url) as role:
        for site, seal, seen in [
            (MINE, own, 2),
            (THEIRS, other, 2),
            (THEIRS, own, None),
            (THEIRS, every, None),
            (THEIRS, "", None),
            ("", own, None),
            (f"{MINE} ", own, None),
            (MINE, own.upper(), None),
            (THEIRS, secret.hex(), None),
        ]:
            await role.execute(f"SET runnel.site = '{site}'; SET runnel.seal = '{seal}'")
            if seen is None:
                with pytest.raises(Exception, match="the seal of this statement's site is missing or wrong"):
                    await role.fetch("SELECT * FROM site_events")
            else:
                assert len(await role.fetch("SELECT * FROM site_events")) == seen
            if seal != every:
                with pytest.raises(Exception, match="seal"):
                    await role.fetch("SELECT * FROM all_events")
        await role.execute("RESET ALL")
        with pytest.raises(Exception, match="seal"):
            await role.fetch("SELECT * FROM site_events")


WRITES = [
    "CREATE TABLE x (a int)",
    "CREATE TEMP TABLE x (a int)",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE SCHEMA x",
    "SELECT 1 INTO TEMP x",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DELETE FROM all_events",
    "INSERT INTO events SELECT * FROM site_events",
    "UPDATE site_events SET name = 'x'",
    "TRUNCATE events",
    "COPY (SELECT 1) TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "ALTER ROLE tallystick_sql SUPERUSER",
    "CHECKPOINT",
    "SET temp_file_limit = -1",
    "SET ROLE keeper",
    "SET SESSION AUTHORIZATION keeper",
    "ALTER SYSTEM SET port = 1",
    "CREATE EXTENSION dblink",
    "LOAD 'x'",
    "DROP VIEW site_events",
]


async def test_the_role_writes_nothing(settings: Settings, side: Store) -> None:
    """Not even when it may say anything, one statement after the other, and begins with taking its reins off."""
    async with connected(settings.sql_url) as role:
        await role.execute("SET default_transaction_read_only = off; SET statement_timeout = 0")
        for statement in WRITES:
            with pytest.raises(Exception, match=r"permission denied|must be|cannot|not allowed|only superusers"):
                await role.execute(statement)
    assert (await asked(side, "SELECT count(*) FROM events")).rows == [[2]]


# --- starting -------------------------------------------------------------------------------------------------------

FAULTS = {
    "superuser": ("ALTER ROLE {role} SUPERUSER", "is a superuser", "ALTER ROLE {role} NOSUPERUSER"),
    "bypassrls": ("ALTER ROLE {role} BYPASSRLS", "has BYPASSRLS", "ALTER ROLE {role} NOBYPASSRLS"),
    "createrole": ("ALTER ROLE {role} CREATEROLE", "has CREATEROLE", "ALTER ROLE {role} NOCREATEROLE"),
    "createdb": ("ALTER ROLE {role} CREATEDB", "has CREATEDB", "ALTER ROLE {role} NOCREATEDB"),
    "replication": ("ALTER ROLE {role} REPLICATION", "has REPLICATION", "ALTER ROLE {role} NOREPLICATION"),
    **{
        member: (f"GRANT {member} TO {{role}}", f"is a member of {member}", f"REVOKE {member} FROM {{role}}")
        for member in ("pg_read_server_files", "pg_execute_server_program", "pg_read_all_data", "pg_monitor", OWNER)
    },
    "a table": ("GRANT SELECT ON shares TO {role}", "read or change shares", "REVOKE SELECT ON shares FROM {role}"),
    "everybody's table": ("GRANT SELECT ON events TO PUBLIC", "change events", "REVOKE SELECT ON events FROM PUBLIC"),
    "a column": (
        "GRANT SELECT (path) ON events TO {role}",
        "change events",
        "REVOKE SELECT (path) ON events FROM {role}",
    ),
    "writing": ("GRANT DELETE ON blocks TO {role}", "change blocks", "REVOKE DELETE ON blocks FROM {role}"),
    "a sequence": (
        "GRANT USAGE ON SEQUENCE dead_letters_id_seq TO {role}",
        "may use dead_letters_id_seq",
        "REVOKE USAGE ON SEQUENCE dead_letters_id_seq FROM {role}",
    ),
    "tables": ("GRANT CREATE ON SCHEMA public TO {role}", "make tables", "REVOKE CREATE ON SCHEMA public FROM {role}"),
    "temporary": (
        "GRANT TEMP ON DATABASE {database} TO {role}",
        "temporary",
        "REVOKE TEMP ON DATABASE {database} FROM {role}",
    ),
    "schemas": (
        "GRANT CREATE ON DATABASE {database} TO {role}",
        "make schemas",
        "REVOKE CREATE ON DATABASE {database} FROM {role}",
    ),
    **{
        name: (
            f"GRANT EXECUTE ON FUNCTION {name} TO PUBLIC",
            f"may call {name.partition('(')[0]}",
            f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC",
        )
        for name in (
            "set_config(text, text, bool)",
            "pg_sleep(float8)",
            "ts_stat(text)",
            "pg_notify(text, text)",
            "current_setting(text)",
            "database_to_xml(bool, bool, text)",
            "lo_get(oid)",
        )
    },
    "an extension": ("CREATE EXTENSION dblink", "may call dblink", "DROP EXTENSION dblink"),
    "a function that does more": (
        "CREATE FUNCTION public.bite() RETURNS int IMMUTABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
        "may call .*bite",
        "DROP FUNCTION public.bite()",
    ),
    "temporary files": (
        "ALTER ROLE {role} SET temp_file_limit = -1",
        "has no temp_file_limit",
        "ALTER ROLE {role} SET temp_file_limit = '2GB'",
    ),
}


async def test_a_role_that_may_do_more_is_refused(settings: Settings, side: Store, server: PostgresServer) -> None:
    """With a sentence that names it and the command that puts it right."""
    database = database_of(settings.store_url)
    for name in some(FAULTS):
        wrong, why, right = (part.format(role=ROLE, database=database) for part in FAULTS[name])
        server.sql(wrong, database)
        try:
            with pytest.raises(ConfigError, match=why) as refused:
                await make_store(settings).open()
            assert "TALLYSTICK_SQL_URL: the role tallystick_sql" in refused.value.message
            assert "`tallystick sql-role`" in refused.value.message
        finally:
            server.sql(right, database)


async def test_what_the_command_prints_puts_it_right(settings: Settings, side: Store, server: PostgresServer) -> None:
    """Also a second time, after an extension came and after rights were given away."""
    database = database_of(settings.store_url)
    for wrong in (
        "CREATE EXTENSION dblink",
        "GRANT EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC",
        f"GRANT TEMP ON DATABASE {database} TO PUBLIC",
        f"ALTER ROLE {ROLE} CREATEDB",
        f"ALTER ROLE {ROLE} RESET temp_file_limit",
    ):
        server.sql(wrong, database)
    with pytest.raises(ConfigError, match=r"has CREATEDB, .* and \d+ other things"):
        await make_store(settings).open()
    printed = run_command(
        {"TALLYSTICK_STORE_URL": settings.store_url, "TALLYSTICK_SQL_URL": settings.sql_url}, "sql-role"
    )
    server.script(printed, database)
    async with opened(settings) as again:
        assert (await asked(again, "SELECT count(*) FROM events")).rows == [[2]]
    async with connected(settings.store_url) as keeper:  # who was there before lost nothing
        await keeper.execute("SELECT set_config('a.b', 'c', false), pg_sleep(0); CREATE TEMP TABLE x (a int)")


async def test_a_start_without_a_role_is_refused(settings: Settings, server: PostgresServer) -> None:
    for update, why in [
        ({"sql_url": ""}, r"^TALLYSTICK_SQL: .* TALLYSTICK_SQL_URL has to name: run what `tallystick sql-role` prints"),
        ({"sql_url": settings.store_url}, "TALLYSTICK_SQL_URL: the role keeper owns parts"),
        ({"sql_url": server.statements_url(server.url)}, "not the database"),
        ({"sql_url": settings.sql_url.replace("asks", "guesses")}, "TALLYSTICK_SQL_URL: PostgreSQL refuses"),
        ({"sql_url": "postgresql://a:b/c@d/e"}, "TALLYSTICK_SQL_URL: not a PostgreSQL URL"),
    ]:
        with pytest.raises(ConfigError, match=why) as refused:
            await make_store(settings.model_copy(update=update)).open()
        assert "guesses" not in refused.value.message
    store = make_store(settings.model_copy(update={"sql": False, "sql_url": ""}))
    await store.open()
    with pytest.raises(TallystickError, match="SQL is off"):
        await store.select(SqlQuery(sql="SELECT 1"))
    await store.close()


async def test_a_verifier_is_as_postgresql_makes_it(server: PostgresServer) -> None:
    """Of the same salt: the server's own, of a password that was sent to it."""
    server.sql("CREATE ROLE known PASSWORD 'not a secret'", "postgres")
    own = server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'known'", "postgres")
    salt = base64.b64decode(own.split(":")[1].split("$")[0])
    assert verifier("not a secret", salt) == own
