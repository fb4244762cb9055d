"""The steps of a funnel as SQL conditions."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations

from tallystick.analysis.bots import is_no_bot
from tallystick.analysis.cte import clause, sql, union_all
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import ALWAYS, Fields, filter_sql, scope_conditions
from tallystick.analysis.sessions.visit_filters import names_visits
from tallystick.model.queries.funnel import EventTest, FunnelScope
from tallystick.model.queries.scope import AllOf, Condition, Filter, Scalar

TypedValues = frozenset[tuple[str, str | float | bool]]
"""Values with the names of their types: in Python 1 equals True, in a filter it does not."""


def test_sql(test: EventTest, fields: Fields) -> str:
    """The condition that an event passes a test."""
    parts: list[Filter] = [Condition(field="name", op="=", value=test.name)] if test.name is not None else []
    if test.filter is not None:
        parts.append(test.filter)
    return filter_sql(AllOf(all=parts), fields) if parts else ALWAYS


def are_disjoint(one: EventTest, other: EventTest) -> bool:
    """Whether no event can pass both tests: they require different values of the same field.

    True is certain; False means that it cannot be read off the tests.
    """
    ours, theirs = _required_values(one), _required_values(other)
    return any(ours[field].isdisjoint(theirs[field]) for field in ours.keys() & theirs.keys())


def _required_values(test: EventTest) -> dict[str, TypedValues]:
    """For each field that has to equal one of some values: these values."""
    required: dict[str, TypedValues] = {}
    if test.name is not None:
        required["name"] = frozenset([("text", test.name)])
    parts = test.filter.all if isinstance(test.filter, AllOf) else [test.filter]
    for part in parts:
        if not isinstance(part, Condition) or part.op not in {"=", "in"} or part.field == "event_id":
            continue
        values = part.value if isinstance(part.value, list) else [part.value]
        typed = frozenset(_typed(value) for value in values if value is not None)
        required[part.field] = required.get(part.field, typed) & typed
    return required


def _typed(value: Scalar) -> tuple[str, str | float | bool]:
    if isinstance(value, bool):
        return "boolean", value
    return ("text", value) if isinstance(value, str) else ("number", value)


def are_apart_names(query: FunnelScope) -> bool:
    """Whether each step is a name of its own, and the query leaves out no events but those of bots."""
    no_filter = query.filter is None or is_no_bot(query.filter)
    only_names = no_filter and all(step.filter is None for step in query.steps)
    return only_names and all(are_disjoint(one, other) for one, other in combinations(query.steps, 2))


class Steps:
    """The steps of one funnel in one statement. Steps are numbered from 1.

    Attributes:
        disjoint: no event can match two steps. Two equal steps are not disjoint.
        window: the conversion window, an interval.
    """

    def __init__(self, query: FunnelScope, source: EventSource) -> None:
        fields = Fields(source)
        self.query = query
        self.source = source
        self.disjoint = all(are_disjoint(one, other) for one, other in combinations(query.steps, 2))
        self.window = f"INTERVAL '{query.window} seconds'"
        self._tests = [test_sql(step, fields) for step in query.steps]

    @cached_property
    def scope(self) -> list[str]:
        """The conditions of the events that the funnel looks at. Only a statement that reads events has them."""
        return [*scope_conditions(self.query, "timestamp", self.source), "user_id IS NOT NULL"]

    @property
    def dialect(self) -> Dialect:
        return self.source.dialect

    @property
    def has_user_numbers(self) -> bool:
        """Whether `user_id` of the events is a number already."""
        return self.source.user_numbers is not None

    @property
    def reads_user_times(self) -> bool:
        """Whether the statement reads `user_times` and no events: each step is a name, and only bots are left out."""
        return are_apart_names(self.query) and self.source.has_times

    @property
    def reads_time_lists(self) -> bool:
        """Whether it finds the next time of a step in lists, see `time_lists`."""
        return self.query.order == "ordered" and self.reads_user_times and bool(self.dialect.next_time)

    @property
    def halves(self) -> list[str]:
        """Conditions that part the persons of `user_times` in halves, see `time_lists`; empty: they are not parted.

        The numbers of persons with joined ids are found by a subquery that runs first, which keeps a statement from
        being parallel.
        """
        parted = self.reads_time_lists and not self.source.has_persons
        return [half.format("user_id") for half in self.dialect.halves] if parted else []

    @property
    def looks_up_events(self) -> bool:
        """Whether no event has a user number, so that single events are looked up by the users' ids."""
        return self.source.user_numbers is not None and not self.source.user_numbers.parts

    # --- columns ---

    @property
    def numbers(self) -> range:
        return range(1, len(self._tests) + 1)

    @property
    def times(self) -> list[str]:
        """The columns `step_1_at`…: when each step was done; NULL from the first step on that was not done."""
        return [f"step_{number}_at" for number in self.numbers]

    def last_time(self, relation: str = "") -> str:
        """When the last of the steps that were done was done.

        Args:
            relation: the name of the relation that has the columns, where several have them.
        """
        prefix = relation and f"{relation}."
        return f"coalesce({', '.join(prefix + time for time in reversed(self.times))})"

    def count_done(self, relation: str = "") -> str:
        """How many of the steps were done: the first one always is, and no step is done without those before it."""
        prefix = relation and f"{relation}."
        whens = " ".join(
            f"WHEN {prefix}step_{number}_at IS NOT NULL THEN {number}" for number in reversed(self.numbers[1:])
        )
        return f"CASE {whens} ELSE 1 END"

    # --- conditions ---

    def test(self, number: int) -> str:
        """The condition that an event matches a step; NULL means no."""
        return self._tests[number - 1]

    def test_any(self, *numbers: int) -> str:
        """The condition that an event matches at least one of some steps."""
        tests = dict.fromkeys(self.test(number) for number in numbers)
        return f"({' OR '.join(tests)})"

    @property
    def test_first(self) -> str:
        """The condition that an event matches the first step, marked as one that many events fulfil."""
        return self.dialect.often.format(self.test_any(1))

    @property
    def position(self) -> str:
        """The name of the column that orders a person's events of one instant; see `position_sql`."""
        return "step" if self.disjoint else "position"

    @property
    def position_sql(self) -> str:
        """What orders a person's events of one instant: the first step that they match, then all that they match.

        Of disjoint steps an event matches one at most. Then the value is that step's number, or the number of steps
        plus one for an event that matches none.
        """
        whens = " ".join(f"WHEN {self.test(number)} THEN {number}" for number in self.numbers)
        first_match = f"CASE {whens} ELSE {len(self._tests) + 1} END"
        if self.disjoint:
            return f"CAST({first_match} AS SMALLINT)"
        bits = (f"CASE WHEN {self.test(number)} THEN {2 ** (number - 1)} ELSE 0 END" for number in self.numbers)
        return f"{first_match} * {2 ** len(self._tests)} + {' + '.join(bits)}"

    def matches(self, number: int) -> str:
        """The condition that a row of `step_events` or of a CTE made from it matches a step."""
        return f"step = {number}" if self.disjoint else f"matches_step_{number} = 1"

    # --- relations ---

    @property
    def columns(self) -> str:
        """The columns of `events` that a SELECT has to pass on, so that the conditions can be tested over it."""
        if not names_visits(self.query.steps):
            return "*"
        _ = self.scope  # it asks for property columns, with which the relation has all columns
        return self.source.all_columns

    def events(self, *conditions: str) -> str:
        """FROM and WHERE: the events in the scope that fulfil some more conditions."""
        where = clause("WHERE", [*self.scope, *conditions])  # before the relation: it asks for property columns
        return sql(
            """
            FROM {relation}
            {where}
            """,
            relation=self.source.relation(),
            where=where,
        )

    def first_events(self) -> str:
        """SELECT: each `person` with `step_1_at`, the time of their first event that matches the first step."""
        where = clause("WHERE", [*self.scope, self.test_first])  # before the relations, as in `events`
        selects = [
            sql(
                """
                SELECT user_id AS person, min(timestamp) AS step_1_at
                FROM {relation}
                {where}
                GROUP BY user_id
                """,
                relation=relation,
                where=where,
            )
            for relation in self.source.parts()
        ]
        if len(selects) == 1:
            return selects[0]
        # Each part is grouped by itself: DuckDB knows the range of the numbers in one table, but not in a union. Only
        # with the range it can group without hashing.
        return sql(
            """
            SELECT person, min(step_1_at) AS step_1_at
            FROM (
                {selects}
            ) AS parts
            GROUP BY person
            """,
            selects=union_all(selects),
        )
