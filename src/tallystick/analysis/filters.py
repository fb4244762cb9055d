"""Filters and scopes → conditions of SQL. Values become parameters; names of columns come from allow-lists only.

How a value is compared (for users: docs/use/query.md):

- a text is compared with a column, or with a property that is a JSON string; `>` and `<` compare code points;
- a number is compared with a property that is a JSON number, by value: whole numbers with all their digits, others as
  doubles; a boolean with true and false;
- `has` compares each element of a property that is an array in the same way;
- `contains` looks into the text of any property; `event_id` equals a UUID in any spelling.

A field `session.…` describes the event's visit; `sessions.visit_filters` makes its condition.

On a missing value every condition fails except `!=` and `not_set`: `!=` is the exact opposite of `=`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from uuid import UUID

from tallystick.analysis.bots import NO_BOT_ROW, is_no_bot
from tallystick.analysis.dialect import Kind
from tallystick.analysis.event_source import SENT_ID, EventSource
from tallystick.analysis.property_columns import BOOLEAN, STRING, PropertyColumn
from tallystick.model.query import PROPERTY_PREFIX, SESSION_PREFIX, AllOf, Condition, Filter, Scalar, Scope

WHOLE_MIN = 2**53
"""From here on two whole numbers may be the same double, so their digits are compared."""
EVENTS = "events"
NEVER = "1 = 0"
ALWAYS = "1 = 1"
DOUBLE_MAX = sys.float_info.max


class Fields:
    """An event's fields as SQL of one statement.

    The key of a property is a key of `properties` or, where the event has none of this name, the path to a value in an
    object: `a.b` is the key `b` of the object `a`.
    """

    def __init__(self, source: EventSource, json: str | None = None, *, table: str = EVENTS) -> None:
        """
        Args:
            json: the JSON object that has the properties; None: those of the event itself.
            table: what the rows are: events, or those of a pre-aggregated table, which has a column `bot`.
        """
        self.source = source
        self.has_bot_column = table != EVENTS
        self.dialect = source.dialect
        self._is_of_event = json is None
        self._json = source.dialect.properties if json is None else json

    def property(self, fragment: str, key: str) -> str:
        """One of the dialect's `property_…` fragments for a key."""
        return fragment.format(self.source.parameters.add(key, "property"), json=self._json)

    def text(self, name: str) -> str:
        """A field as text; NULL when it is not set."""
        if not name.startswith(PROPERTY_PREFIX):
            return self.dialect.uuid_text.format("event_id") if name == "event_id" else name
        return self._found(name, Fields._text)

    def number(self, name: str) -> str:
        """A property that is a JSON number, as a double that may be infinite; NULL for any other property."""
        return self._found(name, Fields._number)

    def boolean(self, name: str) -> str:
        """`true` or `false` for a property that is a boolean; of any other property something else."""
        return self._found(name, Fields._boolean)

    def json(self, name: str) -> str:
        """A property's JSON text."""
        return self._found(name, lambda fields, key: fields.property(self.dialect.property_json, key))

    def content(self, name: str) -> str:
        """The text of a property that is a JSON string. Of other properties it is any value: test `is_string` too."""
        return self._found(name, Fields._content)

    def is_string(self, name: str) -> str:
        """Whether a property is a JSON string. `text` alone does not tell, since a number has a text too."""
        return self._found(name, Fields._is_string)

    def any_element(self, name: str, test: Callable[[Fields, str], str]) -> str:
        """Whether the test holds for an element of a property that is an array.

        Args:
            test: makes the condition, from the fields of an object and the name of the element in it.
        """
        array = self._found(name, lambda fields, key: fields.property(self.dialect.property_value, key))
        condition = test(Fields(self.source, self.dialect.as_object), PROPERTY_PREFIX)
        return self.dialect.any_element.format(array=array, test=condition)

    def _found(self, name: str, of: Callable[[Fields, str], str]) -> str:
        """What `of` makes of a property: of the key itself, else of the path that the key may be."""
        key = name.removeprefix(PROPERTY_PREFIX)
        parents, last = path_of(key)
        if not parents:
            return of(self, key)
        inside = self._json
        for parent in parents:
            parameter = self.source.parameters.add(parent, "property")
            inside = self.dialect.property_value.format(parameter, json=inside)
        nested = of(Fields(self.source, inside), last)
        return f"CASE WHEN {self._text(key)} IS NOT NULL THEN {of(self, key)} ELSE {nested} END"

    def _column(self, key: str) -> PropertyColumn | None:
        return self.source.property_column(key) if self._is_of_event else None

    def _text(self, key: str) -> str:
        column = self._column(key)
        return column.text if column else self.property(self.dialect.property_text, key)

    def _number(self, key: str) -> str:
        column = self._column(key)
        if column:
            return self.dialect.column_number.format(text=column.text, kind=column.kind)
        return self.property(self.dialect.property_number, key)

    def _boolean(self, key: str) -> str:
        column = self._column(key)
        if column:
            return f"CASE WHEN {column.kind} = {BOOLEAN} THEN {column.text} END"
        return self.property(self.dialect.property_boolean, key)

    def _content(self, key: str) -> str:
        column = self._column(key)
        return column.text if column else self.property(self.dialect.property_content, key)

    def _is_string(self, key: str) -> str:
        column = self._column(key)
        return f"{column.kind} = {STRING}" if column else self.property(self.dialect.property_string, key)


