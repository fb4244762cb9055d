"""Slots: columns of their own for frequent property keys. Reading JSON text takes ten times as long as a column.

Which keys have a slot is the store's business; a question only has to know which rows have the columns filled already.
Both ways give the same value for a property (a test runs every oracle question on both).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PropertyColumn:
    """One key's columns.

    Attributes:
        number: the columns are `p<number>` (the value's text, NULL when missing or null) and `k<number>` (its kind).
        generation: rows whose `shredded` is at least this have them filled.
    """

    number: int
    generation: int

    @property
    def text(self) -> str:
        return f"p{self.number}"

    @property
    def kind(self) -> str:
        return f"k{self.number}"


STRING, NUMBER, BOOLEAN, NESTED = 1, 2, 3, 4
"""A value's kind in `k<slot>`."""
