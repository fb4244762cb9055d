"""Conditions of `session.<field>` over rows that are visits: `session_id`'s entry page, channel, and so on as texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import ALWAYS, NEVER
from tallystick.model.queries.scope import SESSION_PREFIX, AllOf, Condition, Filter

OPPOSITES: dict[str, Literal["=", "set"]] = {"!=": "=", "not_set": "set"}
"""The operator that a negative one is the exact opposite of."""


def visit_filter_sql(root: Filter, texts: Mapping[str, str], source: EventSource) -> str:
    """A filter of visits alone, as one condition; it may be NULL, which counts as false.

    Args:
        texts: each of `visit_fields` as SQL.
    """
    if isinstance(root, Condition):
        text = texts[root.field.removeprefix(SESSION_PREFIX)]
        if root.op not in OPPOSITES:
            return text_test(text, root, source)
        opposite = text_test(text, root.model_copy(update={"op": OPPOSITES[root.op]}), source)
        return f"NOT coalesce({opposite}, FALSE)"
    parts = root.all if isinstance(root, AllOf) else root.any
    operator, empty = (" AND ", ALWAYS) if isinstance(root, AllOf) else (" OR ", NEVER)
    tests = [visit_filter_sql(part, texts, source) for part in parts]
    return f"({operator.join(tests)})" if tests else empty


def text_test(text: str, condition: Condition, source: EventSource) -> str:
    """A condition of a text; NULL counts as false. The negative operators are tested by their opposites."""
    if condition.op == "set":
        return f"{text} IS NOT NULL"
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    given = [source.parameters.add(value, "text") for value in values]
    if condition.op == "contains":
        return source.dialect.contains.format(text, given[0])
    if condition.op in {">", "<", "="}:
        return f"{text} {condition.op} {given[0]}"
    return f"{text} IN ({', '.join(given)})"