def path_of(key: str) -> tuple[list[str], str]:
    """The keys of the objects around a value, and its own key; no objects where the key can be no path.

    A whole number is no part of a path: DuckDB would take it for the index of an array, PostgreSQL would not.
    """
    *parents, last = key.split(".")
    if "" in (*parents, last) or any(part.isdigit() for part in (*parents[1:], last)):
        return [], key
    return parents, last


def scope_conditions(
    scope: Scope, time: str, source: EventSource, kind: Kind = "timestamp", *, table: str = EVENTS
) -> list[str]:
    """The conditions of a scope, all of which have to hold.

    Args:
        time: the column that `since` and `until` bound.
        kind: the type of that column.
        table: as `Fields`.
    """
    conditions = []
    if scope.site_id is not None:
        conditions.append(f"site_id = {source.parameters.add(scope.site_id, 'text')}")
    if scope.since is not None:
        conditions.append(f"{time} >= {source.parameters.add(scope.since, kind)}")
    if scope.until is not None:
        conditions.append(f"{time} < {source.parameters.add(scope.until, kind)}")
    if scope.filter is not None:
        conditions.append(filter_sql(scope.filter, Fields(source, table=table)))
    return conditions


def filter_sql(root: Filter, fields: Fields) -> str:
    """A filter as one condition; it may be NULL, which counts as false."""
    if isinstance(root, Condition):
        return _condition(root, fields)
    if isinstance(root, AllOf):
        return _combined(" AND ", [filter_sql(part, fields) for part in root.all], ALWAYS)
    return _combined(" OR ", [filter_sql(part, fields) for part in root.any], NEVER)


def row_fields(root: Filter | None) -> set[str]:
    """The fields that a filter reads of a pre-aggregated row: its column `bot`, which all have, is not among them."""
    if root is None or is_no_bot(root):
        return set()
    if isinstance(root, Condition):
        return {root.field}
    parts = root.all if isinstance(root, AllOf) else root.any
    return set().union(*(row_fields(part) for part in parts))


def _condition(condition: Condition, fields: Fields) -> str:
    name, value = condition.field, condition.value
    if fields.has_bot_column and is_no_bot(condition):
        return NO_BOT_ROW
    if name.startswith(SESSION_PREFIX):
        assert fields.source.visit_test  # set for every query that names such a field
        return fields.source.visit_test(condition, fields.source)
    if name == "user_id" and fields.source.has_sent_id:
        name = SENT_ID  # filters compare the id that was sent, not the person or the number
    if condition.op == "set":
        return f"{fields.text(name)} IS NOT NULL"
    if condition.op == "not_set":
        return f"{fields.text(name)} IS NULL"
    if isinstance(value, list):
        return _one_of(name, value, fields)
    assert value is not None  # the model's validation
    if condition.op == "contains":
        return fields.dialect.contains.format(fields.text(name), fields.source.parameters.add(value, "text"))
    if condition.op == "has":
        return fields.any_element(name, lambda element, key: _one_of(key, [value], element))
    if condition.op == "!=":
        return f"NOT coalesce({_one_of(name, [value], fields)}, FALSE)"
    if condition.op == "=":
        return _one_of(name, [value], fields)
    return _order(name, condition.op, value, fields)


