"""G12: every function that PostgreSQL lists, in both spellings of a call: refused unless it is on the list.

`f(x)` and `x.f` are the same to PostgreSQL. Both fences are tried, each alone: the check with the names, the role with
every function there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tallystick.config import Settings
from tallystick.errors import InvalidRequest
from tallystick.store import make_store
from tallystick.store.postgres.role import ROLE, faults_query
from tallystick.usersql.check import check_sql
from tallystick.usersql.functions import BENEATH, SCALAR, TABLE
from tallystick.usersql.views import VIEWS
from tests.helpers.sql.side import connected, database_of, made, postgres
from tests.helpers.thorough import THOROUGH, chance, examples
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTED = SCALAR["postgres"] | TABLE["postgres"]
SYNTAX = {"interval"}
"""What is no call in PostgreSQL's grammar, parentheses or not."""
DOTTED = [
    "SELECT ('x'::text).{f}",
    "SELECT ('x').{f}",
    "SELECT (1).{f}",
    "SELECT (SELECT 'x' AS {f}).{f}",
    "SELECT t.{f} FROM unnest(ARRAY['x']) AS t",
    "SELECT unnest.{f} FROM unnest(ARRAY['x'])",
    "SELECT (ARRAY['x'])[1].{f}",
    "SELECT v.{f} FROM (VALUES ('x')) AS v",
    "SELECT (v).{f} FROM (VALUES ('x')) AS v(a)",
    "SELECT 1 AS {f}, t.{f} FROM unnest(ARRAY['x']) AS t",
    "WITH {f} AS (SELECT 1 AS {f}) SELECT t.{f} FROM unnest(ARRAY['x']) AS t, {f}",
    "SELECT 1 FROM unnest(ARRAY['x']) AS t ORDER BY t.{f}",
    "SELECT (e).{f} FROM events AS e",
    "SELECT (e.name).{f} FROM events AS e",
    "SELECT e.name.{f} FROM events AS e",
    "SELECT 1 FROM unnest(ARRAY['x']) t WHERE EXISTS (SELECT 1 FROM (SELECT 1 AS {f}) t, (SELECT t.{f}) u)",
    "SELECT u.{f} FROM events e, LATERAL unnest(ARRAY[e.name]) AS u",
    "SELECT min(t.{f}) OVER () FROM unnest(ARRAY[1]) t",
]
CALLED = [
    "SELECT {f}()",
    "SELECT {f}('x')",
    "SELECT {f}(name) FROM events",
    "SELECT * FROM {f}('x')",
    "SELECT pg_catalog.{f}('x')",
    "SELECT {f}('x', 1)",
    "SELECT 1 FROM events WHERE {f}(name) IS NULL",
    "SELECT count(*) FILTER (WHERE {f}(1)) FROM events",
    "SELECT 1 FROM events, LATERAL {f}(name) AS l",
    "SELECT 1 ORDER BY {f}('x')",
    "SELECT {f}('x') OVER () FROM events",
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return made(server, tmp_path_factory.mktemp("catalogue"))


def refused(sql: str) -> bool:
    try:
        check_sql(sql, "postgres")
    except InvalidRequest:
        return True
    return False


def spelled(name: str) -> list[str]:
    """As it can be written so that PostgreSQL finds it."""
    plain = [name, name.upper(), name.capitalize()] if name.isidentifier() and name.isascii() else []
    return [*plain, f'"{name}"']


def columns_of_views() -> set[str]:
    return {column.name for view in VIEWS.values() for column in view.columns}


async def test_no_function_of_the_catalogue_passes_the_check(server: PostgresServer) -> None:
    """In 29 statements each, in up to four spellings."""
    names = server.sql("SELECT DISTINCT proname FROM pg_proc ORDER BY 1", "postgres").splitlines()
    assert len(names) > 2_500
    luck = chance()
    taken = names if THOROUGH else luck.sample(names, 120)
    passed, tried = [], 0
    for name in [*taken, "pg_read_file", "pg_sleep", "set_config", "ts_stat", "pg_terminate_backend", "query_to_xml"]:
        for form in [*DOTTED, *CALLED]:
            spelling = luck.choice(spelled(name))
            sql = form.format(f=spelling)
            tried += 1
            if form in CALLED and name in LISTED | BENEATH | SYNTAX and "pg_catalog" not in form:
                continue
            if not refused(sql):
                passed.append(sql)
    assert not passed, f"{len(passed)} of {tried}: {passed[:10]}"


async def test_only_columns_of_a_view_are_read_as_columns(server: PostgresServer) -> None:
    """`e.length` would be `length(e)`, `e.name` is a column, although there is a function `name`."""
    names = set(server.sql("SELECT DISTINCT proname FROM pg_proc", "postgres").splitlines())
    events = {column.name for column in VIEWS["events"].columns}
    assert events & names, "some functions are called as columns are"
    for name in chance().sample(sorted(names), examples(len(names))) + sorted(events & names):
        assert refused(f'SELECT e."{name}" FROM events AS e') == (name not in events)


# --- the role -------------------------------------------------------------------------------------------------------

EVERY = """
SELECT p.oid::regprocedure::text AS name, p.proname, p.prokind::text, p.proretset, p.provariadic <> 0 AS variadic,
       quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS called,
       ARRAY(SELECT CASE WHEN a = 'pg_catalog.anyarray'::regtype THEN 'int[]' WHEN a::regtype::text LIKE 'any%%array'
                         THEN 'int[]' WHEN a::regtype::text LIKE '%%any%%' THEN 'int' ELSE format_type(a, NULL) END
             FROM unnest(p.proargtypes) WITH ORDINALITY AS t(a, place) ORDER BY place) AS arguments
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE NOT 2281 = ANY (p.proargtypes) AND p.prorettype NOT IN (2279, 3838)
ORDER BY p.oid
"""
OPERATORS = """
SELECT oprcode::oid::regprocedure::text FROM pg_operator UNION SELECT castfunc::regprocedure::text FROM pg_cast
"""


async def test_the_role_can_call_no_other_function(settings: Settings, server: PostgresServer) -> None:
    """Each of them is called by it, with NULLs. Those of the list answer, or fail for a reason of their own."""
    store = make_store(settings)
    await store.open()
    try:
        async with connected(f"{server.url.removesuffix('postgres')}{database_of(settings.store_url)}") as superuser:
            functions = await superuser.fetch(EVERY.replace("%%", "%"))
            harmless = {row[0] for row in await superuser.fetch(OPERATORS)}
            assert not await superuser.fetch(faults_query("public"), ROLE)
        async with connected(settings.sql_url) as role:
            await role.execute("SET statement_timeout = '5s'")
            outcomes = Counter[str]()
            wrong = []
            for function in functions if THOROUGH else chance().sample(functions, len(functions) // 2):
                outcome = await _called(role, function)
                allowed = function["proname"] in LISTED | BENEATH or function["name"] in harmless
                own = function["called"].startswith("public.")
                outcomes[outcome] += 1
                if outcome == "answered" and not (allowed or own):
                    wrong.append(function["name"])
                if outcome == "denied" and function["proname"] in LISTED and function["name"] not in harmless:
                    wrong.append(f"{function['name']} is denied")
            assert not wrong, wrong
            assert outcomes["denied"] > 500, outcomes
            assert outcomes["answered"] > 300, outcomes
    finally:
        await store.close()


async def _called(role: Any, function: Any) -> str:
    """Whether it was answered, denied, or something else was wrong with the call.

    The NULLs are columns: of a strict function of a NULL that stands there PostgreSQL knows the answer without a call.
    """
    kinds = function["arguments"]
    arguments = ", ".join(f"a{place}" for place in range(len(kinds)))
    nulls = ", ".join(["1 AS one", *(f"NULL::{kind} AS a{place}" for place, kind in enumerate(kinds))])
    over = " OVER ()" if function["prokind"] == "w" else ""
    sql = f"SELECT {function['called']}({arguments}){over} IS NULL FROM (SELECT {nulls} OFFSET 0) AS t"
    if function["proretset"]:
        sql = f"SELECT count(*) FROM (SELECT {nulls} OFFSET 0) AS t, {function['called']}({arguments}) AS u"
    try:
        await role.execute(sql)
    except asyncpg.InsufficientPrivilegeError:
        return "denied"
    except (asyncpg.PostgresError, asyncpg.InterfaceError):
        return "failed"
    return "answered"


async def test_what_is_listed_can_be_called_by_the_role(settings: Settings) -> None:
    """Both fences have the same list: what the check lets through, the role may call."""
    store = make_store(settings)
    await store.open()
    try:
        async with connected(settings.store_url) as keeper:
            denied = await keeper.fetch(
                "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY ($1) AND pronamespace = "
                "'pg_catalog'::regnamespace AND NOT has_function_privilege($2, oid, 'EXECUTE')",
                sorted(LISTED),
                ROLE,
            )
        assert not denied
    finally:
        await store.close()
