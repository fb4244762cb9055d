"""Parses statements and renders them again: sqlglot's dialects of the stores, without translation.

sqlglot knows many functions and renders them as the target dialect does, possibly as other functions. Here no function
is known: a call is parsed as a name with arguments and rendered as such. So the function that was checked is the one
that is executed.

INDEX_OFFSET is 0, so that `a[1]` stays as it is. Otherwise sqlglot counts from 0 in the tree, and finds out the types
of everything before each bracket, which takes seconds for a thousand brackets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel
from sqlglot.generators.clickhouse import ClickHouseGenerator
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.parser import Parser
from sqlglot.parsers.clickhouse import ClickHouseParser
from sqlglot.parsers.duckdb import DuckDBParser
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import TokenType

from tallystick.errors import InvalidRequest
from tallystick.usersql.functions import PARAMETRIC

_SPECIAL = ("CAST", "TRY_CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION")
"""Functions whose arguments are not simply separated by commas."""
_WORDS = ("CASE", "ANY")
TOKENS_MAX = 6_000
"""Most words, numbers and signs of a statement: each costs tens of microseconds, in parsing and in every check."""
STEPS_A_TOKEN = 8
STEPS_LEAST = 1_000
"""Most steps of the parser from token to token, backtracking included. A statement without `ARRAY[ARRAY[` takes one or
two a token."""


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
    _steps_max = 0

    def _advance(self, times: int = 1) -> None:
        if not self.steps:
            if len(self._tokens) > TOKENS_MAX:
                raise InvalidRequest(f"sql: the statement has more than {TOKENS_MAX:,} words, numbers and signs")
            self._steps_max = STEPS_LEAST + STEPS_A_TOKEN * len(self._tokens)
        self.steps += 1
        if self.steps > self._steps_max:
            raise TooInvolved
        super()._advance(times)


class TallystickDuckDB(DuckDB):
    """DuckDB's SQL, without translation."""

    INDEX_OFFSET = 0

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

    INDEX_OFFSET = 0

    class Parser(_Counted, PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = _only(PostgresParser.FUNCTION_PARSERS, _SPECIAL)
        NO_PAREN_FUNCTION_PARSERS = _only(PostgresParser.NO_PAREN_FUNCTION_PARSERS, _WORDS)
        JSON_OPERATORS = _ARROWS


class TallystickClickHouse(ClickHouse):
    """ClickHouse's SQL, without translation, but with `->` and `->>` as in the other stores, and set operations that
    drop duplicates, as the SQL standard has them.
    """

    INDEX_OFFSET = 0
    SET_OP_DISTINCT_BY_DEFAULT: dict[type[exp.Expr], bool | None] = {  # noqa: RUF012 - as sqlglot declares it
        exp.Union: True,
        exp.Except: True,
        exp.Intersect: True,
    }

    class Parser(_Counted, ClickHouseParser):
        SET_OP_MODIFIERS: ClassVar[set[str]] = {"order", "limit", "offset"}  # of the whole, not of its last SELECT
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = _only(ClickHouseParser.FUNCTION_PARSERS, _SPECIAL)
        NO_PAREN_FUNCTION_PARSERS = _only(ClickHouseParser.NO_PAREN_FUNCTION_PARSERS, _WORDS)
        COLUMN_OPERATORS: ClassVar[dict[TokenType, Any]] = {
            token: parse for token, parse in ClickHouseParser.COLUMN_OPERATORS.items() if token not in _ARROWS
        }
        JSON_OPERATORS = _ARROWS

        @classmethod
        def _resolve_clickhouse_agg(cls, name: str) -> None:
            """No aggregate is known: `sumIf` is a name as any other."""

        def _parse_function(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
            call = super()._parse_function(*args, **kwargs)
            if isinstance(call, exp.Anonymous) and call.name.lower() in PARAMETRIC and self._match(TokenType.L_PAREN):
                of = self._parse_csv(self._parse_lambda)
                self._match_r_paren(call)
                return self._parse_window(
                    self.expression(exp.ParameterizedAgg(this=call.name, expressions=call.expressions, params=of))
                )
            return call

    class Generator(ClickHouseGenerator):
        TYPE_MAPPING: ClassVar[dict[Any, str]] = {
            **ClickHouseGenerator.TYPE_MAPPING,
            exp.DType.TIMESTAMP: "DateTime64(6, 'UTC')",
            exp.DType.TIMESTAMPTZ: "DateTime64(6, 'UTC')",
            exp.DType.TIMESTAMPNTZ: "DateTime64(6, 'UTC')",
            exp.DType.TIME: "Time",
        }

        def literal_sql(self, expression: exp.Literal) -> str:
            """ClickHouse reads a backslash as the beginning of an escape."""
            if not expression.is_string:
                return str(expression.this)
            return f"'{_escaped(expression.name)}'"

        def identifier_sql(self, expression: exp.Identifier) -> str:
            return f'"{_escaped(expression.name)}"'


_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", '"': '\\"', "\0": "\\0"})


def _escaped(text: str) -> str:
    """A text as ClickHouse reads it between quotes of either kind."""
    return text.translate(_ESCAPES)


_DIALECTS: dict[str, Dialect] = {
    "duckdb": TallystickDuckDB(),
    "postgres": TallystickPostgres(),
    "clickhouse": TallystickClickHouse(),
}


def parse(text: str, store: str) -> list[exp.Expr | None]:
    """The syntax trees of all statements. Raises sqlglot's ParseError or TokenError, TooInvolved, RecursionError."""
    return list(_DIALECTS[store].parse(text))


def shown(tree: exp.Expr) -> str:
    """The text of a tree for people, in PostgreSQL's SQL."""
    return _DIALECTS["postgres"].generate(
        tree, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.IGNORE
    )


def render(tree: exp.Expr, store: str) -> str:
    """The text of a tree: every name in quotes, no comments. Raises sqlglot's UnsupportedError, RecursionError."""
    return _DIALECTS[store].generate(
        tree, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
    )
