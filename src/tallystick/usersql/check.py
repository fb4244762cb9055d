"""Whether a statement is one SELECT over the documented views, and nothing else. Pure: nothing is run here.

Everything is an allow-list: the kinds of nodes of the syntax tree, the parts that they may have, the tables, the
functions, the types. What is executed is written anew from the tree that was checked, never the text as it was sent,
and every table in it has a name that begins with PREFIX: no table, view or file of the store's is called so, wherever
the name is looked up. The views of these names are put in front of it by `sql_wrap`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError, UnsupportedError

from tallystick.errors import InvalidRequest
from tallystick.usersql.dialect import TooInvolved, read, write
from tallystick.usersql.expansion import check_expansion
from tallystick.usersql.functions import COLLECTING, SCALAR, TABLE
from tallystick.usersql.growth import as_doubles, check_growth
from tallystick.usersql.names import check_names, lower, name_of
from tallystick.usersql.nodes import ALLOWED, PARTS, REASONS, TYPES, WORDS
from tallystick.usersql.views import VIEWS

PREFIX = "tallystick_sql_"
"""What the executed names of views and common tables begin with."""
DEPTH_MAX = 100
"""How deep a statement's syntax tree may be. sqlglot and the stores have limits of their own, with poorer words."""

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class CheckedSql:
    """A statement that may be executed, with the views that it reads."""

    sql: str
    views: frozenset[str]


def check_sql(text: str, store: str) -> CheckedSql:
    """The statement as it may be executed on `duckdb` or `postgres`.

    Raises:
        InvalidRequest: it is no SQL, not one SELECT, or has something that is not allowed; the sentence says what.
    """
    try:
        tree = _tree(text, store)
        views = _check(tree, store)
        check_expansion(tree, store)
        if store == "postgres":
            check_names(tree, PREFIX)
        check_growth(tree, store)
        return CheckedSql(write(_executed(tree, store), store), views)
    except (RecursionError, TooInvolved) as error:
        raise InvalidRequest("sql: the statement is nested too deep") from error
    except UnsupportedError as error:
        raise InvalidRequest(f"sql: {error}") from error


# --- reading --------------------------------------------------------------------------------------------------------


def _tree(text: str, store: str) -> exp.Expr:
    if "\0" in text:
        raise InvalidRequest("sql: the statement holds a NUL character")
    try:
        text.encode()
        statements = [statement for statement in read(text, store) if statement is not None]
    except UnicodeEncodeError as error:
        raise InvalidRequest("sql: the statement holds a lone surrogate") from error
    except (ParseError, TokenError) as error:
        raise InvalidRequest(f"sql: {_plain(error)}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation | exp.Subquery):
        raise InvalidRequest("sql: only one SELECT is allowed (WITH … SELECT and UNION are, too)")
    return statements[0]


def _plain(error: ParseError | TokenError) -> str:
    """What is wrong and where, without sqlglot's colours."""
    found = getattr(error, "errors", None)
    if not found:
        return "the statement cannot be read: " + str(error).splitlines()[0]
    first = found[0]
    near = str(first.get("highlight") or "")
    column = max(1, int(first.get("col") or 1) - len(near) + 1)  # sqlglot names the end of a word
    near = near[:60]
    return f"line {first.get('line')}, column {column}: {first.get('description', '').rstrip('.')}" + (
        f", near {near!r}" if near else ""
    )


# --- checking -------------------------------------------------------------------------------------------------------


def _check(tree: exp.Expr, store: str) -> frozenset[str]:
    """Raises InvalidRequest; returns the views that are read."""
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
        elif isinstance(node, exp.DataType):
            if node.this not in TYPES:
                raise InvalidRequest(f"sql: the type {node.sql()[:40]} is not allowed")
        elif isinstance(node, exp.Var):
            if node.name.upper() not in WORDS:
                raise InvalidRequest(f"sql: {node.name[:40]!r} is not allowed here")
        elif isinstance(node, exp.Literal):
            if not node.is_string and not _NUMBER.fullmatch(node.name):
                raise InvalidRequest(f"sql: {node.name[:40]!r} is no number")
        elif isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
            _key(node)
    return frozenset(views)


def _walk(tree: exp.Expr) -> Iterator[tuple[exp.Expr, int]]:
    """Every node with its depth, parents first; without recursion."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in node.iter_expressions()]


def _unknown(node: exp.Expr) -> str:
    return f"{type(node).key.upper()} is not allowed"


def _check_parts(node: exp.Expr) -> None:
    """Nodes that can carry more than a SELECT may have: only the known parts."""
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
        raise InvalidRequest("sql: a function has no schema or object in front of it")


def _check_table(table: exp.Table, tables: set[str], store: str) -> set[str]:
    """The view that it is, if it is one."""
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
            raise InvalidRequest(f"sql: the function {name} may stand in FROM only")
        raise InvalidRequest(f"sql: the function {name[:60]!r} is not allowed")
    if name in COLLECTING[store] and call.find_ancestor(exp.Window, exp.Select, exp.Filter):
        above = call.parent
        while isinstance(above, exp.Filter | exp.WithinGroup):
            above = above.parent
        if isinstance(above, exp.Window):
            raise InvalidRequest(f"sql: {name} may not stand over a window: it would keep every row's rows")


# --- what is executed -----------------------------------------------------------------------------------------------


def _executed(tree: exp.Expr, store: str) -> exp.Expr:
    """The tree with the names that are executed, and with keys of properties that mean the same on every store."""
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
    for call in tree.find_all(exp.Anonymous):
        call.set("this", lower(call.name))
    as_there = _as_in_duckdb if store == "duckdb" else as_doubles
    for node in reversed(list(tree.walk())):  # the inner ones first: the outer ones take them along
        wanted = as_there(node)
        if wanted is not node:  # replacing looks through all of a node's neighbours
            node.replace(wanted)
    return tree


def _as_in_duckdb(node: exp.Expr) -> exp.Expr:
    """Instants are TIMESTAMP there, in UTC; a comparison of one with `now()`, which has a zone, would skip no rows.

    The right side of `->` is a key, as in PostgreSQL, where DuckDB would read `$browser` or `/a` as a path.
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


def _key(node: exp.Expr) -> str | int:
    """What stands behind `->` or `->>`: a key, or a place counted from 0, from the end when it is negative."""
    key = node.expression
    if isinstance(key, exp.Literal) and key.is_string:
        return key.name
    sign = -1 if isinstance(key, exp.Neg) else 1
    number = key.this if isinstance(key, exp.Neg) else key
    if isinstance(number, exp.Literal) and not number.is_string and number.name.isdecimal():
        return sign * int(number.name[:9])
    raise InvalidRequest("sql: behind -> and ->> stands a key in quotes, or a number")
