"""Statements of a user's own: what each must give, worked out in Python from the same events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tallystick.analysis.buckets import show_instant
from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.queries.sessions import PAGE_NAMES, SessionScope
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.store import Store
from tests.helpers.query_steps import NOON, make_event
from tests.oracle.sessions import sessions_of
from tests.servers.clickhouse import ClickHouseCluster, ClickHouseServer
from tests.servers.postgres import PostgresServer

SITE = "sql"


def asks_in_sql(request: pytest.FixtureRequest) -> bool:
    """Whether a module's tests ask statements of a user's own: it has `ASKS_IN_SQL = True`."""
    return bool(getattr(request.module, "ASKS_IN_SQL", False))


def with_store(request: pytest.FixtureRequest, settings: Settings, url: str) -> Settings:
    """The settings, of that store; where statements are asked of a server, with the role that they run as."""
    update: dict[str, object] = {"store_url": url}
    if url and asks_in_sql(request):
        kind = "postgres" if url.startswith("postgresql") else "sharded" if "?cluster=" in url else "clickhouse"
        server: PostgresServer | ClickHouseServer | ClickHouseCluster = request.getfixturevalue(f"{kind}_server")
        update |= {"sql": True, "sql_url": server.statements_url(url)}
    return settings.model_copy(update=update)


def events() -> list[Event]:
    """Twelve events of three users, two of them with sessions, some without anybody."""
    found = []
    for place in range(12):
        system = ["mac", "linux"][place % 2]
        properties: dict[str, Any] = {"amount": place * 2, "$os": system, "deep": {"list": [place, "x"]}}
        if place % 3 == 0:
            properties["plan"] = "pro"
        found.append(
            make_event(
                90_000_000 + place,
                SITE,
                name=["page_view", "click", "purchase"][place % 3],
                timestamp=NOON + timedelta(minutes=place * 7),
                user_id=[None, "ann", "bob", "Çem"][place % 4],
                session_id="s1" if place % 4 == 1 else None,
                path=f"/{place % 5}" if place % 2 else None,
                source=["web", ""][place % 2],
                properties=properties,
            )
        )
    return found


def _properties(event: Event) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(event.properties)
    return decoded


def _by(stored: Sequence[Event], key: Callable[[Event], Any]) -> dict[Any, list[Event]]:
    groups: dict[Any, list[Event]] = {}
    for event in stored:
        groups.setdefault(key(event), []).append(event)
    return groups


def _cumulated(stored: Sequence[Event]) -> list[list[Any]]:
    total, rows = 0, []
    for event in stored:
        total += _properties(event)["amount"]
        rows.append([show_instant(event.timestamp), total])
    return rows


def events_view(stored: Sequence[Event]) -> list[list[Any]]:
    """The rows of `events` in order of time."""
    return [
        [
            str(e.event_id),
            e.site_id,
            e.name,
            show_instant(e.timestamp),
            show_instant(e.received_at),
            e.user_id,
            e.session_id,
            e.source,
            e.path,
            msgspec.json.decode(e.properties),
        ]
        for e in sorted(stored, key=lambda e: (e.timestamp, e.event_id))
    ]


def sessions_view(stored: Sequence[Event]) -> list[list[Any]]:
    """The rows of `sessions`, in no order. Events of one instant are in order of `received_at`, then of `event_id`."""
    rows = []
    ordered = sorted(stored, key=lambda event: (event.received_at, event.event_id))
    for session in sessions_of(SessionScope(), ordered):
        pages = [event for event in session if event.name in PAGE_NAMES]
        first, last = session[0].timestamp, session[-1].timestamp
        shown = pages or session
        rows.append(
            [
                session[0].site_id,
                next((e.session_id for e in session if e.session_id is not None), None),
                min((e.user_id for e in session if e.user_id), default=None),
                show_instant(first),
                (last - first) / timedelta(seconds=1),
                len(session),
                len(pages),
                shown[0].path,
                shown[-1].path,
            ]
        )
    return rows


def users_view(stored: Sequence[Event]) -> list[list[Any]]:
    """The rows of `users`, in no order."""
    return [
        [site, user, show_instant(min(e.timestamp for e in own)), show_instant(max(e.timestamp for e in own)), len(own)]
        for (site, user), own in _by(stored, lambda e: (e.site_id, e.user_id)).items()
        if user is not None
    ]


def _day(moment: datetime) -> str:
    return show_instant(moment.replace(hour=0, minute=0, second=0, microsecond=0))


Expected = Callable[[Sequence[Event]], list[list[Any]]]
STATEMENTS: dict[str, tuple[str, Expected]] = {
    "events": ("SELECT * FROM events ORDER BY timestamp", events_view),
    "count": (
        "SELECT count(*), count(user_id), count(DISTINCT user_id) FROM events",
        lambda es: [[len(es), sum(e.user_id is not None for e in es), len({e.user_id for e in es} - {None})]],
    ),
    "a property by its key": (
        "SELECT properties->>'$os' AS os, sum(CAST(properties->>'amount' AS INTEGER)) AS amount FROM events\n"
        "WHERE properties->>'$os' = 'mac' OR properties->>'plan' = 'pro' GROUP BY os ORDER BY os",
        lambda es: [
            [os, sum(_properties(e)["amount"] for e in own if os == "mac" or "plan" in _properties(e))]
            for os, own in sorted(_by(es, lambda e: _properties(e)["$os"]).items())
        ],
    ),
    "in lists and objects": (
        "SELECT properties->'deep'->'list'->>0, properties->'deep'->'list'->>-1, properties->'deep'->>'none'\n"
        "FROM events ORDER BY timestamp LIMIT 2",
        lambda es: [["0", "x", None], ["1", "x", None]],
    ),
    "a function of a part": (
        "SELECT sum(json_array_length(properties->'deep'->'list')), max(length(properties->'deep'->>'list'))\n"
        "FROM events WHERE coalesce(properties->>'plan', 'none') = 'pro'",
        lambda es: [[2 * sum("plan" in _properties(e) for e in es), len('[0,"x"]')]],
    ),
    "filter, having, order": (
        "SELECT name, count(*) FILTER (WHERE user_id = 'bob') AS bobs FROM events GROUP BY name\n"
        "HAVING count(*) > 2 ORDER BY bobs DESC, name LIMIT 2 OFFSET 1",
        lambda es: sorted(
            ([name, sum(e.user_id == "bob" for e in own)] for name, own in _by(es, lambda e: e.name).items()),
            key=lambda r: (-r[1], r[0]),
        )[1:3],
    ),
    "common tables and a join": (
        "WITH seen AS (SELECT user_id, min(timestamp) AS at FROM events WHERE user_id IS NOT NULL GROUP BY user_id),\n"
        "Late(user_id) AS (SELECT user_id FROM seen WHERE at > (SELECT min(at) FROM seen))\n"
        "SELECT e.user_id, count(*) FROM events AS e JOIN late USING (user_id) GROUP BY e.user_id ORDER BY 1",
        lambda es: [["bob", 3], ["Çem", 3]],
    ),
    "window": (
        "SELECT timestamp, sum(CAST(properties->>'amount' AS INTEGER)) OVER (ORDER BY timestamp) FROM events "
        "ORDER BY timestamp",
        _cumulated,
    ),
    "windows with a name": (
        "SELECT path, row_number() OVER w, lag(path, 1, '-') OVER w FROM events WHERE path IS NOT NULL\n"
        "WINDOW w AS (PARTITION BY path ORDER BY timestamp ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)\n"
        "ORDER BY path, 2",
        lambda es: [
            [path, place + 1, path if place else "-"]
            for path, own in sorted((p, o) for p, o in _by(es, lambda e: e.path).items() if p)
            for place in range(len(own))
        ],
    ),
    "union": (
        "SELECT name FROM events UNION SELECT 'x' EXCEPT SELECT 'click' ORDER BY name",
        lambda es: [["page_view"], ["purchase"], ["x"]],
    ),
    "exists, in, case": (
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM events WHERE user_id = 'bob') THEN 'yes' ELSE 'no' END,\n"
        "  'ann' IN (SELECT user_id FROM users), coalesce(NULL, 'a') || 'b', 3 BETWEEN 1 AND 4, NOT true",
        lambda es: [["yes", True, "ab", True, False]],
    ),
    "lateral": (
        "SELECT u.user_id, l.name FROM users AS u, LATERAL (SELECT name FROM events AS e\n"
        "WHERE e.user_id = u.user_id ORDER BY timestamp LIMIT 1) AS l ORDER BY u.user_id",
        lambda es: [[user, own[0].name] for user, own in sorted(_by(es, lambda e: e.user_id or "").items()) if user],
    ),
    "days": (
        "SELECT date_trunc('day', timestamp) AS day, count(*) FROM events WHERE timestamp < now() - INTERVAL '1 day'\n"
        "AND timestamp >= TIMESTAMP '2025-06-01 12:00:00' GROUP BY day",
        lambda es: [[_day(NOON), len(es)]],
    ),
    "percentile": (
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(properties->>'amount' AS DOUBLE PRECISION))\n"
        "FROM events",
        lambda es: [[11.0]],
    ),
    "texts": (
        "SELECT upper(name), substring(name FROM 2 FOR 3), trim(both ' ' from '  a '), position('b' IN 'abc'),\n"
        "  replace('a-b', '-', '+'), name LIKE 'c%', name ILIKE 'CL_CK', split_part('a,b', ',', 2), 'it''s', '\"; --'\n"
        "FROM events ORDER BY timestamp LIMIT 1 OFFSET 1",
        lambda es: [["CLICK", "lic", "a", 2, "a+b", True, True, "b", "it's", '"; --']],
    ),
    "numbers": (
        "SELECT 1, CAST('12345678901234567890.12' AS DECIMAL(30, 2)), 9223372036854775807, "
        "CAST('NaN' AS DOUBLE PRECISION), CAST('Infinity' AS DOUBLE PRECISION), CAST(0.1 AS DOUBLE PRECISION), "
        "7 % 4, -2, CAST(1 AS BOOLEAN)",
        lambda es: [[1, Decimal("12345678901234567890.12"), 2**63 - 1, None, None, 0.1, 3, -2, True]],
    ),
    "other values": (
        "SELECT CAST('2025-02-03' AS DATE), event_id, NULL, CAST('2025-02-03 04:05:06' AS TIME) FROM events "
        "ORDER BY timestamp LIMIT 1",
        lambda es: [["2025-02-03", str(es[0].event_id), None, "04:05:06"]],
    ),
    "series": (
        "SELECT i, count(e.event_id) FROM generate_series(0, 3) AS s(i)\n"
        "LEFT JOIN events AS e ON CAST(e.properties->>'amount' AS INTEGER) = s.i GROUP BY i ORDER BY i",
        lambda es: [[0, 1], [1, 0], [2, 1], [3, 0]],
    ),
    "values": ("SELECT b, a FROM (VALUES (1, 'x'), (2, 'y')) AS v(a, b) ORDER BY a", lambda es: [["x", 1], ["y", 2]]),
    "columns with one name": ("SELECT 1 AS a, 2 AS a", lambda es: [[1, 2]]),
    "odd names": ('SELECT 1 AS "Größe ""m""", 2 AS "select"', lambda es: [[1, 2]]),
    "a comment": ("SELECT 1 -- ; DROP TABLE events\n/* SELECT */ + 1;", lambda es: [[2]]),
    "nothing found": ("SELECT name FROM events WHERE false", lambda es: []),
    "distinct on": (
        "SELECT DISTINCT ON (name) name FROM events ORDER BY name",
        lambda es: [["click"], ["page_view"], ["purchase"]],
    ),
}


REFUSED_BY_CLICKHOUSE = {
    "lateral": "there is no LATERAL on ClickHouse",
    "windows with a name": "'lag' does not expect window frame",
}
"""Statements that ClickHouse has no form for, and why it refuses them."""


async def answered(
    store: Store, sql: str, site: str | None = SITE, *, sealed: bool = False, limit: int = 1000
) -> Table:
    """The answer about the site (None: all of them)."""
    return await store.select(SqlQuery(sql=sql, site_id=site, limit=limit), sealed=sealed)
