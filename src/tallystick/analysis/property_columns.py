"""Property columns: columns of their own for frequent property keys. To read JSON text takes ten times as long.

A store decides which keys have columns. A statement only needs to know which rows have them filled already; of the
others it reads the JSON. Both ways give the same value (a test answers every query of the oracle both ways).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PropertyColumn:
    """The two columns of one property key.

    Attributes:
        number: the columns are `p<number>` (the value's text, NULL when missing or null) and `k<number>` (its kind).
        generation: rows whose `shredded` is at least this have the columns filled.
    """

    number: int
    generation: int

    @property
    def text(self) -> str:
        """The name of the column with the value's text."""
        return f"p{self.number}"

    @property
    def kind(self) -> str:
        """The name of the column with the value's kind."""
        return f"k{self.number}"


STRING, NUMBER, BOOLEAN, NESTED = 1, 2, 3, 4
"""A value's kind in `k<number>`. NESTED: an array or an object."""
