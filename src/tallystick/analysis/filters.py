"""Filters and scopes → conditions. Values become parameters; names of columns come from allow-lists alone.

How a value compares (docs/use/query.md says it for users):

- a text with a column's text or a property that is a JSON string; `>` and `<` by code points;
- a number with a property that is a JSON number, both as doubles; a boolean with true and false;
- `contains` with any property's text; `event_id` with ids in any spelling of a UUID.

Every condition but `!=` and `not_set` fails on a missing value; `!=` is exactly what `=` is not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from uuid import UUID

from tallystick.analysis.dialect import Dialect, Kind
from tallystick.analysis.property_columns import BOOLEAN, STRING, PropertyColumn
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.errors import InvalidRequest
from tallystick.model.query import PROPERTY_PREFIX, AllOf, Condition, Filter, Scalar, Scope

SENT = "sent_id"
"""The id that an event was sent with, where `user_id` is the person or a number."""
_OTHERS = "site_id, event_id, name, timestamp, received_at, session_id, source, path, properties"

NEVER = "1 = 0"
ALWAYS = "1 = 1"


class Params:
    """The parameters of a statement, each value once, and the slots that it reads."""

    def __init__(
        self,
        dialect: Dialect,
        slots: Mapping[str, PropertyColumn] | None = None,
        joined: bool = False,
        site_id: str | None = None,
        numbered: UserNumbers | None = None,
    ) -> None:
        """
        Args:
            joined: ids were joined to persons: `user_id` of what `relation` and `people` give is the person.
            site_id: the only site that is looked at; None: several.
            numbered: `user_id` of what `relation` gives is the user's number, or the person's.
        """
        self.dialect = dialect
        self.joined = joined
        self.renamed = joined or numbered is not None
        self.numbered = numbered
        self.tables = numbered.tables if numbered else ()
        self._parts = numbered.parts if numbered else ("events",)
        self._site = site_id
        self._slots = slots or {}
        self._used: dict[str, PropertyColumn] = {}
        self._numbers: dict[tuple[Kind, object], int] = {}

    def add(self, value: object, kind: Kind) -> str:
        """The placeholder of a value. Raises InvalidRequest for a text that is no Unicode."""
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest("a text of the query holds a lone surrogate") from error
        number = self._numbers.setdefault((kind, value), len(self._numbers) + 1)
        return self.dialect.placeholder(number, kind)

    def slot(self, key: str) -> PropertyColumn | None:
        """The columns of a property key, when it has any; the statement reads `events` from `relation` then."""
        slot = self._slots.get(key)
        if slot is not None:
            self._used[key] = slot
        return slot

    def relation(self, persons: bool = True) -> str:
        """The events, with the columns of the slots that were asked for.

        Args:
            persons: `user_id` is looked at, so where ids are joined it has to be the person's.
        """
        parts = self._slotted_parts()
        sent = " UNION ALL ".join(f"FROM {part}" for part in parts)
        events = parts[0] if len(parts) == 1 else f"({sent}) AS events"
        if not self.joined:
            return events
        slots = "".join(f", {slot.text}, {slot.kind}" for slot in self._used.values())
        if not persons:
            return f"(SELECT {_OTHERS}{slots}, user_id, user_id AS {SENT} FROM {events}) AS events"
        own = SENT if self.numbered else f"user_id AS {SENT}"
        return f"({self._of_persons(f'{_OTHERS}{slots}', events, f', {own}')}) AS events"

    def parts(self) -> list[str]:
        """Relations that together are `relation()`."""
        return [self.relation()] if self.joined else self._slotted_parts()

    @property
    def has_times(self) -> bool:
        """Whether `times` can be read."""
        return self.numbered is not None and self.numbered.times is not None

    def times(self) -> str:
        """`UserNumbers.times`, in which `user_id` is the person's number where ids are joined."""
        assert self.numbered
        assert self.numbered.times
        times = self.numbered.times
        return self._of_persons("site_id, name, first, more", f"({times}) AS times") if self.joined else times

    def people(self, table: str) -> str:
        """One of the tables of people: `people` or `people_days`."""
        time = "day" if table == "people_days" else "bucket"
        return f"({self._of_persons(f'site_id, {time}', table)}) AS {table}" if self.joined else table

    def _of_persons(self, columns: str, source: str, more: str = "") -> str:
        """The rows of a table with the person in the place of `user_id`. Of one site, ids alone tell them apart."""
        ids = self._joined_ids() if self.numbered is None else self._joined_numbers(self.numbered)
        same = "of_id = user_id"
        if self._site is None:
            same += " AND of_site = site_id"
        else:
            ids += f" WHERE site_id = {self.add(self._site, 'text')}"
        return (
            f"SELECT {columns}, coalesce(person_id, user_id) AS user_id{more}\n"
            f"    FROM {source} LEFT JOIN ({ids}) AS ids ON {same}"
        )

    def _joined_ids(self) -> str:
        site = "site_id AS of_site, " if self._site is None else ""
        return f"SELECT {site}user_id AS of_id, person_id FROM identities"

    def _joined_numbers(self, numbered: UserNumbers) -> str:
        """Persons without events under that id have no number yet."""
        site = "site_id AS of_site, " if self._site is None else ""
        fresh = f"(SELECT max(number) FROM {numbered.users}) + dense_rank() OVER (ORDER BY person_id)"
        return (
            f"SELECT {site}own.number AS of_id, CAST(coalesce(theirs.number, {fresh}) AS UINTEGER) AS person_id\n"
            f"      FROM identities JOIN {numbered.users} AS own ON own.user_id = identities.user_id\n"
            f"      LEFT JOIN {numbered.users} AS theirs ON theirs.user_id = person_id"
        )

    def _slotted_parts(self) -> list[str]:
        return [self._slotted(part) for part in self._parts]

    def _slotted(self, events: str = "events") -> str:
        """The columns of slots are filled ones, or made from the JSON text."""
        if not self._used:
            return events
        generation = max(slot.generation for slot in self._used.values())
        made = []
        for key, slot in self._used.items():
            json = self.dialect.property_json.format(self.add(key, "property"))
            made.append(f"{self.dialect.column_text.format(json)} AS {slot.text}")
            made.append(f"{self.dialect.column_kind.format(json)} AS {slot.kind}")
        return (
            f"(SELECT * FROM {events} WHERE shredded >= {generation}\n"
            f"    UNION ALL SELECT * REPLACE ({', '.join(made)})\n"
            f"    FROM {events} WHERE shredded IS NULL OR shredded < {generation}) AS events"
        )

    @property
    def values(self) -> tuple[object, ...]:
        """As the driver takes them, in the placeholders' order."""
        return tuple(
            self.dialect.encode[kind](value) if kind in self.dialect.encode else value for kind, value in self._numbers
        )


