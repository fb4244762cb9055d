"""Where one statement reads events from: the table itself, or the table with property columns, persons or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from tallystick.analysis.cte import clause, columns, sql, union_all
from tallystick.analysis.parameters import Parameters
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sources import Sources
from tallystick.analysis.user_numbers import UserNumbers

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
        has_sent_id: relations have `SENT_ID` beside `user_id`.
    """

    def __init__(self, sources: Sources, site_id: str | None = None) -> None:
        """
        Args:
            site_id: the only site that the statement reads; None: several.
        """
        self.dialect = sources.dialect
        self.parameters = Parameters(sources.dialect)
        self.has_persons = sources.persons
        self.user_numbers = sources.user_numbers
        self.has_sent_id = sources.persons or sources.user_numbers is not None
        self._tables = sources.user_numbers.parts if sources.user_numbers else ("events",)
        self._site = site_id
        self._columns = sources.property_columns
        self._used: dict[str, PropertyColumn] = {}

    @classmethod
    def as_sent(cls, sources: Sources) -> Self:
        """The table `events` itself: ids as they were sent, properties as JSON."""
        return cls(Sources(sources.dialect, sources.now))

    @property
    def ctes(self) -> tuple[str, ...]:
        """The CTEs that the relations read; the statement begins with them."""
        return self.user_numbers.ctes if self.user_numbers else ()

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
        selected = [*_OTHER_COLUMNS, *(column for used in self._used.values() for column in (used.text, used.kind))]
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
        return self._with_persons(["site_id", "name", "first", "more"], _named("times", times))

    def people(self, table: str) -> str:
        """One of the tables of active users: `people` (by quarter hour) or `people_days`."""
        if not self.has_persons:
            return table
        return _named(table, self._with_persons(["site_id", "day" if table == "people_days" else "bucket"], table))

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
            SELECT {site}own.number AS of_id, CAST(coalesce(theirs.number, {next_number}) AS UINTEGER) AS person_id
            FROM identities
            JOIN {users} AS own ON own.user_id = identities.user_id
            LEFT JOIN {users} AS theirs ON theirs.user_id = person_id
            """,
            site="site_id AS of_site, " if self._site is None else "",
            next_number=f"(SELECT max(number) FROM {numbers.users}) + dense_rank() OVER (ORDER BY person_id)",
            users=numbers.users,
        )

    def _parts(self) -> list[str]:
        return [self._with_property_columns(table) for table in self._tables]

    def _with_property_columns(self, events: str) -> str:
        """Rows whose property columns are filled, and the others with the columns computed from JSON."""
        if not self._used:
            return events
        generation = max(used.generation for used in self._used.values())
        computed = []
        for key, used in self._used.items():
            json = self.dialect.property_json.format(self.parameters.add(key, "property"))
            computed.append(f"{self.dialect.column_text.format(json)} AS {used.text}")
            computed.append(f"{self.dialect.column_kind.format(json)} AS {used.kind}")
        select = sql(
            """
            SELECT *
            FROM {events}
            WHERE shredded >= {generation}
            UNION ALL
            SELECT * REPLACE (
                {computed}
            )
            FROM {events}
            WHERE shredded IS NULL OR shredded < {generation}
            """,
            events=events,
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
