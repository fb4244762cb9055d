"""Check that a statement is one SELECT over the documented views. Runs no SQL.

Allow-lists limit everything: node types of the syntax tree, their parts, tables, functions and types. The executed text
is rendered from the checked tree; the text that the user sent is never executed. Each table name in it begins with
PREFIX, which no table, view or file of the store has. `wrap` adds CTEs of these names before the statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError, UnsupportedError

from tallystick.errors import InvalidRequest
from tallystick.usersql import clickhouse
from tallystick.usersql.expansion import check_expansion
from tallystick.usersql.functions import COLLECTING, PARAMETRIC, SCALAR, SPELLED, TABLE
from tallystick.usersql.growth import as_doubles, check_growth
from tallystick.usersql.names import check_names, lower, name_of
from tallystick.usersql.nodes import ALLOWED, PARTS, REASONS, TYPES, WORDS
from tallystick.usersql.parser import TooInvolved, parse, render, shown
from tallystick.usersql.views import VIEWS

PREFIX = "tallystick_sql_"
"""Prefix of the executed names of views and CTEs."""
DEPTH_MAX = 100
"""Most levels of a syntax tree. sqlglot and the stores have their own limits, with less helpful messages."""

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class CheckedSql:
    """A statement that may be executed.

    Attributes:
        views: the views that it reads.
        names: the names of its columns as they are shown; None: as the store says.
    """

    sql: str
    views: frozenset[str]
    names: tuple[str, ...] | None = None


def check_sql(text: str, store: str) -> CheckedSql:
    """Check a statement and rewrite it for `duckdb`, `postgres` or `clickhouse`.

    Raises:
        InvalidRequest: it is not SQL, not one SELECT, or uses syntax that is not allowed; the message names it.
    """
    try:
        tree = _tree(text, store)
        views = _check(tree, store)
        check_expansion(tree, store)
        if store == "postgres":
            check_names(tree, PREFIX)
        if store == "clickhouse":
            clickhouse.check_clickhouse(tree)
        check_growth(tree, store)
        executable, names = _executable(tree, store), None
        if store == "clickhouse":
            executable, names = clickhouse.named(executable, _shown(tree))
        return CheckedSql(render(executable, store), views, names)
    except (RecursionError, TooInvolved) as error:
        raise InvalidRequest("sql: the statement is nested too deep") from error
    except UnsupportedError as error:
        raise InvalidRequest(f"sql: {error}") from error


# --- parsing --------------------------------------------------------------------------------------------------------


def _tree(text: str, store: str) -> exp.Expr:
    if "\0" in text:
        raise InvalidRequest("sql: the statement holds a NUL character")
    try:
        text.encode()
        statements = [statement for statement in parse(text, store) if statement is not None]
    except UnicodeEncodeError as error:
        raise InvalidRequest("sql: the statement holds a lone surrogate") from error
    except (ParseError, TokenError) as error:
        raise InvalidRequest(f"sql: {_plain(error)}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation | exp.Subquery):
        raise InvalidRequest("sql: only one SELECT is allowed (WITH … SELECT and UNION are, too)")
    return statements[0]


def _plain(error: ParseError | TokenError) -> str:
    """The parser's message and its position, without sqlglot's terminal colours."""
    found = getattr(error, "errors", None)
    if not found:
        return "the statement cannot be read: " + str(error).splitlines()[0]
    first = found[0]
    near = str(first.get("highlight") or "")
    column = max(1, int(first.get("col") or 1) - len(near) + 1)  # sqlglot reports the end of a word
    near = near[:60]
    return f"line {first.get('line')}, column {column}: {first.get('description', '').rstrip('.')}" + (
        f", near {near!r}" if near else ""
    )


# --- checking -------------------------------------------------------------------------------------------------------


def _check(tree: exp.Expr, store: str) -> frozenset[str]:
    """Check every node and return the views that the statement reads. Raises InvalidRequest."""
    tables = {name_of(cte.args["alias"].this, store) for cte in tree.find_all(exp.CTE)}
    if taken := tables & VIEWS.keys():
        raise InvalidRequest(f"sql: {min(taken)} is a view's name: call the common table something else")
    views = set()
    for node, depth in _walk(tree):
        if depth > DEPTH_MAX:
            raise InvalidRequest("sql: the statement is nested too deep")
        if type(node) not in ALLOWED:
            raise InvalidRequest(f"sql: {REASONS.get(type(node), _unknown(node))}")
        _check_parts(node)
        if isinstance(node, exp.Table):
            views |= _check_table(node, tables, store)
        elif isinstance(node, exp.Anonymous):
            _check_function(node, store)
        elif isinstance(node, exp.ParameterizedAgg):
            _check_parametric(node)
        elif isinstance(node, exp.DataType):
            if node.this not in TYPES:
                raise InvalidRequest(f"sql: the type {node.sql()[:40]} is not allowed")
        elif isinstance(node, exp.Var):
            if node.name.upper() not in WORDS:
                raise InvalidRequest(f"sql: {node.name[:40]!r} is not allowed here")
        elif isinstance(node, exp.Literal):
            if not node.is_string and not _NUMBER.fullmatch(node.name):
                raise InvalidRequest(f"sql: {node.name[:40]!r} is not a number")
        elif isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
            _key(node)
    return frozenset(views)


def _walk(tree: exp.Expr) -> Iterator[tuple[exp.Expr, int]]:
    """Every node with its depth, parents first. Not recursive, so that any depth works."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in node.iter_expressions()]


