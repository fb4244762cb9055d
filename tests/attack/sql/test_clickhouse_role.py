"""G12: the second fence of SQL on ClickHouse alone, with the first one down; and that nothing starts without it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError, InvalidRequest, QueryTooExpensive, TallystickError
from tallystick.model.queries.statement import SqlQuery
from tallystick.store import Store, make_store
from tallystick.store.clickhouse.role import setup_xml, user_settings
from tallystick.usersql.check import CheckedSql, check_sql
from tests.helpers.commands import run_command
from tests.helpers.sql.side import CANARY, MINE, THEIRS, asked, opened
from tests.helpers.thorough import examples
from tests.servers.clickhouse import PASSWORD_IN_URL, ROLE_PASSWORD, STATEMENT_DATABASES, ClickHouseServer
from tests.servers.scratch import scratch_folder

async_in_module = pytest.mark.asyncio(loop_scope="module")


LIMIT = "<max_execution_time>31</max_execution_time>"
VIEW = "<query>GRANT SELECT ON `{database}`.all_events</query>"
FAULTS = {
    "not_readonly": ("<readonly>1</readonly>", "<readonly>0</readonly>", "has readonly = 0"),
    "settings_may_change": ("<readonly>1</readonly>", "<readonly>2</readonly>", "has readonly = 2"),
    "no_limit_of_time": (LIMIT, "", "has no limit max_execution_time"),
    "other_nulls": ("<join_use_nulls>1</join_use_nulls>", "", "has join_use_nulls = 0"),
    "a_table": (VIEW, VIEW + "<query>GRANT SELECT ON `{database}`.events</query>", "has the right SELECT ON"),
    "everything": (VIEW, "<query>GRANT ALL ON *.*</query>", "has the right"),
    "writing": (VIEW, VIEW.replace("SELECT", "SELECT, INSERT"), "has the right"),
    "files": (VIEW, VIEW + "<query>GRANT READ ON FILE</query>", "has the right"),
    "passing_on": (VIEW, VIEW.replace("</query>", " WITH GRANT OPTION</query>"), "has the right"),
    "no_view": (VIEW, "", "cannot read the views"),
}
"""Users as `tallystick sql-role --xml` makes them with one part replaced, and why each is refused."""


def database_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouseServer]:
    """A server whose users are in files, since `chdb-core` cannot CREATE USER."""
    with scratch_folder("clickhouse", in_memory=True) as folder:
        server = ClickHouseServer(folder)
        database = f"asked_{STATEMENT_DATABASES - 1}"
        for name, (part, other, _) in FAULTS.items():
            xml = setup_xml(name, ROLE_PASSWORD, database, Settings())
            part, other = part.format(database=database), other.format(database=database)
            assert part in xml
            server.add_user(f"{name}.xml", xml.replace(part, other))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def settings(server: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a new database with the user that `tallystick sql-role --xml` prints."""
    url = server.new_database(statements=True)
    return Settings(
        data=tmp_path_factory.mktemp("role"),
        store_url=url,
        sql=True,
        sql_url=server.statements_url(url),
        allow_weak_durability=True,
        disk_reserve_bytes=0,
        query_timeout=20.0,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(settings: Settings) -> AsyncIterator[Store]:
    async with opened(settings) as store:
        yield store


@pytest.fixture
def first_fence_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any text is executed; the site and its seal are there as for a statement that reads events."""
    monkeypatch.setattr(
        "tallystick.usersql.check.check_sql", lambda sql, _store: CheckedSql(sql, frozenset({"events"}))
    )


DENIED = "Not enough privileges|readonly|read-only"
SEAL = "seal"
ATTACKS = {
    "files": ("SELECT * FROM file('/etc/passwd', LineAsString)", DENIED),
    "addresses": ("SELECT * FROM url('http://127.0.0.1:9/x', LineAsString)", DENIED),
    "other servers": ("SELECT * FROM remote('127.0.0.1', system.one)", DENIED),
    "the cluster": ("SELECT * FROM cluster('default', system.one)", f"{DENIED}|not found"),
    "object storage": ("SELECT * FROM s3('http://127.0.0.1:9/bucket/x.csv', 'CSV')", DENIED),
    "databases": ("SELECT * FROM mysql('127.0.0.1:9', 'a', 'b', 'c', 'd')", DENIED),
    "programs": ("SELECT * FROM executable('sh', 'TSV', 'x String')", DENIED),
    "tables by pattern": ("SELECT * FROM merge(currentDatabase(), '.*')", f"{DENIED}|no tables"),
    "dictionaries": ("SELECT * FROM dictionary('x')", DENIED),
    "events": ("SELECT * FROM events", DENIED),
    "events behind IN": ("SELECT 1 IN events", DENIED),
    "reports": ("SELECT * FROM library", DENIED),
    "share links": ("SELECT digest FROM shares", DENIED),
    "dead letters": ("SELECT * FROM dead_letters", DENIED),
    "the ledger": ("SELECT * FROM blocks", DENIED),
    "identities": ("SELECT * FROM identities", DENIED),
    "the secret": ("SELECT secret FROM sql_secret", DENIED),
    "statements of others": ("SELECT query FROM system.query_log", f"{DENIED}|Unknown table"),
    "running statements": ("SELECT query FROM system.processes", DENIED),
    "users": ("SELECT * FROM system.users", DENIED),
    "parts": ("SELECT * FROM system.parts", DENIED),
    "files with another setting": ("SELECT * FROM file('/etc/passwd', LineAsString) SETTINGS readonly = 0", DENIED),
    "a table with another setting": ("SELECT * FROM events SETTINGS readonly = 0", DENIED),
    "another site": (f"SELECT * FROM site_events(site = '{THEIRS}', seal = {{seal:String}})", SEAL),
    "no seal": (f"SELECT * FROM site_events(site = '{THEIRS}', seal = '')", SEAL),
    "all sites": ("SELECT * FROM all_events(seal = {seal:String})", SEAL),
    "all sites, by an error": ("SELECT * FROM all_events(seal = {seal:String}) WHERE CAST(name AS Int8) = 1", SEAL),
    "writing": ("SELECT 1) AS r; DROP TABLE events; SELECT * FROM (SELECT 1", "Multi-statements|Syntax error"),
    "into a file": ("SELECT 1) INTO OUTFILE '/tmp/x' FORMAT TSV --", "INTO OUTFILE|Syntax error"),
}


@async_in_module
@pytest.mark.parametrize("name", ATTACKS)
async def test_the_user_may_not(side: Store, first_fence_down: None, name: str) -> None:
    sql, reason = ATTACKS[name]
    with pytest.raises(TallystickError) as refused:
        await asked(side, sql)
    told = f"{refused.value} {refused.value.__cause__}"
    assert CANARY not in told
    assert any(part.lower() in told.lower() for part in reason.split("|")), told


@async_in_module
async def test_what_it_may(side: Store, first_fence_down: None) -> None:
    """The same way, what is allowed gives its rows: so the attacks fail for what they are."""
    own = "SELECT name FROM site_events(site = {site:String}, seal = {seal:String})"
    assert (await asked(side, own)).rows == [["own"], ["own"]]
    assert (await asked(side, own, THEIRS)).rows == [[CANARY], [CANARY]]


@pytest.mark.parametrize(
    "condition",
    ["CAST(name AS Int8) = 1", "throwIf(name = '{canary}') = 0", "toInt8(assumeNotNull(user_id)) > 0 OR 1 = 1"],
)
@async_in_module
async def test_no_condition_is_evaluated_for_another_site(side: Store, first_fence_down: None, condition: str) -> None:
    """An error with a value of another site's row would show it; of this site's row it is there."""
    sql = (
        "SELECT count() FROM site_events(site = {site:String}, seal = {seal:String}) WHERE "
        f"name <> 'own' AND ({condition.replace('{canary}', CANARY)})"
    )
    assert (await asked(side, sql)).rows == [[0]]


PLAN = """
EXPLAIN actions = 1, indexes = 1 SELECT count() FROM site_events(site = '{site}', seal = '{seal}')
WHERE timestamp > '2025-06-01' AND CAST(name AS Int32) = 815
"""


@async_in_module
async def test_the_plan_has_the_site_before_any_condition(
    side: Store, settings: Settings, server: ClickHouseServer
) -> None:
    """Alone in the PREWHERE; times choose granules by the key beside it."""
    database = database_of(settings.store_url)
    secret = server.sql("SELECT secret FROM sql_secret", database).strip().encode()
    seal = hashlib.sha256(secret + hashlib.sha256(secret + f"site {MINE}".encode()).digest()).hexdigest()
    plan = server.sql(PLAN.format(site=MINE, seal=seal), database)
    before = re.findall(r"Prewhere filter column:(.*)", plan)
    assert len(before) == 1
    assert "site_id" in before[0]
    assert "815" not in before[0]
    assert "timestamp" not in before[0]
    key = plan.partition("PrimaryKey")[2]
    assert "site_id" in key
    assert "timestamp" in key


@async_in_module
async def test_memory_and_disk_have_limits(settings: Settings, first_fence_down: None) -> None:
    """Those of the user: neither Tallystick nor a statement sends any."""
    store = make_store(settings)
    await store.open()
    for more in ("", " SETTINGS max_memory_usage = 0, max_memory_usage_for_user = 0"):
        with pytest.raises(QueryTooExpensive):
            await store.select(SqlQuery(sql=f"SELECT length(groupArray(number)) FROM numbers(1000000000){more}"))
    assert (await store.select(SqlQuery(sql="SELECT 1"))).rows == [[1]]
    await store.close()


@pytest.mark.parametrize("name", FAULTS)
@async_in_module
async def test_a_user_who_may_more_is_refused(side: Store, settings: Settings, name: str) -> None:
    url = re.sub(r"//[^:]+:", f"//{name}:", settings.sql_url)
    with pytest.raises(ConfigError, match=FAULTS[name][2]) as refused:
        await make_store(settings.model_copy(update={"sql_url": url})).open()
    assert ROLE_PASSWORD not in str(refused.value)


def test_the_command_prints_that_user(settings: Settings) -> None:
    printed = run_command(
        {"TALLYSTICK_STORE_URL": settings.store_url, "TALLYSTICK_SQL_URL": settings.sql_url}, "sql-role", "--xml"
    )
    user = settings.sql_url.partition("//")[2].partition(":")[0]
    assert printed == setup_xml(user, ROLE_PASSWORD, database_of(settings.store_url), Settings())
    assert ROLE_PASSWORD not in printed


def test_clickhouse_takes_the_sql_that_the_command_prints(settings: Settings, server: ClickHouseServer) -> None:
    """As far as it can here: it reads every statement, and knows the settings; it has nowhere to keep the user."""
    printed = run_command(
        {"TALLYSTICK_STORE_URL": settings.store_url, "TALLYSTICK_SQL_URL": settings.sql_url}, "sql-role"
    )
    assert ROLE_PASSWORD not in printed
    statements = [part.strip() for part in printed.split(";\n") if part.strip()]
    assert [part.rpartition("\n")[2].split()[0] for part in statements if "SETTINGS" not in part][-3:] == [
        "REVOKE",
        "GRANT",
        "GRANT",
    ]
    for statement in statements:
        assert server.sql(f"EXPLAIN AST {statement}")
    created = next(part for part in statements if "SETTINGS" in part).replace("ALTER USER", "CREATE USER")
    with pytest.raises(RuntimeError, match=r"no writeable access storage|storage is readonly"):
        server.sql(created)
    with pytest.raises(RuntimeError, match=r"(?i)unknown setting|neither a builtin"):
        server.sql(created.replace("join_use_nulls", "join_use_nuls"))


@async_in_module
async def test_without_a_user_nothing_starts(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="sql-role"):
        await make_store(settings.model_copy(update={"sql_url": ""})).open()


@async_in_module
async def test_the_store_s_own_user_is_refused(settings: Settings, server: ClickHouseServer) -> None:
    with pytest.raises(ConfigError, match="TALLYSTICK_SQL_URL: the user"):
        await make_store(settings.model_copy(update={"sql_url": settings.store_url})).open()
    assert PASSWORD_IN_URL in settings.store_url


@async_in_module
async def test_a_database_of_its_own_is_meant(settings: Settings, server: ClickHouseServer) -> None:
    """The seal of one database opens nothing in another."""
    other = server.new_database()
    with pytest.raises(ConfigError, match="TALLYSTICK_STORE_URL"):
        await make_store(settings.model_copy(update={"store_url": other})).open()
    server.drop_database(other)


@async_in_module
async def test_a_mistake_is_told_without_the_store_s_names(side: Store) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await asked(side, "SELECT nope FROM events")
    assert "tallystick_sql" not in str(refused.value)
    assert MINE not in str(refused.value)


def test_limits_follow_the_settings() -> None:
    given = user_settings(Settings(query_memory=64 * MIB, query_timeout=12.0))
    assert given["max_memory_usage"] == str(512 * MIB)
    assert given["max_execution_time"] == "13"


@settings_of_hypothesis(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
)
def test_clickhouse_reads_names_and_texts_as_they_are(server: ClickHouseServer, name: str, text: str) -> None:
    """Whatever characters they have, they do not end where they should not."""
    quoted, literal = (part.replace("\\", "\\\\").replace(end, f"\\{end}") for part, end in ((name, '"'), (text, "'")))
    checked = check_sql(f"SELECT '{literal}' AS \"{quoted}\"", "clickhouse")
    found = server.sql(f"SELECT * FROM ({checked.sql}) FORMAT JSONCompactEachRowWithNames").split("\n")[:2]
    assert [json.loads(line) for line in found] == [[name], [text]]
