"""Which persons were active in which periods, as a SELECT: from `people` or `people_days` where that says the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tallystick.analysis.buckets import QUARTER_HOUR, SECOND, SECONDS, Buckets, micros
from tallystick.analysis.filters import Fields, Params, filter_fields, scope_conditions, where
from tallystick.analysis.funnel.steps import test_sql
from tallystick.model.queries.funnel import EventTest
from tallystick.model.queries.scope import Scope

PEOPLE_FIELDS = {"site_id"}
ANY = EventTest()


@dataclass(frozen=True)
class Persons:
    """The persons of some events, in one statement.

    Attributes:
        scope: which events; its edges are taken as they are.
        buckets: the periods.
        rollups: whether the tables of people may be read.
    """

    scope: Scope
    params: Params
    buckets: Buckets
    rollups: bool

    def conditions(self, test: EventTest) -> list[str]:
        """Conditions of the events that a test means."""
        return [] if test == ANY else [test_sql(test, Fields(self.params))]

    def table(self, *tests: EventTest) -> str:
        """The smallest table that has all of the persons: `people_days`, `people` or `events`."""
        fields = filter_fields(self.scope.filter)
        edges = [micros(edge) for edge in (self.scope.since, self.scope.until) if edge]
        quarters = all(edge % (QUARTER_HOUR * SECOND) == 0 for edge in edges) and self.buckets.on_quarter_hours
        if not self.rollups or not quarters or not fields <= PEOPLE_FIELDS or any(test != ANY for test in tests):
            return "events"
        days = all(edge % (SECONDS["day"] * SECOND) == 0 for edge in edges) and self.buckets.on_utc_days
        return "people_days" if days and self.params.dialect.day_start else "people"

    def bucket(self, table: str, instant: str | None = None) -> str:
        """The bucket key of a row's instant."""
        time = instant or self.time(table)
        if table == "people_days" and self.buckets.interval == "day":
            return time
        return self.buckets.sql(self.params.dialect, time)

    def time(self, table: str) -> str:
        """The instant of a row."""
        return {"events": "timestamp", "people": "bucket"}.get(table, self.params.dialect.day_start)

    def source(self, table: str, tests: list[str], since: datetime | None, until: datetime | None) -> str:
        """FROM and WHERE of the persons' rows from `since` to `until`."""
        scope = self.scope.model_copy(update={"since": since, "until": until})
        day = table == "people_days"
        time = "day" if day else self.time(table)
        conditions = scope_conditions(scope, time, self.params, "day" if day else "timestamp")
        conditions += tests
        if table != "events":
            return f"FROM {self.params.people(table)}{where(conditions)}"
        return f"FROM {self.params.relation()}{where([*conditions, 'user_id IS NOT NULL'])}"

    def active(self, table: str, tests: list[str], since: datetime | None, until: datetime | None) -> str:
        """A row for each person `u` and period `b` in which the person did one of the events."""
        unique = table == "people_days" and self.buckets.interval == "day" and self.scope.site_id is not None
        unique = unique and not self.params.joined
        select = "SELECT" if unique else "SELECT DISTINCT"
        return f"{select} user_id AS u, {self.bucket(table)} AS b\n  {self.source(table, tests, since, until)}"
