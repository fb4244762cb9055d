"""Where one statement reads events from: the table itself, or the table with property columns, persons or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from tallystick.analysis.cte import clause, columns, sql, union_all
from tallystick.analysis.parameters import Parameters
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sources import Sources
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.model.queries.scope import Scope

SENT_ID = "sent_id"
"""The id that an event was sent with, in relations whose `user_id` is the person or a number."""
_OTHER_COLUMNS = (
    "site_id",
    "event_id",
    "name",
    "timestamp",
    "received_at",
    "session_id",
    "source",
    "path",
    "properties",
)


class EventSource:
    """The relations that one statement reads events and users from, and the parameters of that statement.

    Attributes:
        dialect: the store's SQL.
        parameters: the statement's parameters.
        has_persons: `user_id` of `relation` and `people` is the person that the sent id resolves to.
        user_numbers: `user_id` of `relation` is the number of the user, or of the person; None: it is a text.
        has_loose_events: some events of users have no `session_id`.
        has_sent_id: relations have `SENT_ID` beside `user_id`.
        session_index: the materialized sessions, if the statement can use them.
        visit_test: makes the conditions of `session.` fields; None: the statement has none.
    """

    def __init__(self, sources: Sources, site_id: str | None = None, parameters: Parameters | None = None) -> None:
        """
        Args:
            site_id: the only site that the statement reads; None: several.
            parameters: those of the statement that this is a part of; None: it is the whole statement.
        """
        self.dialect = sources.dialect
        self.parameters = Parameters(sources.dialect) if parameters is None else parameters
        self.visit_test = sources.visit_test
        self.session_index = sources.session_index
        self.has_persons = sources.persons
        self.has_loose_events = sources.loose_events
        self.user_numbers = sources.user_numbers
        self.has_sent_id = sources.persons or sources.user_numbers is not None
        self._tables = (sources.user_numbers.parts if sources.user_numbers else ()) or ("events",)
        self._site = site_id
        self._columns = sources.property_columns
        self._value_counts = sources.value_counts
        self._hour_users = sources.hour_users
        self._has_kept = sources.kept is not None
        self._used: dict[str, PropertyColumn] = {}

    @classmethod
    def as_sent(cls, sources: Sources) -> Self:
        """The table `events` itself: ids as they were sent, properties as JSON."""
        return cls(Sources(sources.dialect, sources.now, visit_test=sources.visit_test))

    @property
    def ctes(self) -> tuple[str, ...]:
        """The CTEs that the relations read; the statement begins with them."""
        return self.user_numbers.ctes if self.user_numbers else ()

    @property
    def hidden_columns(self) -> list[str]:
        """The columns of the table's rows that `*` leaves out."""
        return [column for column in self.dialect.arrival if column not in _OTHER_COLUMNS]

    @property
    def _all_other_columns(self) -> list[str]:
        return [*_OTHER_COLUMNS, *self.dialect.more_columns]

    @property
    def all_columns(self) -> str:
        """Every column of `relation()` in a SELECT list, with those that `*` leaves out of a table's rows."""
        has_them = self.has_persons or self._used  # they are ordinary columns of the SELECT there
        return "*" if has_them else ", ".join(["*", *self.hidden_columns])

    def property_column(self, key: str) -> PropertyColumn | None:
        """The columns of a property key, if it has any. From then on `relation` has them."""
        column = self._columns.get(key)
        if column is not None:
            self._used[key] = column
        return column

    def relation(self, persons: bool = True) -> str:
        """A relation named `events`, with the property columns that `property_column` returned.

        Args:
            persons: the statement looks at `user_id`. False leaves the sent id there, which saves a join.
        """
        parts = self._parts()
        events = parts[0] if len(parts) == 1 else _named("events", union_all(f"FROM {part}" for part in parts))
        if not self.has_persons:
            return events
        # With its table's name, since a join has no columns of the system.
        arrival = [f"events.{column}" for column in self.hidden_columns]
        selected = [*self._all_other_columns, *arrival]
        selected += [column for used in self._used.values() for column in (used.text, used.kind)]
        if persons:
            sent_id = SENT_ID if self.user_numbers else f"user_id AS {SENT_ID}"
            return _named("events", self._with_persons(selected, events, [sent_id]))
        select = sql(
            """
            SELECT {columns}
            FROM {events}
            """,
            columns=", ".join([*selected, "user_id", f"user_id AS {SENT_ID}"]),
            events=events,
        )
        return _named("events", select)

    def parts(self) -> list[str]:
        """Relations that together have the rows of `relation()`."""
        return [self.relation()] if self.has_persons else self._parts()

    @property
    def has_times(self) -> bool:
        """Whether `times` can be read."""
        return self.user_numbers is not None and self.user_numbers.times is not None

    def times(self) -> str:
        """The SELECT of `UserNumbers.times`; its `user_id` is the person's number where ids resolve to persons."""
        assert self.user_numbers
        assert self.user_numbers.times
        times = self.user_numbers.times
        if not self.has_persons:
            return times
        day = ["day"] if self.user_numbers.has_days else []
        return self._with_persons(["site_id", *day, "name", "first", "more", "bot"], _named("times", times))

    def named_times(self) -> str:
        """The relation `user_times` of `times`."""
        return _named("user_times", self.times())

    def sent_ids(self) -> str:
        """A SELECT of each person's number, `person`, and the ids that it was sent with, `sent_id`."""
        assert self.user_numbers
        users = f"{self.user_numbers.users} AS users"
        if not self.has_persons:
            return f"SELECT number AS person, user_id AS {SENT_ID} FROM {users}"
        return sql(
            """
            SELECT coalesce(person_id, number) AS person, user_id AS {sent_id}
            FROM {users}
            LEFT JOIN (
                {ids}
                {where}
            ) AS ids ON of_id = number
            """,
            sent_id=SENT_ID,
            users=users,
            ids=self._numbered_ids(self.user_numbers),
            where=clause("WHERE", [f"site_id = {self.parameters.add(self._site, 'text')}"]),
        )

    def value_counts(self, scope: Scope, by_days: bool) -> str:
        """The relation `value_counts` of `ValueCounts.rows`, for the rows of a scope."""
        assert self._value_counts
        return _named("value_counts", self._value_counts.rows(scope.since, scope.until, by_days))

    def rollup(self) -> str:
        """The relation `rollup`, with the counts of removed events that are kept."""
        if not self._has_kept:
            return "rollup"
        fields = "site_id, bucket, name, source, events, last_received, bot"
        return _named("rollup", union_all(f"SELECT {fields} FROM {table}" for table in ("rollup", "kept_rollup")))

    def hour_users(self) -> str:
        """The relation `hour_users` of `HourUsers.rows`."""
        assert self._hour_users
        return _named("hour_users", self._hour_users.rows)

    def people(self, table: str, has_filter: bool) -> str:
        """One of the tables of active users: `people` (by quarter hour) or `people_days`.

        Args:
            has_filter: the statement filters its rows, and may read the column `bot`.
        """
        if not self.has_persons:
            return table
        selected = ["site_id", "day" if table == "people_days" else "bucket", *(["bot"] if has_filter else [])]
        return _named(table, self._with_persons(selected, table))

    def _with_persons(self, selected: Sequence[str], relation: str, more: Sequence[str] = ()) -> str:
        """SELECT from a relation with the person in `user_id`. With one site the ids alone identify the persons."""
        ids = self._ids() if self.user_numbers is None else self._numbered_ids(self.user_numbers)
        one_site = [] if self._site is None else [f"site_id = {self.parameters.add(self._site, 'text')}"]
        return sql(
            """
            SELECT {columns}
            FROM {relation}
            LEFT JOIN (
                {ids}
                {where}
            ) AS ids ON {same_id}
            """,
            columns=", ".join([*selected, "coalesce(person_id, user_id) AS user_id", *more]),
            relation=relation,
            ids=ids,
            where=clause("WHERE", one_site),
            same_id="of_id = user_id" if one_site else "of_id = user_id AND of_site = site_id",
        )

    def _ids(self) -> str:
        return sql(
            """
            SELECT {site}user_id AS of_id, person_id
            FROM identities
            """,
            site="site_id AS of_site, " if self._site is None else "",
        )

    def _numbered_ids(self, numbers: UserNumbers) -> str:
        """A person whose own id has no events has no number yet, and gets the next free one."""
        return sql(
            """
            SELECT {site}own.number AS of_id, CAST(coalesce(theirs.number, {next_number}) AS {number_type}) AS person_id
            FROM identities
            JOIN {users} AS own ON own.user_id = identities.user_id
            LEFT JOIN {users} AS theirs ON theirs.user_id = person_id
            """,
            site="site_id AS of_site, " if self._site is None else "",
            next_number=f"(SELECT max(number) FROM {numbers.users} AS own) + dense_rank() OVER (ORDER BY person_id)",
            users=numbers.users,
            number_type=self.dialect.number_type,
        )

    def _parts(self) -> list[str]:
        return [self._with_property_columns(table) for table in self._tables]

    def _with_property_columns(self, events: str) -> str:
        """Rows whose property columns are filled, and the others with the columns computed from JSON."""
        if not self._used or self.dialect.fills_columns:
            return events
        generation = max(used.generation for used in self._used.values())
        computed = []
        for key, used in self._used.items():
            json = self.dialect.property_json.format(self.parameters.add(key, "property"), json="properties")
            computed.append(f"{self.dialect.column_text.format(json)} AS {used.text}")
            computed.append(f"{self.dialect.column_kind.format(json)} AS {used.kind}")
        select = sql(
            """
            SELECT *{rowid}
            FROM {events}
            WHERE shredded >= {generation}
            UNION ALL
            SELECT * REPLACE (
                {computed}
            ){rowid}
            FROM {events}
            WHERE shredded IS NULL OR shredded < {generation}
            """,
            events=events,
            rowid=", rowid" if events == "events" else "",  # `*` has it of a subquery, but not of a table
            generation=str(generation),
            computed=columns(computed),
        )
        return _named("events", select)


def _named(name: str, select: str) -> str:
    """A SELECT as a relation."""
    return sql(
        """
        (
            {select}
        ) AS {name}
        """,
        select=select,
        name=name,
    )
