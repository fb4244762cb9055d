"""Which CTEs ClickHouse computes once: it computes any other anew wherever it is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from tallystick.analysis.dispatch import compile_query
from tallystick.analysis.sources import Sources
from tallystick.model.query import Query
from tallystick.store.clickhouse.dialect import CLICKHOUSE
from tallystick.store.clickhouse.read import text_of

STEPS = [{"name": "view"}, {"name": "buy"}]
KEPT: list[tuple[dict[str, object], list[str]]] = [
    ({"kind": "people"}, ["page"]),
    ({"kind": "funnel", "steps": STEPS, "breakdown": "source"}, ["walked"]),
    ({"kind": "paths"}, ["codes", "step_counts"]),
    ({"kind": "retention"}, []),
]


@pytest.mark.parametrize(("body", "kept"), KEPT, ids=[str(body["kind"]) for body, _ in KEPT])
def test_what_is_read_often_is_computed_once(body: dict[str, object], kept: list[str]) -> None:
    query: Query = TypeAdapter(Query).validate_python(body)
    text = text_of(compile_query(query, Sources(CLICKHOUSE, datetime.now(UTC), rollups=False)))
    assert [line.split(" AS ")[0].split()[-1] for line in text.split("\n") if "MATERIALIZED" in line] == kept
