"""The queries shown in docs/use/query.md are queries, and the words of its tables are the words of the model."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from tallystick.analysis.dispatch import compile_query
from tallystick.analysis.sources import Sources
from tallystick.model.query import COLUMNS, SERIES_LIMIT, Condition, Metric, Query
from tallystick.store.duckdb.dialect import DUCKDB

TEXT = (Path(__file__).parents[2] / "docs" / "use" / "query.md").read_text()
BODIES = re.findall(r"query '(.*?)'\n", TEXT, re.DOTALL)


def test_there_are_examples_of_every_kind() -> None:
    assert {json.loads(body)["kind"] for body in BODIES} == {"metrics", "events", "keys", "values"}


@pytest.mark.parametrize("body", BODIES)
def test_an_example_is_a_question(body: str) -> None:
    query: Query = TypeAdapter(Query).validate_json(body)
    assert compile_query(query, Sources(DUCKDB, datetime(2025, 7, 1, tzinfo=UTC))).sql


def test_every_metric_operator_and_field_is_described() -> None:
    words = [*get_args(Metric.model_fields["kind"].annotation), *get_args(Condition.model_fields["op"].annotation)]
    for word in [*words, *COLUMNS]:
        assert f"`{word}`" in TEXT, word
    assert f"{SERIES_LIMIT:,} buckets" in TEXT
