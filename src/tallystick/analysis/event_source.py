"""Where one statement reads events from: the table itself, or the table with property columns, persons or numbers."""

from __future__ import annotations

from typing import Self

from tallystick.analysis.parameters import Parameters
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sources import Sources
from tallystick.analysis.user_numbers import UserNumbers

SENT_ID = "sent_id"
"""The id that an event was sent with, in relations whose `user_id` is the person or a number."""
_OTHER_COLUMNS = "site_id, event_id, name, timestamp, received_at, session_id, source, path, properties"


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
        return self.user_numbers.tables if self.user_numbers else ()

    def property_column(self, key: str) -> PropertyColumn | None:
        """The columns of a property key, if it has any. From then on `relation` has them."""
        column = self._columns.get(key)
        if column is not None:
            self._used[key] = column
        return column

    def relation(self, persons: bool = True) -> str:
        """A relation named `events`, with the property columns that were asked for.

        Args:
            persons: the statement looks at `user_id`. False leaves the sent id there, which saves a join.
        """
        parts = self._parts()
        union = " UNION ALL ".join(f"FROM {part}" for part in parts)
        events = parts[0] if len(parts) == 1 else f"({union}) AS events"
        if not self.has_persons:
            return events
        columns = ", ".join([_OTHER_COLUMNS, *(f"{used.text}, {used.kind}" for used in self._used.values())])
        if not persons:
            return f"(SELECT {columns}, user_id, user_id AS {SENT_ID} FROM {events}) AS events"
        sent_id = SENT_ID if self.user_numbers else f"user_id AS {SENT_ID}"
        return f"({self._with_persons(columns, events, f', {sent_id}')}) AS events"

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
        return self._with_persons("site_id, name, first, more", f"({times}) AS times") if self.has_persons else times

    def people(self, table: str) -> str:
        """One of the tables of active users: `people` (by quarter hour) or `people_days`."""
        time = "day" if table == "people_days" else "bucket"
        return f"({self._with_persons(f'site_id, {time}', table)}) AS {table}" if self.has_persons else table

    def _with_persons(self, columns: str, relation: str, more: str = "") -> str:
        """SELECT from a relation with the person in `user_id`. With one site the ids alone identify the persons."""
        ids = self._ids() if self.user_numbers is None else self._numbered_ids(self.user_numbers)
        same = "of_id = user_id"
        if self._site is None:
            same += " AND of_site = site_id"
        else:
            ids += f" WHERE site_id = {self.parameters.add(self._site, 'text')}"
        return (
            f"SELECT {columns}, coalesce(person_id, user_id) AS user_id{more}\n"
            f"    FROM {relation} LEFT JOIN ({ids}) AS ids ON {same}"
        )

    def _ids(self) -> str:
        site = "site_id AS of_site, " if self._site is None else ""
        return f"SELECT {site}user_id AS of_id, person_id FROM identities"

    def _numbered_ids(self, numbers: UserNumbers) -> str:
        """A person whose own id has no events has no number yet, and gets the next free one."""
        site = "site_id AS of_site, " if self._site is None else ""
        fresh = f"(SELECT max(number) FROM {numbers.users}) + dense_rank() OVER (ORDER BY person_id)"
        return (
            f"SELECT {site}own.number AS of_id, CAST(coalesce(theirs.number, {fresh}) AS UINTEGER) AS person_id\n"
            f"      FROM identities JOIN {numbers.users} AS own ON own.user_id = identities.user_id\n"
            f"      LEFT JOIN {numbers.users} AS theirs ON theirs.user_id = person_id"
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
        return (
            f"(SELECT * FROM {events} WHERE shredded >= {generation}\n"
            f"    UNION ALL SELECT * REPLACE ({', '.join(computed)})\n"
            f"    FROM {events} WHERE shredded IS NULL OR shredded < {generation}) AS events"
        )
