"""Integers beyond 2^53, such as Steam's ids, keep every digit: in filters, values, breakdowns and exports."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from tallystick.api.files.columns import EXACT, type_of
from tallystick.model.event import encode_lines
from tallystick.model.queries.funnel import FunnelQuery
from tallystick.model.query import EventsQuery, Metric, MetricsQuery, ValuesQuery
from tallystick.store import Store
from tests.helpers.http.read_side import open_read_side
from tests.helpers.query_steps import NOON, make_event, put
from tests.helpers.samples import block_of_lines

LINES = (Path(__file__).parent / "players.ndjson").read_bytes().splitlines()
ONE, TWO, THREE = 76561198000000001, 76561198000000002, 76561198000000003
LONG = 123456789012345678901234567890
FILTERS: list[tuple[str, Any, str]] = [
    ("=", ONE, "a"),
    ("=", TWO, "b"),
    ("=", -ONE, "d"),
    ("=", LONG, "e"),
    ("=", LONG + 1, "f"),
    ("=", 2**53, "gi"),
    ("=", 2**53 + 1, "h"),
    ("=", float(2**53), "gi"),
    ("=", 10**17, "jk"),
    ("=", 1e17, "jk"),
    ("=", str(ONE), "l"),
    ("!=", ONE, "bcdefghijklmn"),
    ("in", [ONE, THREE, 5], "acm"),
    ("in", [TWO, str(ONE)], "bl"),
    (">", ONE, "bcefjk"),
    (">", 2**53, "abcefhjk"),
    (">", LONG, "f"),
    (">", -ONE, "abcefghijkm"),
    (">", -TWO, "abcdefghijkm"),
    ("<", ONE, "dghim"),
    ("<", 2**53 + 1, "dgim"),
    ("<", LONG + 1, "abcdeghijkm"),
    ("<", -ONE, ""),
    ("<", -ONE + 1, "d"),
]


@pytest.fixture
async def players(store: Store) -> Store:
    """A store with the events of `players.ndjson`, in the order of their lines."""
    events = []
    for number, line in enumerate(LINES):
        event = make_event(number, "default", name="login", timestamp=NOON)
        events.append(
            msgspec.structs.replace(
                event, properties=msgspec.json.decode(line, type=dict[str, msgspec.Raw])["properties"]
            )
        )
    await put(store, events)
    return store


async def found(store: Store, test: dict[str, Any]) -> str:
    rows = (await store.run(EventsQuery(filter=test, ascending=True))).rows
    return "".join(sorted(row["properties"]["device"] for row in rows))


async def test_every_digit_counts(players: Store) -> None:
    """Before and after the property has columns of its own."""
    for _ in range(2):
        for op, value, devices in FILTERS:
            test = {"field": "properties.steam", "op": op, "value": value}
            assert await found(players, test) == devices, test
        while await players.maintain():
            pass
    assert await players.verify() == []


async def test_no_two_are_one(players: Store) -> None:
    """In a breakdown, in the values that a filter offers, in a page of events and in an export."""
    metric = Metric(kind="events")
    query = MetricsQuery(metrics=[metric], breakdown=["properties.steam"])
    names = {row["properties.steam"] for row in (await players.run(query)).rows}
    assert {str(n) for n in (ONE, TWO, THREE, -ONE, LONG, LONG + 1, 2**53, 2**53 + 1)} <= names
    values = [row["value"] for row in (await players.run(ValuesQuery(field="properties.steam"))).rows]
    assert {ONE, TWO, THREE, -ONE, LONG, LONG + 1, 2**53, 2**53 + 1} <= {v for v in values if isinstance(v, int)}
    exported = b"".join([piece async for piece in players.export(EventsQuery(ascending=True))])
    sent = sorted(json.dumps(json.loads(line)["properties"]) for line in LINES)
    assert sorted(json.dumps(json.loads(line)["properties"]) for line in exported.splitlines()) == sent


async def test_steps_of_a_funnel(store: Store) -> None:
    """Two steps that differ in the last digit are two steps; nobody who did one did the other too."""
    events = [
        make_event(
            500 + n, "f", name="login", user_id=user, timestamp=NOON + timedelta(minutes=n), properties={"id": i}
        )
        for n, (user, i) in enumerate([("ann", ONE), ("ann", TWO), ("bob", ONE), ("bob", THREE), ("eve", TWO)])
    ]
    await put(store, events)
    steps = [{"filter": {"field": "properties.id", "op": "=", "value": value}} for value in (ONE, TWO)]
    result = await store.run(FunnelQuery.model_validate({"site_id": "f", "steps": steps}))
    assert [row["users"] for row in result.rows] == [2, 1]


async def test_no_answer_and_no_file_rounds_them(tmp_path: Path) -> None:
    """By HTTP: a filter in the address, JSON, CSV and Parquet, of integers beyond 64 bits too, and beside fractions."""
    async with open_read_side(tmp_path) as side:
        numbers = [ONE, TWO, LONG, LONG + 1, 2**63, 1.5, 7]
        events = [
            make_event(n, "default", name="a", timestamp=NOON, properties={"id": v}) for n, v in enumerate(numbers)
        ]
        await side.store_blocks([block_of_lines(0, encode_lines(events), len(events))])
        for value in (ONE, LONG + 1):
            found = await side.get("/v1/query", metric="events", filter=f"properties.id:=:{value}")
            assert found["rows"] == [{"events": 1}]
        query = {"kind": "values", "field": "properties.id"}
        answer = await side.client.post("/v1/query", json=query)
        assert {row["value"] for row in json.loads(answer.content)["rows"]} == set(numbers)
        answer = await side.client.post("/v1/query?format=csv", json=query)
        assert {row.partition(b",")[0] for row in answer.content.splitlines()[1:]} == {str(n).encode() for n in numbers}
        for wanted, test in (
            (numbers, None),
            ([ONE, TWO], {"field": "properties.id", "op": "in", "value": [ONE, TWO]}),
        ):
            answer = await side.client.post("/v1/query?format=parquet", json={**query, "filter": test})
            file = tmp_path / "values.parquet"
            file.write_bytes(answer.content)
            kinds = duckdb.execute(f"SELECT typeof(value), value FROM '{file}'").fetchall()
            assert {value if test else str(value) for _, value in kinds} == {n if test else str(n) for n in wanted}
            assert {kind for kind, _ in kinds} == {"BIGINT" if test else "VARCHAR"}


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, 2.5], "DOUBLE"),
        ([1, ONE], EXACT),
        ([ONE, 2.5], "VARCHAR"),
        ([ONE, LONG], "DECIMAL(38, 0)"),
        ([10**40], "VARCHAR"),
    ],
)
def test_the_type_of_a_files_column(values: list[Any], type_: str) -> None:
    found = ""
    for value in values:
        found = type_of("value", value, found)
    assert found == type_