class Fields:
    """SQL of an event's fields for one statement."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.dialect = params.dialect

    def property(self, fragment: str, key: str) -> str:
        """One of the dialect's `property_…` fragments for a key."""
        return fragment.format(self.params.add(key, "property"))

    def text(self, name: str) -> str:
        """A field as text, NULL when it is not set."""
        if name.startswith(PROPERTY_PREFIX):
            key = name.removeprefix(PROPERTY_PREFIX)
            slot = self.params.slot(key)
            return slot.text if slot else self.property(self.dialect.property_text, key)
        return self.dialect.uuid_text.format("event_id") if name == "event_id" else name

    def number(self, name: str) -> str:
        """A property that is a JSON number; it may be infinite."""
        key = name.removeprefix(PROPERTY_PREFIX)
        slot = self.params.slot(key)
        if slot:
            return self.dialect.column_number.format(text=slot.text, kind=slot.kind)
        return self.property(self.dialect.property_number, key)

    def boolean(self, name: str) -> str:
        """A property's text when it is true or false, else something that is neither."""
        slot = self.params.slot(name.removeprefix(PROPERTY_PREFIX))
        if slot:
            return f"CASE WHEN {slot.kind} = {BOOLEAN} THEN {slot.text} END"
        return self.property(self.dialect.property_boolean, name.removeprefix(PROPERTY_PREFIX))

    def json(self, name: str) -> str:
        """A property's JSON text."""
        return self.property(self.dialect.property_json, name.removeprefix(PROPERTY_PREFIX))

    def content(self, name: str) -> str:
        """The text of a property that is a JSON string; of others anything, so ask `is_string` too."""
        slot = self.params.slot(name.removeprefix(PROPERTY_PREFIX))
        return slot.text if slot else self.property(self.dialect.property_content, name.removeprefix(PROPERTY_PREFIX))

    def is_string(self, name: str) -> str:
        """Whether a property is a JSON string: a number has a text too, but is none."""
        slot = self.params.slot(name.removeprefix(PROPERTY_PREFIX))
        if slot:
            return f"{slot.kind} = {STRING}"
        return self.property(self.dialect.property_string, name.removeprefix(PROPERTY_PREFIX))


