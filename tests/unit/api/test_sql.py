"""POST /v1/sql and GET /v1/sql/schema: when they answer, what, in which form, and whose rows."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import msgspec
import pytest
import pytest_asyncio

from tallystick.usersql.views import VIEWS
from tests.helpers.http.keyed import BLOG, EVERY, KEYS, SHOP, WRITE, Side, opened, send_from_three_sites

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("sql"), **KEYS, sql_rows=50) as side:
        await send_from_three_sites(side)
        yield side


async def post(side: Side, sql: str, key: str = EVERY, form: str = "", **more: Any) -> httpx.Response:
    path = f"/v1/sql?format={form}" if form else "/v1/sql"
    return await side.client.post(path, json={"sql": sql, **more}, headers={"X-API-Key": key})


async def test_it_is_off_unless_a_setting_allows_it(tmp_path: Path) -> None:
    async with opened(tmp_path, sql=False) as side:
        refused = await side.client.post("/v1/sql", json={"sql": "SELECT 1"})
        assert refused.status_code == 403
        assert refused.json()["error"] == {
            "code": "forbidden",
            "message": "SQL is off on this server: its operator can allow it with TALLYSTICK_SQL=true",
        }
        assert (await side.client.get("/v1/sql/schema")).json()["enabled"] is False


async def test_the_schema(side: Side) -> None:
    schema = (await side.get("/v1/sql/schema", SHOP)).json()
    assert schema["enabled"] is True
    assert schema["dialect"] == "duckdb"
    assert [view["name"] for view in schema["views"]] == list(VIEWS)
    assert schema["views"][0]["columns"][0] == {
        "name": "event_id",
        "type": "uuid",
        "description": "Its id, unique within its site.",
    }
    for example in schema["examples"]:
        assert (await post(side, example["sql"], SHOP)).status_code == 200


async def test_an_answer(side: Side) -> None:
    sql = "SELECT site_id, count(*) AS n, avg(1.5) AS a, NULL AS nothing FROM events GROUP BY 1 ORDER BY 1"
    answer = (await post(side, sql)).json()
    assert answer.pop("elapsed_ms") > 0
    assert answer == {
        "columns": [
            {"name": "site_id", "type": "text"},
            {"name": "n", "type": "integer"},
            {"name": "a", "type": "number"},
            {"name": "nothing", "type": "text"},
        ],
        "rows": [["blog", 1, 1.5, None], ["default", 1, 1.5, None], ["shop", 1, 1.5, None]],
        "truncated": False,
    }
    assert (await post(side, sql, site_id="blog")).json()["rows"] == [["blog", 1, 1.5, None]]
    assert (await post(side, sql, limit=2)).json()["truncated"] is True


async def test_numbers_keep_their_digits(side: Side) -> None:
    """On the wire: what a reader makes of them is the reader's."""
    large = "CAST(1 AS INT128) * 9223372036854775807 * 4"
    sql = f"SELECT CAST('12345678901234567890123456789.01' AS DECIMAL(38, 2)), {large}"
    text = (await post(side, sql)).text
    assert "[[12345678901234567890123456789.01,36893488147419103228]]" in text


