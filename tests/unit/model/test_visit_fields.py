"""Which fields of visits a filter takes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tallystick.analysis.dispatch import needs
from tallystick.model.queries.funnel import EventTest, FunnelQuery
from tallystick.model.queries.scope import AllOf, AnyOf, parted_filter
from tallystick.model.query import Condition, Metric, MetricsQuery, Query


@pytest.mark.parametrize(
    "field",
    ["channel", "referrer", "entry_page", "exit_page", "name", "source", "path", "properties.utm_campaign"],
)
def test_a_filter_names_fields_of_the_visit(field: str) -> None:
    assert Condition(field=f"session.{field}", op="=", value="x").field == f"session.{field}"


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"field": "session.color", "op": "=", "value": "x"}, "of a visit: use one of session.entry_page"),
        ({"field": "session.", "op": "set"}, "of a visit: use one of"),
        ({"field": "session.properties.", "op": "set"}, "of a visit: use one of"),
        ({"field": "session.user_id", "op": "set"}, "of a visit: use one of"),
        ({"field": "session.channel", "op": "has", "value": "x"}, "has looks into a property of the event"),
        ({"field": "session.properties.n", "op": "=", "value": 7}, "compared as a text: put 7 in quotes"),
        ({"field": "session.properties.n", "op": "in", "value": ["a", True]}, "compared as a text: put True in quotes"),
        ({"field": "session.channel", "op": "=", "value": None}, "does not take the value"),
    ],
)
def test_any_other_is_refused_with_what_is_allowed(condition: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Condition.model_validate(condition)


CHANNEL = Condition(field="session.channel", op="=", value="search")


@pytest.mark.parametrize(
    ("query", "visits"),
    [
        (MetricsQuery(filter=CHANNEL), True),
        (MetricsQuery(metrics=[Metric(kind="users", filter=CHANNEL)]), True),
        (FunnelQuery(steps=[EventTest(name="a"), EventTest(name="b", filter=CHANNEL)], window=60), True),
        (MetricsQuery(filter=Condition(field="path", op="=", value="session.channel")), False),
    ],
)
def test_only_queries_that_name_visits_look_them_up(query: Query, visits: bool) -> None:
    wanted = needs(query)
    assert wanted.visits is visits
    assert not (wanted.visits and wanted.user_numbers)


def test_a_filter_in_two_parts() -> None:
    channel = Condition(field="session.channel", op="=", value="search")
    page = Condition(field="path", op="=", value="/price")
    either = AnyOf(any=[channel, page])
    assert parted_filter(None) == (None, None)
    assert parted_filter(channel) == (channel, None)
    assert parted_filter(page) == (None, page)
    assert parted_filter(either) == (None, either), "a visit without the channel may have the page"
    assert parted_filter(AnyOf(any=[])) == (AnyOf(any=[]), None), "nothing passes it, so no visit does"
    mixed = AllOf(all=[page, AllOf(all=[channel, either])])
    assert parted_filter(mixed) == (
        AllOf(all=[AllOf(all=[channel])]),
        AllOf(all=[page, AllOf(all=[either])]),
    )