def _one_of(name: str, values: list[Scalar], fields: Fields) -> str:
    """Whether a field equals one of the values, each compared in its own type."""
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    doubles = [float(value) for value in numbers if abs(value) < WHOLE_MIN]
    large = [int(value) for value in numbers if abs(value) >= WHOLE_MIN]
    booleans = ["true" if value else "false" for value in values if isinstance(value, bool)]
    if name == "event_id":
        return _equal("event_id", [str(i) for i in map(_uuid, texts) if i], "uuid", fields) or NEVER
    if not name.startswith(PROPERTY_PREFIX):
        return _equal(name, texts, "text", fields) or NEVER
    parts = [
        texts and f"({_equal(fields.content(name), texts, 'text', fields)} AND {fields.is_string(name)})",
        doubles and _equal(fields.number(name), doubles, "number", fields),
        large and _equal_digits(name, large, fields),
        booleans and _equal(fields.boolean(name), booleans, "text", fields),
    ]
    return _combined(" OR ", [part for part in parts if part], NEVER)


def _equal(field: str, values: Sequence[object], kind: Kind, fields: Fields) -> str:
    """Whether a field equals one of the values; empty without values."""
    placeholders = [fields.source.parameters.add(value, kind) for value in values]
    if len(placeholders) <= 1:
        return f"{field} = {placeholders[0]}" if placeholders else ""
    return f"{field} IN ({', '.join(placeholders)})"


def _equal_digits(name: str, values: Sequence[int], fields: Fields) -> str:
    """Whether a number equals one of these large ones: a whole number by its digits, any other by its double."""
    digits = _equal(fields.text(name), [str(value) for value in values], "text", fields)
    whole = f"({digits} AND {fields.number(name)} IS NOT NULL)"
    doubles = [float(value) for value in values if float(value) == value]
    if not doubles:
        return whole
    not_whole = f"NOT {fields.dialect.has_all_digits.format(fields.text(name))}"
    return f"({whole} OR ({_equal(fields.number(name), doubles, 'number', fields)} AND {not_whole}))"


def _order(name: str, op: str, value: Scalar, fields: Fields) -> str:
    """`>` or `<`. A range of numbers ends at the largest double, because an infinite value is not a number here."""
    is_property = name.startswith(PROPERTY_PREFIX)
    if isinstance(value, str):
        text = fields.content(name) if is_property else fields.text(name)
        compared = f"{text} {op} {fields.source.parameters.add(value, 'text')}"
        return f"({compared} AND {fields.is_string(name)})" if is_property else compared
    if not is_property:
        return NEVER
    first, last = (fields.source.parameters.add(edge, "number") for edge in _doubles_beyond(op, value))
    as_double = f"{fields.number(name)} BETWEEN"
    if abs(value) < WHOLE_MIN:
        return f"{as_double} {first} AND {last}"
    lowest, highest = (fields.source.parameters.add(edge, "number") for edge in (-DOUBLE_MAX, DOUBLE_MAX))
    return (
        f"CASE WHEN NOT {fields.dialect.has_all_digits.format(fields.text(name))} "
        f"THEN {as_double} {first} AND {last} "
        f"WHEN {as_double} {lowest} AND {highest} THEN {_digits_beyond(name, op, int(value), fields)} END"
    )


def _doubles_beyond(op: str, value: int | float) -> tuple[float, float]:
    """The first and the last of the doubles that are greater (less) than a number."""
    nearest = float(value)
    if op == ">":
        return nearest if nearest > value else math.nextafter(nearest, math.inf), DOUBLE_MAX
    return -DOUBLE_MAX, nearest if nearest < value else math.nextafter(nearest, -math.inf)


def _digits_beyond(name: str, op: str, value: int, fields: Fields) -> str:
    """Whether the whole number in a text is greater (less) than a large one: more digits, or as many and greater ones.

    Unlike a cast this holds for any number of digits.
    """
    text = fields.text(name)
    limit = fields.source.parameters.add(str(value), "text")
    negative, size = f"left({text}, 1) = '-'", len(str(value))
    more, less = (
        f"(length({text}) {sign} {size} OR (length({text}) = {size} AND {text} {sign} {limit}))" for sign in "><"
    )
    if value > 0:
        return f"(NOT {negative} AND {more})" if op == ">" else f"({negative} OR {less})"
    return f"(NOT {negative} OR {less})" if op == ">" else f"({negative} AND {more})"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _combined(operator: str, parts: list[str], empty: str) -> str:
    if len(parts) <= 1:
        return parts[0] if parts else empty
    return f"({operator.join(parts)})"