def _unknown(node: exp.Expr) -> str:
    return f"{type(node).key.upper()} is not allowed"


def _check_parts(node: exp.Expr) -> None:
    """Refuse parts of a node that PARTS does not list."""
    allowed = PARTS.get(type(node))
    if allowed is None:
        return
    surplus = [name for name, value in node.args.items() if value and name not in allowed]
    if surplus:
        what = surplus[0].strip("_").upper()
        raise InvalidRequest(f"sql: {what} is not allowed with {type(node).key.upper()}")
    if isinstance(node, exp.Select) and not node.expressions:
        raise InvalidRequest("sql: SELECT needs at least one column")
    if isinstance(node, exp.Dot) and not isinstance(node.expression, exp.Identifier):
        raise InvalidRequest("sql: a function takes no schema or object before its name")


def _check_table(table: exp.Table, tables: set[str], store: str) -> set[str]:
    """The view that a table in FROM names; empty for a CTE or function. Raises InvalidRequest for an unknown name."""
    if isinstance(table.this, exp.Anonymous):
        return set()
    if not isinstance(table.this, exp.Identifier):
        raise InvalidRequest(f"sql: {_unknown(table.this) if table.this else 'a table needs a name'}")
    name = name_of(table.this, store)
    if name in tables:
        return set()
    if name not in VIEWS:
        raise InvalidRequest(f"sql: there is no view {table.name[:60]!r}; there are {', '.join(VIEWS)}")
    return {name}


def _check_function(call: exp.Anonymous, store: str) -> None:
    name = lower(call.name)
    in_from = isinstance(call.parent, exp.Table | exp.Lateral)
    known = TABLE[store] if in_from else SCALAR[store]
    if name not in known:
        if name in TABLE[store]:
            raise InvalidRequest(f"sql: the function {name} is allowed in FROM only")
        raise InvalidRequest(f"sql: the function {name[:60]!r} is not allowed")
    if name in COLLECTING[store] and call.find_ancestor(exp.Window, exp.Select, exp.Filter):
        above = call.parent
        while isinstance(above, exp.Filter | exp.WithinGroup):
            above = above.parent
        if isinstance(above, exp.Window):
            raise InvalidRequest(
                f"sql: {name} is not allowed over a window: every row would hold all rows of its window"
            )


