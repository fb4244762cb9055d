"""Every store answers metrics with filters of their own, and formulas of them, as the oracle does (G10)."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.model.event import Event
from tallystick.model.queries.formula import Formula
from tallystick.model.query import AllOf, AnyOf, Condition, Filter, Metric, MetricsQuery
from tallystick.store import Store
from tests.conformance.analyses.test_store_queries import event_lists, filters, metrics_queries, scopes
from tests.helpers.query_steps import NUMERIC, TEXTS, check, fixed_events, has_rollups, put
from tests.helpers.thorough import examples, some

EXACT = ["events", "users", "sessions", "events_per_user", "min", "max"]
"""Kinds whose last digit does not depend on the order in which a store adds numbers up."""
WAYS: list[dict[str, Any]] = [
    {},
    {"interval": "month"},
    {"breakdown": ["name"]},
    {"breakdown": ["path"], "top": 2, "other": True, "interval": "month"},
]
of_rollup: st.SearchStrategy[Filter] = st.one_of(
    st.builds(
        lambda field, value: Condition(field=field, op="=", value=value),
        st.sampled_from(["name", "source"]),
        st.sampled_from(["a", "b", "web", ""]),
    ),
    st.just(AllOf(all=[])),
    st.just(AnyOf(any=[])),
)


def expressions(letters: str) -> st.SearchStrategy[str]:
    """Formulas of these letters."""
    leaves = st.sampled_from([*letters, "2", "0", "0.5", "1e308"])
    return st.recursive(
        leaves,
        lambda part: (
            st.builds("({} {} {})".format, part, st.sampled_from("+-*/"), part) | st.builds("-{}".format, part)
        ),
        max_leaves=5,
    )


@st.composite
def metrics(draw: st.DrawFn) -> dict[str, Any]:
    """Metrics of which some have filters, and formulas of those that are exact."""
    kinds = draw(st.lists(st.sampled_from(EXACT * 2 + ["last_received", *NUMERIC[:2]]), min_size=1, max_size=4))
    alike = draw(st.none() | of_rollup)
    made = [
        Metric(
            kind=kind,
            name=f"m{place}",
            property="amount" if kind in NUMERIC else None,
            filter=alike or draw(st.one_of(st.none(), of_rollup, of_rollup, filters)),
        )
        for place, kind in enumerate(kinds)
    ]
    letters = "".join("ABCD"[place] for place, kind in enumerate(kinds) if kind in EXACT)
    texts = draw(st.lists(expressions(letters), max_size=2)) if letters else []
    return {"metrics": made, "formulas": [Formula(name=f"f{n}", expression=text) for n, text in enumerate(texts)]}


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=event_lists(),
    questions=st.lists(st.tuples(metrics_queries(), metrics()), min_size=3, max_size=5),
    limit=st.sampled_from([2, 3, 7]),
)
async def test_metrics_with_filters_and_formulas(
    store: Store, events: list[Event], questions: list[tuple[dict[str, Any], dict[str, Any]]], limit: int
) -> None:
    """G10: over time, broken down, ranked, in pages, from the rollup or from the raw events."""
    await put(store, events)
    for (question, own), scope in product(questions, scopes(events)):
        parts = [part for part in (question["filter"], scope.get("filter")) if part]
        whole = question["top"] is not None or (question["fill"] and question["interval"])
        given_scope = {**scope, "filter": AllOf(all=parts) if parts else None, "limit": 10_000 if whole else limit}
        await check(store, MetricsQuery(**{**question, **own, **given_scope}), events)


async def test_each_metric_with_a_filter(store: Store) -> None:
    """G10: beside the same without one, and beside another filter; ranked by it, too."""
    events = fixed_events("own")
    await put(store, events)
    kinds = [*EXACT[:4], "last_received", *NUMERIC]
    tests: list[Filter] = [
        Condition(field="name", op="=", value=TEXTS[1]),
        Condition(field="properties.plan", op="set"),
        Condition(field="site_id", op="=", value="own"),
        AnyOf(any=[]),
    ]
    for kind, test in some(product(kinds, tests)):
        key = "amount" if kind in NUMERIC else None
        own = Metric(kind=kind, property=key, filter=test, name="own")
        ways: list[list[Metric]] = [
            [own],
            [own, Metric(kind=kind, property=key, name="all")],
            [own, Metric(kind="users", filter=Condition(field="source", op="=", value="web"))],
            [Metric(kind="users"), own],
        ]
        for together, more in product(ways, WAYS):
            await check(store, MetricsQuery(site_id="own", metrics=together, **more), events)


async def test_a_metric_with_a_filter_comes_from_the_rollup(store: Store) -> None:
    """G10: where its fields are in there."""
    events = fixed_events("rolled")
    await put(store, events)
    signup, web = (Condition(field=field, op="=", value=value) for field, value in (("name", "a"), ("source", "web")))
    for metrics, rolled in (
        ([Metric(name="x", filter=signup), Metric(name="y", filter=web)], True),
        ([Metric(name="x", filter=signup), Metric(kind="users")], True),
        ([Metric(name="x", filter=Condition(field="path", op="set")), Metric()], False),
        ([Metric(name="x"), Metric(kind="users", filter=signup)], False),
    ):
        ratio = [Formula(expression="A / B")]
        query = MetricsQuery(site_id="rolled", metrics=metrics, formulas=ratio, interval="month")
        assert (await store.run(query)).from_rollup == (rolled and has_rollups(store))
        await check(store, query, events)
