"""The parameters of one statement: values of a request never become SQL text."""

from __future__ import annotations

from tallystick.analysis.dialect import Dialect, Kind
from tallystick.errors import InvalidRequest


class Parameters:
    """Collects values and gives each its placeholder; equal values of one kind share a placeholder."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._numbers: dict[tuple[Kind, object], int] = {}

    def add(self, value: object, kind: Kind) -> str:
        """The placeholder of a value, as SQL.

        Raises:
            InvalidRequest: a text with a lone surrogate, which has no UTF-8 form.
        """
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest("a text of the query holds a lone surrogate") from error
        number = self._numbers.setdefault((kind, value), len(self._numbers) + 1)
        return self._dialect.placeholder(number, kind)

    @property
    def values(self) -> tuple[object, ...]:
        """The values in the order of their placeholders, encoded as the driver expects them."""
        encode = self._dialect.encode
        return tuple(encode[kind](value) if kind in encode else value for kind, value in self._numbers)