def _check_parametric(call: exp.ParameterizedAgg) -> None:
    name = lower(call.name)
    if name not in PARAMETRIC:
        raise InvalidRequest(f"sql: the function {name[:60]!r} is not allowed")
    if any(not isinstance(number, exp.Literal) or number.is_string for number in call.expressions):
        raise InvalidRequest(f"sql: what {name} takes in its first parentheses has to be numbers")


# --- rewriting ------------------------------------------------------------------------------------------------------


def _shown(tree: exp.Expr) -> list[str]:
    """The columns of the outermost SELECT as they were written, shortened."""
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return []
    return [" ".join(shown(column).split())[:60] for column in tree.expressions]


def _executable(tree: exp.Expr, store: str) -> exp.Expr:
    """A copy of the tree with executed names, and with property keys that have the same meaning on every store."""
    tree = tree.copy()
    if store == "postgres":
        for identifier in tree.find_all(exp.Identifier):
            if not identifier.args.get("quoted"):
                identifier.set("this", lower(identifier.name))
    for table in list(tree.find_all(exp.Table)):
        if isinstance(table.this, exp.Identifier):
            shown = exp.to_identifier(table.name, quoted=True)
            if table.args.get("alias") is None:
                table.set("alias", exp.TableAlias(this=shown))
            elif table.args["alias"].this is None:
                table.args["alias"].set("this", shown)
            table.set("this", exp.to_identifier(PREFIX + name_of(table.this, store), quoted=True))
    for cte in tree.find_all(exp.CTE):
        name = cte.args["alias"]
        name.set("this", exp.to_identifier(PREFIX + name_of(name.this, store), quoted=True))
    for call in tree.find_all(exp.Anonymous, exp.ParameterizedAgg):
        name = lower(call.name)
        call.set("this", SPELLED.get(name, name) if store == "clickhouse" else name)
    rewrite = _REWRITES[store]
    for node in reversed(list(tree.walk())):  # inner nodes first, because outer ones contain them
        rewritten = rewrite(node)
        if rewritten is not node:  # `replace` is slow: it searches the parent's children
            node.replace(rewritten)
            tree = rewritten if node is tree else tree
    return tree


def _for_duckdb(node: exp.Expr) -> exp.Expr:
    """Rewrite `now()` and `->` for DuckDB; any other node is returned as it is.

    Timestamps are TIMESTAMP in UTC. `now()` has a time zone, and DuckDB could not skip row groups when it compares the
    two types, so `now()` is cast. The right side of `->` is a key, as in PostgreSQL; DuckDB would read `$browser` or
    `/a` as a path.
    """
    if isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
        name = "json_extract_string" if isinstance(node, exp.JSONExtractScalar) else "json_extract"
        key = _key(node)
        if isinstance(key, str):
            pointer = "/" + key.replace("~", "~0").replace("/", "~1")
            return exp.Anonymous(this=name, expressions=[node.this, exp.Literal.string(pointer)])
        return exp.Anonymous(this=name, expressions=[node.this, exp.Literal.number(key)])
    if isinstance(node, exp.CurrentTimestamp) or (isinstance(node, exp.Anonymous) and node.name == "now"):
        if not isinstance(node.parent, exp.Cast):
            return exp.cast(exp.Anonymous(this="now"), exp.DType.TIMESTAMP)
        return exp.Anonymous(this="now")
    return node


_REWRITES = {"duckdb": _for_duckdb, "postgres": as_doubles, "clickhouse": clickhouse.rewritten}


def _key(node: exp.Expr) -> str | int:
    """The right side of `->` or `->>`: a key, or an index that counts from 0, or from the end if negative."""
    key = node.expression
    if isinstance(key, exp.Literal) and key.is_string:
        return key.name
    sign = -1 if isinstance(key, exp.Neg) else 1
    number = key.this if isinstance(key, exp.Neg) else key
    if isinstance(number, exp.Literal) and not number.is_string and number.name.isdecimal():
        return sign * int(number.name[:9])
    raise InvalidRequest("sql: -> and ->> need a key in quotes or a number on the right")
