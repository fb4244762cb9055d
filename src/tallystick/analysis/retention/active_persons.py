"""Which persons were active in which periods.

The SELECTs read `people_days` or `people` where these rollups have what a query asks for, `user_times` where it asks
for names of events, and `events` otherwise; the rows are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tallystick.analysis.bots import is_no_bot
from tallystick.analysis.buckets import Buckets
from tallystick.analysis.cte import Cte, clause, columns, cte, sql
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields, row_fields, scope_conditions
from tallystick.analysis.funnel.steps import test_sql
from tallystick.analysis.rollups import PEOPLE_FIELDS, on_quarter_hours, on_utc_days
from tallystick.model.queries.funnel import EventTest
from tallystick.model.queries.scope import Scope

ANY_EVENT = EventTest()


def are_names(scope: Scope, *tests: EventTest) -> bool:
    """Whether the tests ask for nothing but names, one at least for a name, and the scope leaves out none but bots."""
    only_names = all(test.filter is None for test in tests) and any(test.name is not None for test in tests)
    return only_names and (scope.filter is None or is_no_bot(scope.filter))


def reads_user_times(scope: Scope, source: EventSource, buckets: Buckets, *tests: EventTest) -> bool:
    """Whether `user_times` with its UTC days has every person with an event that passes one of the tests."""
    numbers = source.user_numbers
    has_days = numbers is not None and numbers.times is not None and numbers.has_days
    return has_days and are_names(scope, *tests) and on_utc_days(scope, buckets)


@dataclass(frozen=True)
class ActivePersons:
    """CTEs of active persons for one statement.

    Attributes:
        scope: site, range and filter of the events.
        source: what the statement reads from: `user_times`, where it has them.
        buckets: the periods.
        rollups: False reads `events`, whatever the query is.
    """

    scope: Scope
    source: EventSource
    buckets: Buckets
    rollups: bool

    def table(self, *tests: EventTest) -> str:
        """The smallest table that has every person with an event that passes one of the tests."""
        if self.source.has_times:
            return "user_times"
        on_people = row_fields(self.scope.filter) <= PEOPLE_FIELDS and all(test == ANY_EVENT for test in tests)
        if not self.rollups or not on_people or not on_quarter_hours(self.scope, self.buckets):
            return "events"
        has_days = bool(self.source.dialect.day_start)
        return "people_days" if has_days and on_utc_days(self.scope, self.buckets) else "people"

    def by_period(
        self, name: str, table: str, since: datetime | None, until: datetime | None, test: EventTest = ANY_EVENT
    ) -> Cte:
        """A CTE with a row for each `person` and `period_key` with an event from `since` to before `until`.

        Args:
            test: what the event has to pass.
        """
        days = table in ("people_days", "user_times") and self.buckets.interval == "day"
        # `people_days` has a row for each site, user and day.
        is_distinct = table == "people_days" and days and self.scope.site_id is not None and not self.source.has_persons
        time, conditions = self._time(table), self._conditions(table, since, until, test)
        return cte(
            name,
            """
            {select} user_id AS person, {period} AS period_key
            FROM {table}
            {where}
            """,
            select="SELECT" if is_distinct else "SELECT DISTINCT",
            period=time if days else self.buckets.sql(self.source.dialect, time),
            table=self._relation(table),
            where=clause("WHERE", conditions),
        )

    def first_times(self, table: str, until: datetime | None, test: EventTest) -> str:
        """A SELECT of the time `first_at` of each `person`'s first event that passes a test, before `until`."""
        conditions = self._conditions(table, None, until, test)
        return sql(
            """
            SELECT user_id AS person, min({time}) AS first_at
            FROM {table}
            {where}
            GROUP BY user_id
            """,
            time="first" if table == "user_times" else self._time(table),
            table=self._relation(table),
            where=clause("WHERE", conditions),
        )

    def first_by_period(self, table: str, until: datetime | None, test: EventTest) -> str:
        """A SELECT of each `person` and `period_key` with an event before `until` that passes a test.

        `first_at` is the time of the first of these events, or the day's beginning where the table has days.
        """
        conditions = self._conditions(table, None, until, test)
        return sql(
            """
            SELECT user_id AS person, {period} AS period_key, min({time}) AS first_at
            FROM {table}
            {where}
            GROUP BY person, period_key
            """,
            period=self.buckets.sql(self.source.dialect, self._time(table)),
            time="first" if table == "user_times" else self._time(table),
            table=self._relation(table),
            where=clause("WHERE", conditions),
        )

    def tested_events(self, until: datetime | None, tests: Mapping[str, EventTest]) -> str:
        """A SELECT of the `person` and `timestamp` of each event before `until`, and whether it passes each test.

        Args:
            tests: by the column's name.
        """
        fields = Fields(self.source)
        passes = [
            f"{'TRUE' if test == ANY_EVENT else f'coalesce({test_sql(test, fields)}, FALSE)'} AS {name}"
            for name, test in tests.items()
        ]
        conditions = self._conditions("events", None, until, ANY_EVENT)
        return sql(
            """
            SELECT
                {columns}
            FROM {events}
            {where}
            """,
            columns=columns(["assumeNotNull(user_id) AS person", "timestamp", *passes]),
            events=self._relation("events"),
            where=clause("WHERE", conditions),
        )

    def _time(self, table: str) -> str:
        """The instant of a row."""
        return {"events": "timestamp", "people": "bucket"}.get(table, self.source.dialect.day_start)

    def _relation(self, table: str) -> str:
        """What the rows are read from. Called after `_conditions`, which asks for property columns."""
        if table == "user_times":
            return self.source.named_times()
        return self.source.relation() if table == "events" else self.source.people(table, self.scope.filter is not None)

    def _conditions(self, table: str, since: datetime | None, until: datetime | None, test: EventTest) -> list[str]:
        passes = [] if test == ANY_EVENT else [test_sql(test, Fields(self.source))]
        scope = self.scope.model_copy(update={"since": since, "until": until})
        if table in ("people_days", "user_times"):
            return [*scope_conditions(scope, "day", self.source, "day", table=table), *passes]
        has_user = ["user_id IS NOT NULL"] if table == "events" else []
        return [*scope_conditions(scope, self._time(table), self.source, table=table), *passes, *has_user]
