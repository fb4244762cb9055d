"""What a statement is compiled with (`Sources`), and which of it a query can use (`Needs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from tallystick.analysis.dialect import Dialect
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.analysis.user_numbers import UserNumbers

Groups: TypeAlias = Sequence[tuple[str | None, ...]]
"""Groups of a breakdown: the values of its fields."""


@dataclass(frozen=True)
class Needs:
    """What a store reads first, because a query's statement can use it.

    Attributes:
        property_columns: the query may read properties.
        persons: the answer depends on which person an id resolves to.
        session_index: the session index has all that the query asks for.
        user_numbers: the answer names no user, and telling users apart is most of the work.
        hash_joins: the statement joins many persons with their events, and a planner may expect only a few of them.
    """

    property_columns: bool = False
    persons: bool = False
    session_index: bool = False
    user_numbers: bool = False
    hash_joins: bool = False


@dataclass(frozen=True)
class Sources:
    """What a statement may read besides the events, as of the transaction in which it runs.

    Attributes:
        dialect: the store's SQL.
        now: when the query was received; without an `until`, clock changes are looked up to some years after it.
        rollups: False reads the raw events, whatever the query is.
        property_columns: the property keys that have columns of their own.
        persons: some ids resolve to other persons, and the answer depends on it (`Needs.persons`).
        session_index: the materialized sessions; None reads the events.
        user_numbers: the events with numbers in the place of user ids; only with `Needs.user_numbers`.
        groups: of a query with `top`, the groups to answer for instead of the largest.
    """

    dialect: Dialect
    now: datetime
    rollups: bool = True
    property_columns: Mapping[str, PropertyColumn] = field(default_factory=dict)
    persons: bool = False
    session_index: SessionIndex | None = None
    user_numbers: UserNumbers | None = None
    groups: Groups | None = None
