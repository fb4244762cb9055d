"""The commands of docs/use/migrating.md, run as they stand there on databases with the four systems' own tables.

The tables have the columns, types and keys of the originals (deepraj02/smolhog migrations/001_initial_schema.sql,
AghahowaJeffrey/EventFlux migrations/init.sql, shashiX07/fast-worker init.sql, hemant2807/Analytics-backend README.md).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tallystick.harness.server import ServerProcess
from tests.helpers.http import plain_http
from tests.servers.postgres import PostgresServer
from tests.servers.process import needed
from tests.servers.scratch import scratch_folder

PAGE = (Path(__file__).parents[2] / "docs" / "use" / "migrating.md").read_text("utf-8")
SECTIONS = {section.splitlines()[0]: section for section in PAGE.split("\n## ")[1:]}

SCHEMAS = {
    "SmolHog": """
        CREATE TABLE events (
            id serial PRIMARY KEY, event_id varchar(255) UNIQUE NOT NULL, event_name varchar(255) NOT NULL,
            user_id varchar(255) NOT NULL, properties jsonb DEFAULT '{}', timestamp timestamptz NOT NULL,
            session_id varchar(255), created_at timestamptz DEFAULT now()
        )
    """,
    "EventFlux": """
        CREATE TABLE events_raw (
            id bigserial, event_type text NOT NULL, actor_id text NOT NULL, source text NOT NULL,
            timestamp timestamptz NOT NULL, attributes jsonb NOT NULL DEFAULT '{}',
            ingested_at timestamptz NOT NULL DEFAULT now()
        ) PARTITION BY RANGE (timestamp);
        CREATE TABLE events_raw_default PARTITION OF events_raw DEFAULT;
        CREATE TABLE events_raw_2026_03_01 PARTITION OF events_raw
            FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-03-02 00:00+00')
    """,
    "fast-worker": """
        CREATE TABLE events (
            id serial PRIMARY KEY, site_id varchar(255) NOT NULL, event_type varchar(100) NOT NULL, path varchar(1000),
            user_id varchar(255), timestamp timestamptz NOT NULL, created_at timestamptz DEFAULT now(), event_date date
        )
    """,
    "analytics-backend": """
        CREATE TABLE events (
            id bigserial PRIMARY KEY, site_id text NOT NULL, event_type text NOT NULL, path text NOT NULL, user_id text,
            timestamp timestamptz NOT NULL, created_at timestamptz DEFAULT now()
        )
    """,
}

AWKWARD = (
    """{"path": "/caf\\u00e9", "quote": "a \\"b\\", c", "lines": "x\\ny", "back": "\\\\", "big": 9007199254740993}"""
)
ROWS = {
    "SmolHog": [
        """INSERT INTO events (event_id, event_name, user_id, properties, timestamp, session_id)
           SELECT '17629758' || n || '-4711', CASE WHEN n % 3 = 0 THEN 'signup' ELSE 'page_view' END, 'user_' || n % 7,
                  jsonb_build_object('n', n, 'path', '/p/' || n % 5),
                  timestamptz '2026-02-28 22:00+00' + n * interval '61 minutes', 'session_' || n % 11
           FROM generate_series(1, 200) AS n""",
        f"""INSERT INTO events (event_id, event_name, user_id, properties, timestamp, session_id) VALUES
            ('odd-1', 'a, "b"', 'Zoë', '{AWKWARD}', '2026-03-01 12:00:00.123456+00', NULL),
            ('odd-2', 'no properties', 'Zoë', NULL, '2026-03-01 23:59:59.999999+00', NULL)""",
    ],
    "EventFlux": [
        """INSERT INTO events_raw (event_type, actor_id, source, timestamp, attributes)
           SELECT CASE WHEN n % 4 = 0 THEN 'click' ELSE 'view' END, 'actor-' || n % 9,
                  (ARRAY['web','ios','api'])[1 + n % 3],
                  timestamptz '2026-02-28 00:00+00' + n * interval '13 minutes', jsonb_build_object('n', n)
           FROM generate_series(1, 300) AS n""",
        f"""INSERT INTO events_raw (event_type, actor_id, source, timestamp, attributes)
            VALUES ('click', 'Zoë', 'web', '2026-03-01 00:00+00', '{AWKWARD}')""",
    ],
    "fast-worker": [
        """INSERT INTO events (site_id, event_type, path, user_id, timestamp)
           SELECT CASE WHEN n % 2 = 0 THEN 'shop' ELSE 'blog' END,
                  CASE WHEN n % 5 = 0 THEN 'click' ELSE 'page_view' END, '/p/' || n % 6,
                  CASE WHEN n % 10 > 0 THEN 'u' || n % 13 END,
                  timestamptz '2026-03-01 00:00+00' + n * interval '7 minutes'
           FROM generate_series(1, 240) AS n""",
        """INSERT INTO events (site_id, event_type, timestamp) VALUES ('shop', 'page_view', '2026-03-02 00:00+00')""",
    ],
    "analytics-backend": [
        """INSERT INTO events (site_id, event_type, path, user_id, timestamp)
           SELECT CASE WHEN n % 2 = 0 THEN 'shop' ELSE 'blog' END, 'view', '/p/' || n % 6,
                  CASE WHEN n % 10 > 0 THEN 'u' || n % 13 END,
                  timestamptz '2026-03-01 00:00+00' + n * interval '7 minutes'
           FROM generate_series(1, 240) AS n""",
    ],
}
EXPECTED = """
    SELECT {site} AS site, {name} AS name, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
           count(*) AS events, count(DISTINCT {user}) AS users
    FROM {table} GROUP BY 1, 2, 3
