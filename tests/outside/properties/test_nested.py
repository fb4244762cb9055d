"""Properties that are objects and lists, as shops send them: paths into objects, and elements of lists."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.model.event import Event
from tallystick.model.query import KeysQuery, Metric, MetricsQuery, ValuesQuery
from tallystick.store import Store
from tests.helpers.query_steps import NOON, make_event, put, same
from tests.oracle import metrics as oracle

SENT: list[dict[str, Any]] = [
    {"cart": {"total": 12.5, "coupon": "SPRING", "paid": True}, "tags": ["new", "sale"], "sizes": [38, 40.5]},
    {"cart": {"total": 30, "coupon": ""}, "tags": ["sale"], "sizes": ["38"]},
    {"cart": {"total": "30", "by": {"name": "Zoë", "a.b": 1}}, "tags": "sale", "sizes": 38},
    {"cart.total": 99, "cart": {"total": 1}, "tags": [], "sizes": [True, None, [38], {"": 38}]},
    {"cart.total": None, "cart": {"total": 7}, "tags": None, "sizes": [76561198000000001]},
    {"cart.total": "text", "cart": {"total": 8}, "tags": {"0": "sale"}, "sizes": [76561198000000002]},
    {"cart": "total", "tags": ["“été”", 'quo"te', "back\\slash"], "plan.pro": True, "a": [{"0": 1}], "": {"": 5}},
    {"cart": [{"total": 5}], "tags": [["sale"]], "plan": {"pro": False}},
    {},
]

NEW = {"field": "properties.tags", "op": "has", "value": "new"}
FOUND: list[tuple[dict[str, Any], list[int]]] = [
    ({"field": "properties.cart.total", "op": "=", "value": 30}, [1]),
    ({"field": "properties.cart.total", "op": "=", "value": "30"}, [2]),
    ({"field": "properties.cart.total", "op": ">", "value": 6}, [0, 1, 3, 4]),
    ({"field": "properties.cart.total", "op": "=", "value": "text"}, [5]),
    ({"field": "properties.cart.total", "op": "set"}, [0, 1, 2, 3, 4, 5]),
    ({"field": "properties.cart.total", "op": "in", "value": [12.5, 99]}, [0, 3]),
    ({"field": "properties.cart.coupon", "op": "=", "value": ""}, [1]),
    ({"field": "properties.cart.coupon", "op": "not_set"}, [2, 3, 4, 5, 6, 7, 8]),
    ({"field": "properties.cart.paid", "op": "=", "value": True}, [0]),
    ({"field": "properties.cart.by.name", "op": "contains", "value": "ë"}, [2]),
    ({"field": "properties.plan.pro", "op": "=", "value": True}, [6]),
    ({"field": "properties.plan.pro", "op": "=", "value": False}, [7]),
    ({"field": "properties.cart.0", "op": "set"}, []),
    ({"field": "properties.a.0", "op": "set"}, []),
    ({"field": "properties.tags", "op": "has", "value": "sale"}, [0, 1]),
    ({"field": "properties.tags", "op": "has", "value": "“été”"}, [6]),
    ({"field": "properties.tags", "op": "has", "value": 'quo"te'}, [6]),
    ({"field": "properties.tags", "op": "has", "value": "back\\slash"}, [6]),
    ({"field": "properties.tags", "op": "has", "value": "sal"}, []),
    ({"field": "properties.sizes", "op": "has", "value": 38}, [0]),
    ({"field": "properties.sizes", "op": "has", "value": "38"}, [1]),
    ({"field": "properties.sizes", "op": "has", "value": 40.5}, [0]),
    ({"field": "properties.sizes", "op": "has", "value": True}, [3]),
    ({"field": "properties.sizes", "op": "has", "value": 76561198000000001}, [4]),
    (
        {
            "any": [
                {"field": "properties.tags", "op": "has", "value": "new"},
                {"field": "name", "op": "=", "value": "e8"},
            ]
        },
        [0, 8],
    ),
]


def sent(first: int, site: str) -> list[Event]:
    return [
        make_event(first + index, site, name=f"e{index}", timestamp=NOON, properties=properties)
        for index, properties in enumerate(SENT)
    ]


async def test_objects_and_lists_are_looked_into(store: Store) -> None:
    """Of a text, number or boolean alike; a key with a dot comes before the path that it may be."""
    events = sent(95_000_000, "nested")
    await put(store, events)
    for given, wanted in FOUND:
        query = MetricsQuery(site_id="nested", filter=given, breakdown=["name"])
        result = await store.run(query)
        assert [row["name"] for row in result.rows] == [f"e{index}" for index in wanted], given
        assert same(result.rows, oracle.answer(query, events)), given


async def test_paths_are_broken_down_and_summed(store: Store) -> None:
    events = sent(96_000_000, "paths")
    await put(store, events)
    for query in (
        MetricsQuery(site_id="paths", breakdown=["properties.cart.total"]),
        MetricsQuery(site_id="paths", metrics=[Metric(kind="sum", property="cart.total")]),
        ValuesQuery(site_id="paths", field="properties.cart.total"),
    ):
        assert same((await store.run(query)).rows, oracle.answer(query, events)), query


async def test_keys_are_searched(store: Store) -> None:
    """Also those beyond the most frequent ones that an answer has room for."""
    events = sent(97_000_000, "keys")
    await put(store, events)
    for search, wanted in (("CART", ["cart", "cart.total"]), ("Ags", ["tags"]), ("nothing", []), ("%", [])):
        query = KeysQuery(site_id="keys", search=search, limit=2)
        result = await store.run(query)
        assert [row["key"] for row in result.rows] == wanted
        assert same(result.rows, oracle.answer(query, events))


@pytest.mark.parametrize("field", ["path", "user_id"])
def test_a_column_is_no_list(field: str) -> None:
    with pytest.raises(ValueError, match="is no list: has looks into a property"):
        MetricsQuery(filter={"field": field, "op": "has", "value": "x"})
