"""The columns of an answer's rows, and what type each has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tallystick.analysis.series import COMPLETE
from tallystick.api.files.csv_text import EVENT_COLUMNS
from tallystick.model import query as model

EMPTY: dict[str, tuple[str, ...]] = {
    "events": EVENT_COLUMNS,
    "keys": ("key", "events"),
    "values": ("value", "events"),
    "paths": ("step", "source", "target", "sessions"),
    "people": ("user_id", "first_seen", "last_seen", "events", "sessions"),
    "person": ("person_id", "first_seen", "last_seen", "events", "ids", "ids_total"),
    "funnel": ("step", "name", "users", "from_first", "from_previous", "median_seconds", "p90_seconds"),
    "funnel_users": ("user_id", "steps", "first_at", "last_at"),
    "retention": ("cohort", "users", "returned", "shares", "complete"),
    "lifecycle": ("bucket", "new", "returning", "resurrecting", "dormant", "complete"),
    "stickiness": ("periods", "users", "at_least", "share"),
    "active_users": ("bucket", "dau", "wau", "mau", "dau_wau", "dau_mau", "complete"),
}
"""The columns of an answer without rows, by the query's kind. Those of metrics and sessions follow from the query."""

INSTANTS = {
    "bucket",
    "cohort",
    "timestamp",
    "received_at",
    "first_seen",
    "last_seen",
    "first_at",
    "last_at",
    "last_received",
}
"""Columns whose texts are instants."""
_COMPARED = "previous"
_INT64 = 2**63
_EXACT_DOUBLES = 2**53
"""Up to here every integer is a double of its own."""
EXACT = "EXACT"
"""The type of a column of integers that doubles cannot hold, but 64 bits can."""
_DECIMAL = "DECIMAL(38, 0)"
_BOTH = {
    frozenset(("BIGINT", "DOUBLE")): "DOUBLE",
    frozenset(("BIGINT", EXACT)): EXACT,
    frozenset(("BIGINT", _DECIMAL)): _DECIMAL,
    frozenset((EXACT, _DECIMAL)): _DECIMAL,
}
"""The type of a column with values of two types; any other two are text."""


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the values of the previous period as columns of their own, such as `previous.users`."""
    compared = row.get(_COMPARED)
    if not isinstance(compared, dict):
        return row
    own = {name: value for name, value in row.items() if name != _COMPARED}
    return own | {f"{_COMPARED}.{name}": value for name, value in compared.items()}


def columns_of(query: model.Query, rows: Sequence[dict[str, Any]]) -> list[str]:
    """The columns of the rows, in order of first appearance; without rows the columns that the query would give."""
    return list(dict.fromkeys(name for row in rows for name in flat(row))) or _columns_of_none(query)


def _columns_of_none(query: model.Query) -> list[str]:
    if query.kind == "funnel" and query.breakdown:
        return [query.breakdown, *EMPTY["funnel"]]
    if isinstance(query, model.MetricsQuery):
        figures = [metric.label for metric in query.metrics] + [formula.label for formula in query.formulas]
    elif isinstance(query, model.SessionsQuery):
        figures = list(query.metrics)
    else:
        return list(EMPTY[query.kind])
    if query.interval is None:
        return [*query.breakdown, *figures]
    return ["bucket", *query.breakdown, *figures, *([] if COMPLETE in figures else [COMPLETE])]


def type_of(name: str, value: Any, before: str) -> str:
    """The DuckDB type of a column that holds this value and others of the type `before` (empty: no others yet).

    No integer loses a digit: one that a column's double or 64 bits cannot hold makes it a decimal or a text column.
    `EXACT` is such an integer of 64 bits; write it as BIGINT.
    """
    found = _type(name, value)
    if before in ("", found):
        return found
    return _BOTH.get(frozenset((before, found)), "VARCHAR")


def _type(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        if abs(value) <= _EXACT_DOUBLES:
            return "BIGINT"
        return EXACT if -_INT64 <= value < _INT64 else _DECIMAL if abs(value) < 10**38 else "VARCHAR"
    if isinstance(value, float):
        return "DOUBLE"
    instant = name.rpartition(f"{_COMPARED}.")[2] in INSTANTS
    return "TIMESTAMPTZ" if instant and isinstance(value, str) and _is_instant(value) else "VARCHAR"


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