async def test_no_more_rows_than_set(side: Side) -> None:
    sql = "SELECT i FROM generate_series(1, 100) AS s(i)"
    for limit, expected in ((None, 50), (10_000, 50), (7, 7)):
        answer = (await post(side, sql, limit=limit)).json()
        assert (len(answer["rows"]), answer["truncated"]) == (expected, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sql": ""},
        {"sql": "x" * 20_001},
        {"sql": 1},
        {"sql": "SELECT 1", "limit": 0},
        {"sql": "SELECT 1", "more": 1},
        {"sql": "SELECT 1", "site_id": "x" * 256},
        [],
        "SELECT 1",
        {"sql": "DROP TABLE events"},
        {"sql": "SELECT nope"},
        {"sql": "SELECT 1", "limit": "many"},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_what_is_refused(side: Side, body: Any) -> None:
    answer = await side.client.post("/v1/sql", json=body, headers={"X-API-Key": EVERY})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


async def test_a_page_of_another_site_cannot_send_it(side: Side) -> None:
    """A browser sends a preflight before JSON across sites, and it is not allowed."""
    headers = {"X-API-Key": EVERY, "Content-Type": "text/plain"}
    assert (await side.client.post("/v1/sql", content='{"sql":"SELECT 1"}', headers=headers)).status_code == 415
    preflight = await side.client.options("/v1/sql", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in preflight.headers


async def test_keys(side: Side) -> None:
    """G12."""
    assert (await post(side, "SELECT 1", "wrong-0123456789abcdef")).status_code == 401
    assert (await post(side, "SELECT 1", WRITE)).status_code in (401, 403)
    assert (await side.client.post("/v1/sql", json={"sql": "SELECT 1"})).status_code == 401
    for site in ("blog", "", "SHOP", None):
        assert (await post(side, "SELECT 1", SHOP, site_id=site)).status_code == 403
    assert (await post(side, "SELECT 1", SHOP, site_id="*")).status_code == 400
    assert (await post(side, "SELECT site_id FROM events", SHOP, site_id="shop")).json()["rows"] == [["shop"]]


LOOKS = [
    "SELECT * FROM events",
    "SELECT * FROM users",
    "SELECT * FROM sessions",
    "SELECT DISTINCT site_id FROM events",
    "SELECT * FROM events WHERE site_id = 'blog'",
    "SELECT * FROM events WHERE site_id <> 'shop' OR true",
    "SELECT * FROM events UNION ALL SELECT * FROM events",
    "SELECT * FROM EVENTS",
    'SELECT * FROM "EvEnTs" AS "events"',
    "SELECT * FROM events AS blog",
    "SELECT a.* FROM events AS a LEFT JOIN events AS b ON a.site_id <> b.site_id",
    "SELECT * FROM users AS u, LATERAL (SELECT * FROM events AS e WHERE e.user_id = u.user_id) AS l",
    "SELECT * FROM events FULL JOIN events AS b ON false",
    "SELECT * FROM events -- WHERE site_id = 'shop'\n",
    "SELECT * FROM events /* ) */ WHERE true OR (site_id = 'shop')",
    "SELECT * FROM (SELECT * FROM events) AS events",
    "WITH e AS (SELECT * FROM events), f AS (SELECT * FROM e WHERE site_id <> 'shop') SELECT * FROM f",
    "SELECT (SELECT string_agg(site_id, ',') FROM events)",
    "SELECT events FROM events",
    "SELECT to_json(e) FROM events AS e",
    "SELECT * FROM events WHERE user_id IN (SELECT user_id FROM users WHERE site_id = 'blog')",
    "SELECT max(site_id) OVER () FROM events",
    "SELECT site_id FROM events QUALIFY true",
    "SELECT count(*) FROM events",
    "SELECT * FROM events WHERE $1 = 'x'",
    "SELECT * FROM tallystick_sql_events",
    "SELECT * FROM main.events",
    "SELECT * FROM tallystick.main.events",
    'SELECT * FROM "tallystick"."main"."events"',
    "SELECT * FROM events_sealed",
    "WITH events AS (SELECT * FROM main.events) SELECT * FROM events",
    "SELECT * FROM rollup",
    "SELECT * FROM people",
    "WITH tallystick_sql_events AS (SELECT 1) SELECT * FROM events",
    "WITH x AS (SELECT * FROM blocks) SELECT 1",
    "WITH rollup AS (SELECT 1) SELECT (SELECT max(site_id) FROM main.rollup)",
    "TABLE rollup",
    "FROM people",
    "SELECT (WITH rollup AS (SELECT 1 AS x) SELECT x FROM rollup), site_id FROM rollup",
    "SELECT 1) AS asked; SELECT * FROM events; --",
    "SELECT * FROM (SELECT 1) AS asked, events AS kept",
    "SELECT asked.* FROM events AS asked",
    "SELECT kept.site_id, row FROM events",
    "SELECT row FROM events AS kept",
    "SELECT * FROM events AS e(site_id, event_id) WHERE e.site_id IS NOT NULL",
    "SELECT rowid FROM events",
    "SELECT * FROM events, shares",
    "SELECT U&'\\0062log'",
    'SELECT * FROM "events" "tallystick_sql_events"',
]


@pytest.mark.parametrize("sql", LOOKS)
async def test_a_key_of_one_site_sees_nothing_of_another(side: Side, sql: str) -> None:
    """G12: whatever the statement is, it is refused or answered from the key's site. The word itself may come back."""
    answer = await post(side, sql, SHOP)
    assert answer.status_code in (200, 400)
    for word in ("blog-name", "blog-path", "blog-value", "default-name", "default-value", '"default"'):
        assert word not in answer.text
    if answer.status_code == 200 and "count" in sql:
        assert answer.json()["rows"] == [[1]]
    if answer.status_code == 200 and "blog" not in sql:
        assert "blog" not in answer.text


async def test_every_site_s_own_rows(side: Side) -> None:
    """G12."""
    for key, sites in ((SHOP, ["shop"]), (BLOG, ["blog"]), (EVERY, ["blog", "default", "shop"])):
        for view in VIEWS:
            rows = (await post(side, f"SELECT DISTINCT site_id FROM {view} ORDER BY 1", key)).json()["rows"]
            assert rows == [[site] for site in sites]


# --- files ----------------------------------------------------------------------------------------------------------

ODD = """
SELECT '=1+1' AS "=name", 'a,"b"' AS b, NULL AS c, 1.50 AS d, true AS e, [1, 2] AS f, timestamp AS g, properties AS h,
       CAST(18446744073709551615 AS INT128) * 10 AS i, CAST('x' AS TEXT) AS "=name", DATE '2025-01-02' AS k, 0.5 AS l,
       CAST(7 AS BIGINT) AS m, CAST(2.5 AS DOUBLE) AS n
FROM events WHERE site_id = 'shop'
"""


async def test_csv(side: Side) -> None:
    answer = await post(side, ODD, form="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sql.csv"'
    header, row = csv.reader(io.StringIO(answer.text))
    assert header[:4] == ["'=name", "b", "c", "d"]
    assert row == [
        "'=1+1",
        'a,"b"',
        "",
        "1.50",
        "true",
        "[1,2]",
        "2025-11-12T10:00:00.000000Z",
        '{"shop-key":"shop-value"}',
        "184467440737095516150",
        "x",
        "2025-01-02",
        "0.5",
        "7",
        "2.5",
    ]


async def test_parquet(side: Side, tmp_path: Path) -> None:
    answer = await post(side, ODD, form="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    (tmp_path / "sql.parquet").write_bytes(answer.content)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * EXCLUDE (g), epoch_us(g) FROM read_parquet('{tmp_path / 'sql.parquet'}')")
        assert found.description is not None
        types = [str(column[1]) for column in found.description]
        (row,) = found.fetchall()
    assert row[:7] == ("=1+1", 'a,"b"', None, Decimal("1.50"), True, "[1,2]", '{"shop-key":"shop-value"}')
    assert row[7:10] == ("184467440737095516150", "x", row[9])
    assert str(row[9]) == "2025-01-02"
    assert row[10:] == (Decimal("0.5"), 7, 2.5, 1762941600000000)
    assert types[3] == "DECIMAL(38,2)"
    assert not list((side.tallystick.settings.data).glob("export-*"))


async def test_parquet_of_nothing(side: Side, tmp_path: Path) -> None:
    answer = await post(side, "SELECT name, timestamp, 1.5 AS x FROM events WHERE false", form="parquet")
    (tmp_path / "none.parquet").write_bytes(answer.content)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT count(x) FROM read_parquet('{tmp_path / 'none.parquet'}')")
        assert found.fetchall() == [(0,)]


async def test_json_as_a_file(side: Side) -> None:
    answer = await post(side, "SELECT 1 AS a", form="json")
    assert answer.headers["content-disposition"] == 'attachment; filename="sql.json"'
    assert msgspec.json.decode(answer.content)["rows"] == [[1]]
    assert (await post(side, "SELECT 1 AS a", form="xml")).status_code == 400


# --- time and metrics -----------------------------------------------------------------------------------------------


async def test_late_is_504_and_counted(tmp_path: Path) -> None:
    """A busy machine may be late with the quick one, too; that is asked again, and counted as often."""
    async with opened(tmp_path, query_timeout=1.5) as side:
        late = await side.client.post(
            "/v1/sql", json={"sql": "SELECT count(*) FROM generate_series(1, 1000000000000) AS s(i)"}
        )
        assert late.status_code == 504
        assert late.json()["error"]["code"] == "query_timeout"
        await side.send({"name": "a"})
        await side.tallystick.drained()
        answers = [late]
        while answers[-1].status_code == 504:
            answers.append(await side.client.post("/v1/sql", json={"sql": "SELECT count(*) FROM events"}))
        assert answers[-1].json()["rows"] == [[1]]
        metrics = (await side.get("/metrics")).text
    assert f'tallystick_query_failures_total{{code="query_timeout",kind="sql"}} {len(answers) - 1}.0' in metrics
    assert f'tallystick_query_seconds_count{{kind="sql"}} {len(answers)}.0' in metrics
