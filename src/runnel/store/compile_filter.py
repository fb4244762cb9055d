"""Filters and scopes → conditions. Values become parameters; names of columns come from allow-lists alone.

How a value compares (docs/query.md says it for users):

- a text with a column's text or a property that is a JSON string; `>` and `<` by code points;
- a number with a property that is a JSON number, both as doubles; a boolean with true and false;
- `contains` with any property's text; `event_id` with ids in any spelling of a UUID.

Every condition but `!=` and `not_set` fails on a missing value; `!=` is exactly what `=` is not.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from runnel.errors import InvalidRequest
from runnel.model.query import PROPERTY_PREFIX, AllOf, Condition, Filter, Scalar, Scope
from runnel.store.engine import Engine, Kind

NEVER = "1 = 0"
ALWAYS = "1 = 1"


class Params:
    """The parameters of a statement, each value once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._numbers: dict[tuple[Kind, object], int] = {}

    def add(self, value: object, kind: Kind) -> str:
        """The placeholder of a value. Raises InvalidRequest for a text that is no Unicode."""
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest("a text of the query holds a lone surrogate") from error
        number = self._numbers.setdefault((kind, value), len(self._numbers) + 1)
        return self.engine.placeholder(number, kind)

    @property
    def values(self) -> tuple[object, ...]:
        """As the driver takes them, in the placeholders' order."""
        return tuple(
            self.engine.encode[kind](value) if kind in self.engine.encode else value for kind, value in self._numbers
        )


class Fields:
    """SQL of an event's fields for one statement."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.engine = params.engine

    def property(self, fragment: str, key: str) -> str:
        """One of the engine's `property_…` fragments for a key."""
        return fragment.format(self.params.add(key, "property"))

    def text(self, name: str) -> str:
        """A field as text, NULL when it is not set."""
        if name.startswith(PROPERTY_PREFIX):
            return self.property(self.engine.property_text, name.removeprefix(PROPERTY_PREFIX))
        return self.engine.uuid_text.format("event_id") if name == "event_id" else name

    def string(self, name: str) -> str:
        """A field where it is a text itself: a property's number has a text, but is none."""
        if name.startswith(PROPERTY_PREFIX):
            return self.property(self.engine.property_string, name.removeprefix(PROPERTY_PREFIX))
        return self.text(name)

    def comparable(self, name: str, value: Scalar) -> tuple[str, str] | None:
        """A field and a value in the type in which they compare; None when no value of the field can be equal."""
        if isinstance(value, str) and name == "event_id":
            try:
                return "event_id", self.params.add(str(UUID(value)), "uuid")
            except ValueError:
                return None
        if isinstance(value, str):
            return self.string(name), self.params.add(value, "text")
        if not name.startswith(PROPERTY_PREFIX):
            return None
        key = name.removeprefix(PROPERTY_PREFIX)
        if isinstance(value, bool):
            return self.property(self.engine.property_boolean, key), self.params.add(value, "boolean")
        return self.property(self.engine.property_number, key), self.params.add(float(value), "number")


def scope_conditions(scope: Scope, time: str, params: Params) -> list[str]:
    """The conditions of a scope, to be joined by AND; `time` is the column that `since` and `until` are about."""
    conditions = []
    if scope.site_id is not None:
        conditions.append(f"site_id = {params.add(scope.site_id, 'text')}")
    if scope.since is not None:
        conditions.append(f"{time} >= {_instant(scope.since, params)}")
    if scope.until is not None:
        conditions.append(f"{time} < {_instant(scope.until, params)}")
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
    if condition.op == "set":
        return f"{fields.text(name)} IS NOT NULL"
    if condition.op == "not_set":
        return f"{fields.text(name)} IS NULL"
    if isinstance(value, list):
        return _in(name, value, fields)
    assert value is not None  # the model's validation
    if condition.op == "contains":
        return fields.engine.contains.format(fields.text(name), fields.params.add(value, "text"))
    if condition.op in {">", "<"}:
        return _order(name, condition.op, value, fields)
    pair = fields.comparable(name, value)
    if condition.op == "=":
        return f"{pair[0]} = {pair[1]}" if pair else NEVER
    return f"({pair[0]} <> {pair[1]} OR {pair[0]} IS NULL)" if pair else ALWAYS


def _order(name: str, op: str, value: Scalar, fields: Fields) -> str:
    if isinstance(value, str):
        return f"{fields.string(name)} {op} {fields.params.add(value, 'text')}"
    pair = fields.comparable(name, value)
    return f"{pair[0]} {op} {pair[1]}" if pair else NEVER


def _in(name: str, values: list[Scalar], fields: Fields) -> str:
    """One IN per type of value, since each compares with the field in its own way."""
    groups: dict[str, list[str]] = {}
    for value in values:
        pair = fields.comparable(name, value)
        if pair:
            groups.setdefault(pair[0], []).append(pair[1])
    return _joined(" OR ", [f"{field} IN ({', '.join(marks)})" for field, marks in groups.items()], NEVER)


def _joined(word: str, parts: list[str], empty: str) -> str:
    if len(parts) <= 1:
        return parts[0] if parts else empty
    return f"({word.join(parts)})"


def _instant(value: datetime, params: Params) -> str:
    return params.add(value, "timestamp")