def scope_conditions(scope: Scope, time: str, params: Params, kind: Kind = "timestamp") -> list[str]:
    """The conditions of a scope, to be joined by AND; `time` is the column that `since` and `until` are about."""
    conditions = []
    if scope.site_id is not None:
        conditions.append(f"site_id = {params.add(scope.site_id, 'text')}")
    if scope.since is not None:
        conditions.append(f"{time} >= {params.add(scope.since, kind)}")
    if scope.until is not None:
        conditions.append(f"{time} < {params.add(scope.until, kind)}")
    if scope.filter is not None:
        conditions.append(filter_sql(scope.filter, Fields(params)))
    return conditions


def where(conditions: list[str]) -> str:
    """A WHERE clause with a leading space; empty without conditions."""
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def filter_sql(root: Filter, fields: Fields) -> str:
    """A filter as one condition."""
    if isinstance(root, Condition):
        return _condition(root, fields)
    if isinstance(root, AllOf):
        return _joined(" AND ", [filter_sql(part, fields) for part in root.all], ALWAYS)
    return _joined(" OR ", [filter_sql(part, fields) for part in root.any], NEVER)


def filter_fields(root: Filter | None) -> set[str]:
    """The fields that a filter looks at."""
    if root is None:
        return set()
    if isinstance(root, Condition):
        return {root.field}
    parts = root.all if isinstance(root, AllOf) else root.any
    return set().union(*(filter_fields(part) for part in parts))


def _condition(condition: Condition, fields: Fields) -> str:
    name, value = condition.field, condition.value
    if name == "user_id" and fields.params.renamed:
        name = SENT  # a filter is about the id that was sent
    if condition.op == "set":
        return f"{fields.text(name)} IS NOT NULL"
    if condition.op == "not_set":
        return f"{fields.text(name)} IS NULL"
    if isinstance(value, list):
        return _one_of(name, value, fields)
    assert value is not None  # the model's validation
    if condition.op == "contains":
        return fields.dialect.contains.format(fields.text(name), fields.params.add(value, "text"))
    if condition.op == "!=":
        return f"NOT coalesce({_one_of(name, [value], fields)}, FALSE)"
    if condition.op == "=":
        return _one_of(name, [value], fields)
    return _order(name, condition.op, value, fields)


def _one_of(name: str, values: list[Scalar], fields: Fields) -> str:
    """Whether a field equals one of the values, each compared in its own type."""
    texts = [value for value in values if isinstance(value, str)]
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    booleans = ["true" if value else "false" for value in values if isinstance(value, bool)]
    if name == "event_id":
        return _equal("event_id", [str(i) for i in map(_uuid, texts) if i], "uuid", fields) or NEVER
    if not name.startswith(PROPERTY_PREFIX):
        return _equal(name, texts, "text", fields) or NEVER
    parts = [
        texts and f"({_equal(fields.content(name), texts, 'text', fields)} AND {fields.is_string(name)})",
        numbers and _equal(fields.number(name), numbers, "number", fields),
        booleans and _equal(fields.boolean(name), booleans, "text", fields),
    ]
    return _joined(" OR ", [part for part in parts if part], NEVER)


def _equal(field: str, values: Sequence[object], kind: Kind, fields: Fields) -> str:
    marks = [fields.params.add(value, kind) for value in values]
    if len(marks) <= 1:
        return f"{field} = {marks[0]}" if marks else ""
    return f"{field} IN ({', '.join(marks)})"


def _order(name: str, op: str, value: Scalar, fields: Fields) -> str:
    """`>` or `<`. A range of numbers ends at the largest double: what is beyond is no number to Tallystick."""
    is_property = name.startswith(PROPERTY_PREFIX)
    if isinstance(value, str):
        text = fields.content(name) if is_property else fields.text(name)
        compared = f"{text} {op} {fields.params.add(value, 'text')}"
        return f"({compared} AND {fields.is_string(name)})" if is_property else compared
    if not is_property:
        return NEVER
    limit = sys.float_info.max
    if op == ">":
        low, high = math.nextafter(float(value), math.inf), limit
    else:
        low, high = -limit, math.nextafter(float(value), -math.inf)
    marks = [fields.params.add(edge, "number") for edge in (low, high)]
    return f"{fields.number(name)} BETWEEN {marks[0]} AND {marks[1]}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _joined(word: str, parts: list[str], empty: str) -> str:
    if len(parts) <= 1:
        return parts[0] if parts else empty
    return f"({word.join(parts)})"
