"""Parses statements and renders them again: sqlglot's DuckDB and PostgreSQL dialects, without translation.

sqlglot knows many functions and renders them as the target dialect does, possibly as other functions. Here no function
is known: a call is parsed as a name with arguments and rendered as such. So the function that was checked is the one
that is executed.
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
"""Functions whose arguments are not simply separated by commas."""
_WORDS = ("CASE", "ANY")
STEPS_MAX = 50_000
"""Most steps of the parser from token to token, backtracking included."""


def _only(parsers: dict[str, Callable[..., Any]], names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    return {name: parse for name, parse in parsers.items() if name in names}


_ARROWS: dict[TokenType, Callable[..., exp.Expr]] = {
    TokenType.ARROW: lambda self, this, key: self.expression(exp.JSONExtract(this=this, expression=key)),
    TokenType.DARROW: lambda self, this, key: self.expression(exp.JSONExtractScalar(this=this, expression=key)),
}


class TooInvolved(Exception):
    """Parsing a statement takes too many steps."""


class _Counted(Parser):
    """Counts steps: where a type is possible, sqlglot tries nested alternatives, so that `ARRAY[ARRAY[` doubles them.

    Lambdas are off, so that `->` in a function's argument means the same as elsewhere.
    """

    LAMBDAS: ClassVar[dict[TokenType, Callable[..., Any]]] = {}
    steps = 0

    def _advance(self, times: int = 1) -> None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise TooInvolved
        super()._advance(times)


class TallystickDuckDB(DuckDB):
    """DuckDB's SQL, without translation."""

    class Parser(_Counted, DuckDBParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = _only(DuckDBParser.FUNCTION_PARSERS, _SPECIAL)
        NO_PAREN_FUNCTION_PARSERS = _only(DuckDBParser.NO_PAREN_FUNCTION_PARSERS, _WORDS)
        JSON_OPERATORS = _ARROWS

    class Generator(DuckDBGenerator):
        def withingroup_sql(self, expression: exp.WithinGroup) -> str:
            return f"{self.sql(expression, 'this')} WITHIN GROUP ({self.sql(expression, 'expression').strip()})"


class TallystickPostgres(Postgres):
    """PostgreSQL's SQL, without translation."""

    class Parser(_Counted, PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = _only(PostgresParser.FUNCTION_PARSERS, _SPECIAL)
        NO_PAREN_FUNCTION_PARSERS = _only(PostgresParser.NO_PAREN_FUNCTION_PARSERS, _WORDS)
        JSON_OPERATORS = _ARROWS


_DIALECTS: dict[str, Dialect] = {"duckdb": TallystickDuckDB(), "postgres": TallystickPostgres()}


def parse(text: str, store: str) -> list[exp.Expr | None]:
    """The syntax trees of all statements. Raises sqlglot's ParseError or TokenError, TooInvolved, RecursionError."""
    return list(_DIALECTS[store].parse(text))


def render(tree: exp.Expr, store: str) -> str:
    """The text of a tree: every name in quotes, no comments. Raises sqlglot's UnsupportedError, RecursionError."""
    return _DIALECTS[store].generate(
        tree, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
    )
