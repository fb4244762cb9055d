"""Filters and scopes → conditions of SQL. Values become parameters; names of columns come from allow-lists only.

How a value is compared (for users: docs/use/query.md):

- a text is compared with a column, or with a property that is a JSON string; `>` and `<` compare code points;
- a number is compared with a property that is a JSON number, both as doubles; a boolean with true and false;
- `contains` looks into the text of any property; `event_id` equals a UUID in any spelling.

On a missing value every condition fails except `!=` and `not_set`: `!=` is the exact opposite of `=`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from uuid import UUID

from tallystick.analysis.dialect import Kind
from tallystick.analysis.event_source import SENT_ID, EventSource
from tallystick.analysis.property_columns import BOOLEAN, STRING
from tallystick.model.query import PROPERTY_PREFIX, AllOf, Condition, Filter, Scalar, Scope

NEVER = "1 = 0"
ALWAYS = "1 = 1"


class Fields:
    """An event's fields as SQL of one statement."""

    def __init__(self, source: EventSource) -> None:
        self.source = source
        self.dialect = source.dialect

    def property(self, fragment: str, key: str) -> str:
        """One of the dialect's `property_…` fragments for a key."""
        return fragment.format(self.source.parameters.add(key, "property"))

    def text(self, name: str) -> str:
        """A field as text; NULL when it is not set."""
        if name.startswith(PROPERTY_PREFIX):
            key = name.removeprefix(PROPERTY_PREFIX)
            column = self.source.property_column(key)
            return column.text if column else self.property(self.dialect.property_text, key)
        return self.dialect.uuid_text.format("event_id") if name == "event_id" else name

    def number(self, name: str) -> str:
        """A property that is a JSON number, as a double that may be infinite; NULL for any other property."""
        key = name.removeprefix(PROPERTY_PREFIX)
        column = self.source.property_column(key)
        if column:
            return self.dialect.column_number.format(text=column.text, kind=column.kind)
        return self.property(self.dialect.property_number, key)

    def boolean(self, name: str) -> str:
        """`true` or `false` for a property that is a boolean; of any other property something else."""
        column = self.source.property_column(name.removeprefix(PROPERTY_PREFIX))
        if column:
            return f"CASE WHEN {column.kind} = {BOOLEAN} THEN {column.text} END"
        return self.property(self.dialect.property_boolean, name.removeprefix(PROPERTY_PREFIX))

    def json(self, name: str) -> str:
        """A property's JSON text."""
        return self.property(self.dialect.property_json, name.removeprefix(PROPERTY_PREFIX))

    def content(self, name: str) -> str:
        """The text of a property that is a JSON string. Of other properties it is any value: test `is_string` too."""
        column = self.source.property_column(name.removeprefix(PROPERTY_PREFIX))
        return (
            column.text if column else self.property(self.dialect.property_content, name.removeprefix(PROPERTY_PREFIX))
        )

    def is_string(self, name: str) -> str:
        """Whether a property is a JSON string. `text` alone does not tell, since a number has a text too."""
        column = self.source.property_column(name.removeprefix(PROPERTY_PREFIX))
        if column:
            return f"{column.kind} = {STRING}"
        return self.property(self.dialect.property_string, name.removeprefix(PROPERTY_PREFIX))


def scope_conditions(scope: Scope, time: str, source: EventSource, kind: Kind = "timestamp") -> list[str]:
    """The conditions of a scope, all of which have to hold.

    Args:
        time: the column that `since` and `until` bound.
        kind: the type of that column.
    """
    conditions = []
    if scope.site_id is not None:
        conditions.append(f"site_id = {source.parameters.add(scope.site_id, 'text')}")
    if scope.since is not None:
        conditions.append(f"{time} >= {source.parameters.add(scope.since, kind)}")
    if scope.until is not None:
        conditions.append(f"{time} < {source.parameters.add(scope.until, kind)}")
    if scope.filter is not None:
        conditions.append(filter_sql(scope.filter, Fields(source)))
    return conditions


def filter_sql(root: Filter, fields: Fields) -> str:
    """A filter as one condition; it may be NULL, which counts as false."""
    if isinstance(root, Condition):
        return _condition(root, fields)
    if isinstance(root, AllOf):
        return _combined(" AND ", [filter_sql(part, fields) for part in root.all], ALWAYS)
    return _combined(" OR ", [filter_sql(part, fields) for part in root.any], NEVER)


def filter_fields(root: Filter | None) -> set[str]:
    """The fields that a filter reads."""
    if root is None:
        return set()
    if isinstance(root, Condition):
        return {root.field}
    parts = root.all if isinstance(root, AllOf) else root.any
    return set().union(*(filter_fields(part) for part in parts))


def _condition(condition: Condition, fields: Fields) -> str:
    name, value = condition.field, condition.value
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
    return _combined(" OR ", [part for part in parts if part], NEVER)


def _equal(field: str, values: Sequence[object], kind: Kind, fields: Fields) -> str:
    """Whether a field equals one of the values; empty without values."""
    placeholders = [fields.source.parameters.add(value, kind) for value in values]
    if len(placeholders) <= 1:
        return f"{field} = {placeholders[0]}" if placeholders else ""
    return f"{field} IN ({', '.join(placeholders)})"


def _order(name: str, op: str, value: Scalar, fields: Fields) -> str:
    """`>` or `<`. A range of numbers ends at the largest double, because an infinite value is not a number here."""
    is_property = name.startswith(PROPERTY_PREFIX)
    if isinstance(value, str):
        text = fields.content(name) if is_property else fields.text(name)
        compared = f"{text} {op} {fields.source.parameters.add(value, 'text')}"
        return f"({compared} AND {fields.is_string(name)})" if is_property else compared
    if not is_property:
        return NEVER
    limit = sys.float_info.max
    if op == ">":
        low, high = math.nextafter(float(value), math.inf), limit
    else:
        low, high = -limit, math.nextafter(float(value), -math.inf)
    first, last = (fields.source.parameters.add(edge, "number") for edge in (low, high))
    return f"{fields.number(name)} BETWEEN {first} AND {last}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _combined(operator: str, parts: list[str], empty: str) -> str:
    if len(parts) <= 1:
        return parts[0] if parts else empty
    return f"({operator.join(parts)})"
