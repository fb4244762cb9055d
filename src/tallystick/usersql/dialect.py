"""How statements are read and written: the two dialects of sqlglot, without its translating.

sqlglot knows what many functions mean and writes them as the target dialect would, which may be another function. Here
nothing is known: a call is read as its name and arguments and written as them, so that the name that was checked is the
name that is executed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.parser import Parser
from sqlglot.parsers.duckdb import DuckDBParser
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import TokenType

_SPECIAL = ("CAST", "TRY_CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION")
"""Functions whose arguments are not just separated by commas."""
_WORDS = ("CASE", "ANY")
STEPS_MAX = 50_000
"""Steps from word to word, back ones included, in which a statement has to be read."""


def _only(parsers: dict[str, Callable[..., Any]], names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    return {name: parse for name, parse in parsers.items() if name in names}


_ARROWS: dict[TokenType, Callable[..., exp.Expr]] = {
    TokenType.ARROW: lambda self, this, key: self.expression(exp.JSONExtract(this=this, expression=key)),
    TokenType.DARROW: lambda self, this, key: self.expression(exp.JSONExtractScalar(this=this, expression=key)),
}


class TooInvolved(Exception):
    """Reading a statement takes too many steps."""


class _Counted(Parser):
    """sqlglot tries one reading after the other where a type may stand, and within each again: `ARRAY[ARRAY[` doubles.

    There are no lambdas, so that `->` in a function's argument is what it is elsewhere.
    """

    LAMBDAS: ClassVar[dict[TokenType, Callable[..., Any]]] = {}
    steps = 0

    def _advance(self, times: int = 1) -> None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise TooInvolved
        super()._advance(times)


class TallystickDuckDB(DuckDB):
    """DuckDB's SQL as it is written."""

    class Parser(_Counted, DuckDBParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = _only(DuckDBParser.FUNCTION_PARSERS, _SPECIAL)
        NO_PAREN_FUNCTION_PARSERS = _only(DuckDBParser.NO_PAREN_FUNCTION_PARSERS, _WORDS)
        JSON_OPERATORS = _ARROWS

    class Generator(DuckDBGenerator):
        def withingroup_sql(self, expression: exp.WithinGroup) -> str:
            return f"{self.sql(expression, 'this')} WITHIN GROUP ({self.sql(expression, 'expression').strip()})"


class TallystickPostgres(Postgres):
    """PostgreSQL's SQL as it is written."""

    class Parser(_Counted, PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = _only(PostgresParser.FUNCTION_PARSERS, _SPECIAL)
        NO_PAREN_FUNCTION_PARSERS = _only(PostgresParser.NO_PAREN_FUNCTION_PARSERS, _WORDS)
        JSON_OPERATORS = _ARROWS


_DIALECTS: dict[str, Dialect] = {"duckdb": TallystickDuckDB(), "postgres": TallystickPostgres()}


def read(text: str, store: str) -> list[exp.Expr | None]:
    """The statements of a text. Raises sqlglot's ParseError or TokenError, TooInvolved, RecursionError."""
    return list(_DIALECTS[store].parse(text))


def write(tree: exp.Expr, store: str) -> str:
    """A statement's text: every name in quotes, no comments. Raises sqlglot's UnsupportedError, RecursionError."""
    return _DIALECTS[store].generate(
        tree, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
    )
