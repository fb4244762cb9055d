"""The steps of a funnel as SQL conditions, and what can be told about them without looking at events."""

from __future__ import annotations

from itertools import combinations

from tallystick.analysis.filters import ALWAYS, Fields, Params, filter_sql, scope_conditions, where
from tallystick.model.queries.funnel import EventTest, FunnelScope
from tallystick.model.queries.scope import AllOf, Condition, Filter, Scalar

Values = frozenset[tuple[str, str | float | bool]]
"""Values with their types, since 1 and true are not one in a filter."""


def test_sql(test: EventTest, fields: Fields) -> str:
    """Whether an event is meant."""
    parts: list[Filter] = [Condition(field="name", op="=", value=test.name)] if test.name is not None else []
    if test.filter is not None:
        parts.append(test.filter)
    return filter_sql(AllOf(all=parts), fields) if parts else ALWAYS


def never_both(one: EventTest, other: EventTest) -> bool:
    """Whether it is certain, by the tests alone, that no event passes both: a field has to have different values."""
    mine, theirs = _demands(one), _demands(other)
    return any(mine[field].isdisjoint(theirs[field]) for field in mine.keys() & theirs.keys())


def _demands(test: EventTest) -> dict[str, Values]:
    """Of fields that have to equal one of some values: these."""
    demands: dict[str, Values] = {}
    if test.name is not None:
        demands["name"] = frozenset([("text", test.name)])
    parts = test.filter.all if isinstance(test.filter, AllOf) else [test.filter]
    for part in parts:
        if not isinstance(part, Condition) or part.op not in {"=", "in"} or part.field == "event_id":
            continue
        values = part.value if isinstance(part.value, list) else [part.value]
        found = frozenset(_typed(value) for value in values if value is not None)
        demands[part.field] = demands.get(part.field, found) & found
    return demands


def _typed(value: Scalar) -> tuple[str, str | float | bool]:
    if isinstance(value, bool):
        return "boolean", value
    return ("text", value) if isinstance(value, str) else ("number", float(value))


class Steps:
    """A funnel's steps in one statement. They are numbered from 1.

    Attributes:
        tests: SQL of whether an event matches each step.
        apart: no event can match two of them, equal ones included.
        window: SQL of the conversion window.
    """

    def __init__(self, query: FunnelScope, params: Params) -> None:
        fields = Fields(params)
        self.query = query
        self.params = params
        self.tests = [test_sql(step, fields) for step in query.steps]
        self.apart = all(never_both(one, other) for one, other in combinations(query.steps, 2))
        self.window = f"INTERVAL '{query.window} seconds'"
        self._scope = [*scope_conditions(query, "timestamp", params), "user_id IS NOT NULL"]

    @property
    def numbers(self) -> range:
        return range(1, len(self.tests) + 1)

    def test(self, number: int) -> str:
        """Whether an event matches a step; NULL is no."""
        return self.tests[number - 1]

    def match(self, *numbers: int) -> str:
        """Whether an event matches one of these steps."""
        tests = dict.fromkeys(self.test(number) for number in numbers)
        return f"({' OR '.join(tests)})"

    @property
    def first(self) -> str:
        """Whether an event matches the first step, as many do."""
        return self.params.dialect.often.format(self.match(1))

    def events(self, *conditions: str) -> str:
        """FROM and WHERE of the persons' events in the scope that fulfil some more conditions."""
        return f"FROM {self.params.relation()}{where([*self._scope, *conditions])}"

    def first_attempts(self) -> str:
        """SELECT of each person `u` and `t1`, their first event that matches the first step."""
        conditions = where([*self._scope, self.first])
        found = [
            f"SELECT user_id AS u, min(timestamp) AS t1 FROM {part}{conditions} GROUP BY user_id"
            for part in self.params.parts()
        ]
        # Each part by itself: of several in one the database no longer knows which numbers there are.
        return found[0] if len(found) == 1 else f"SELECT u, min(t1) AS t1 FROM ({' UNION ALL '.join(found)}) GROUP BY u"

    @property
    def place(self) -> str:
        """By what events of the same instant are ordered: the first step that they match, then all of them."""
        first = " ".join(f"WHEN {self.test(number)} THEN {number}" for number in self.numbers)
        rank = f"CASE {first} ELSE {len(self.tests) + 1} END"
        if self.apart:
            return f"CAST({rank} AS SMALLINT)"
        bits = (f"CASE WHEN {self.test(number)} THEN {2 ** (number - 1)} ELSE 0 END" for number in self.numbers)
        others = " + ".join(bits)
        return f"{rank} * {2 ** len(self.tests)} + {others}"