"""
COLUMNS = {
    "SmolHog": {"site": "'default'", "name": "event_name", "user": "user_id", "table": "events"},
    "EventFlux": {"site": "'default'", "name": "event_type", "user": "actor_id", "table": "events_raw"},
    "fast-worker": {"site": "site_id", "name": "event_type", "user": "user_id", "table": "events"},
    "analytics-backend": {"site": "site_id", "name": "event_type", "user": "user_id", "table": "events"},
}
Numbers = set[tuple[str, str, str, int, int]]
"""Site, name, UTC day, events, users."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    needed("psql", "postgresql-client")
    with scratch_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


async def prepared(url: str, system: str) -> Numbers:
    """Fill the old database; its numbers."""
    old = await asyncpg.connect(url)
    try:
        await old.execute(SCHEMAS[system])
        for statement in ROWS[system]:
            await old.execute(statement)
        return {tuple(row) for row in await old.fetch(EXPECTED.format_map(COLUMNS[system]))}
    finally:
        await old.close()


def blocks(system: str) -> list[str]:
    """The commands of a system's section: the import, and what it is checked with."""
    return re.findall(r"^```bash\n(.*?)^```$", SECTIONS[system], re.MULTILINE | re.DOTALL)


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{command}"],
        env={**os.environ, **environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def found(url: str) -> Numbers:
    query = {
        "kind": "metrics",
        "site_id": None,
        "metrics": [{"kind": "events"}, {"kind": "users"}],
        "interval": "day",
        "breakdown": ["site_id", "name"],
        "limit": 10_000,
    }
    answer = plain_http.post(f"{url}/v1/query", json=query)
    assert answer.status_code == 200, answer.text
    return {
        (row["site_id"], row["name"], row["bucket"][:10], row["events"], row["users"]) for row in answer.json()["rows"]
    }


def drain(url: str) -> None:
    while plain_http.get(f"{url}/v1/pipeline").json()["ledger"]["queued"]:
        time.sleep(0.05)


@pytest.mark.parametrize("system", SCHEMAS)
def test_the_documented_commands_move_everything_once(postgres: PostgresServer, tmp_path: Path, system: str) -> None:
    old = postgres.new_database()
    expected = asyncio.run(prepared(old, system))
    with ServerProcess(tmp_path / "data", {"TALLYSTICK_BATCH_MAX_AGE": "0.05"}) as server:
        environment = {"OLD_DATABASE": old, "TALLYSTICK_URL": server.url}
        command, check = blocks(system)
        run(command, environment)
        drain(server.url)
        assert found(server.url) == expected
        run(command.replace(" | tallystick import -", " | tallystick import - --again"), environment)
        drain(server.url)
        assert found(server.url) == expected
        assert plain_http.get(f"{server.url}/v1/verify").json()["differences"] == []
        compared = run(check, environment).splitlines()
        assert agree(system, compared), compared
        if system in ("SmolHog", "EventFlux"):
            assert awkward(server.url) == json.loads(AWKWARD)


def agree(system: str, lines: list[str]) -> bool:
    """Whether the lines of the old database and the last line, Tallystick's answer, have the same numbers."""
    answer: dict[str, Any] = json.loads(lines[-1])
    if system == "SmolHog":
        return lines[0] == f"{answer['total_events']}|{answer['unique_users']}"
    if system == "EventFlux":
        numbers = (answer[key] for key in ("total_events", "unique_event_types", "unique_sources"))
        return lines[0] == "|".join(map(str, numbers))
    return f"shop|{answer['total_views']}|{answer['unique_users']}" in lines[:-1]


def awkward(url: str) -> object:
    query = {
        "kind": "events",
        "filter": {"field": "path", "op": "=", "value": "/café"},
    }
    answer = json.loads(plain_http.post(f"{url}/v1/query", json=query).text)
    assert [row["user_id"] for row in answer["rows"]] == ["Zoë"]
    return {key: value for key, value in answer["rows"][0]["properties"].items() if not key.startswith("$")}
