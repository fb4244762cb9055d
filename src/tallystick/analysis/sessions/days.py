"""UTC days whose sessions a store built ahead; `parts` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True)
class BuiltDay:
    """A UTC day whose sessions are built.

    Attributes:
        start: when it begins.
        build: which rows of `session_parts` are its.
        sessions: how many these are.
    """

    start: datetime
    build: int
    sessions: int

    @property
    def end(self) -> datetime:
        """When the next day begins."""
        return self.start + DAY


def days_within(days: Sequence[BuiltDay], since: datetime | None, until: datetime | None) -> list[BuiltDay]:
    """The days that lie in a range as a whole."""
    return [day for day in days if (since is None or day.start >= since) and (until is None or day.end <= until)]
