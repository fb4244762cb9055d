"""Check that each name after a dot is a column, for PostgreSQL. Pure.

PostgreSQL reads `x.f` as `f(x)` when the table `x` has no column `f`, so a column name could call any function of one
argument. This module resolves each `alias.name` and accepts it only if every table that it may refer to certainly has
that column. A column that PostgreSQL names itself (`sum(1) + 1` is `?column?`) needs an alias before a reference with a
dot can name it. `(expression).name` is always refused.

A name may refer to a table of its own SELECT or of any enclosing SELECT. Which one PostgreSQL takes depends on LATERAL
and on the position of the name; here all of them must have the column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from tallystick.errors import InvalidRequest
from tallystick.usersql.functions import FIELDS
from tallystick.usersql.views import VIEWS

NAME_BYTES_MAX = 63
"""PostgreSQL truncates names to this many bytes, so two different longer names may become equal."""


@dataclass(frozen=True)
class _Columns:
    """Columns that certainly exist, under PostgreSQL's names; "" is a column whose name is uncertain."""

    names: tuple[str, ...]
    in_order: bool = True
    """Whether `names` is complete and in the order of the columns."""

    def renamed(self, names: Sequence[str]) -> _Columns:
        """The columns with new names for the first ones."""
        if not names:
            return self
        return _Columns((*names, *(self.names[len(names) :] if self.in_order else ())), self.in_order)


_UNKNOWN = _Columns((), in_order=False)


def name_of(identifier: exp.Expr, store: str) -> str:
    """The name as the store compares it: DuckDB ignores case, PostgreSQL lower-cases unless the name is quoted."""
    name = identifier.name
    return name if store == "postgres" and identifier.args.get("quoted") else lower(name)


def lower(name: str) -> str:
    """Lower-case ASCII letters only, as both stores do."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def check_names(tree: exp.Expr, prefix: str) -> None:
    """Refuse names that PostgreSQL could read as function calls.

    Args:
        prefix: the prefix of the executed names of CTEs.

    Raises:
        InvalidRequest: a name after a dot is not certainly a column, or a name is too long.
    """
    scopes = _Scopes(tree)
    for node in tree.walk():
        if isinstance(node, exp.Identifier):
            _check_length(node, NAME_BYTES_MAX)
        elif isinstance(node, exp.CTE):
            _check_length(node.args["alias"].this, NAME_BYTES_MAX - len(prefix))
        elif isinstance(node, exp.Dot):
            raise InvalidRequest(
                "sql: on PostgreSQL no name may follow (…). because it could be a function: write table.column, or "
                "expand the expression in FROM"
            )
        elif isinstance(node, exp.Column) and node.table and not isinstance(node.this, exp.Star):
            scopes.check(node)


def _check_length(identifier: exp.Expr, most: int) -> None:
    if len(identifier.name.encode()) > most:
        raise InvalidRequest(f"sql: the name {identifier.name[:20]!r}… is longer than {most} bytes")


class _Scopes:
    """The tables of each SELECT of a statement, and the columns that each table certainly has."""

    def __init__(self, tree: exp.Expr) -> None:
        self._ctes: dict[str, list[exp.CTE]] = {}
        for cte in tree.find_all(exp.CTE):
            self._ctes.setdefault(_name(cte.args["alias"].this), []).append(cte)
        self._sources: dict[int, dict[str, list[exp.Expr]]] = {}
        self._columns: dict[int, _Columns] = {}
        self._around: dict[int, exp.Expr | None] = {}

    def check(self, column: exp.Column) -> None:
        """Raises InvalidRequest unless every table that the reference may mean has the column."""
        table, name = _name(column.args["table"]), _name(column.this)
        meant = self._meant(column, table)
        having = [name in self.columns(source).names for source in meant]
        if having and all(having):
            return
        shown = f"{column.table}.{column.name}"[:60]
        if any(having):
            raise InvalidRequest(f"sql: {shown}: several tables are called {table[:30]}: give each its own alias")
        raise InvalidRequest(
            f"sql: {shown} is not known to be a column: after a dot comes a column of a view, or one that a "
            "subquery, common table or function in FROM names with AS"
        )

    def _meant(self, node: exp.Expr, table: str) -> list[exp.Expr]:
        """The tables of this name in the SELECT that contains the node, and in all enclosing ones."""
        found: list[exp.Expr] = []
        select = self._select_around(node)
        while select is not None:
            found += self.sources(select).get(table, ())
            select = self._select_around(select)
        return found

    def _select_around(self, node: exp.Expr) -> exp.Expr | None:
        if id(node) not in self._around:
            self._around[id(node)] = node.find_ancestor(exp.Select)
        return self._around[id(node)]

    def sources(self, select: exp.Expr) -> dict[str, list[exp.Expr]]:
        """The tables in FROM, by name."""
        if id(select) not in self._sources:
            named: dict[str, list[exp.Expr]] = {}
            for source in _tables_of(select):
                named.setdefault(_called(source), []).append(source)
            self._sources[id(select)] = named
        return self._sources[id(select)]

    def columns(self, source: exp.Expr) -> _Columns:
        """The columns that a CTE or a table in FROM certainly has."""
        if id(source) not in self._columns:
            self._columns[id(source)] = _UNKNOWN  # stops a reference to itself
            self._columns[id(source)] = self._own(source).renamed(_renamed(source))
        return self._columns[id(source)]

    def _own(self, source: exp.Expr) -> _Columns:
        """The columns before an alias renames the first ones."""
        inner = source.this if isinstance(source.this, exp.Expr) else source
        if isinstance(source, exp.Table) and isinstance(inner, exp.Identifier):
            return self._of_name(_name(inner))
        if isinstance(source, exp.Subquery) and isinstance(inner, exp.Table):
            return self._all(list(_tables(inner)))
        if isinstance(source, exp.CTE | exp.Subquery) or isinstance(inner, exp.Subquery):
            return self._of_query(inner)
        if isinstance(source, exp.Values):
            first = source.expressions[0] if source.expressions else exp.Tuple()
            return _Columns(tuple(f"column{index + 1}" for index in range(len(first.expressions) or 1)))
        return _of_function(source)

    def _of_name(self, name: str) -> _Columns:
        """The columns of a view, or those that all CTEs of this name share."""
        if ctes := self._ctes.get(name):
            return _common([self.columns(cte) for cte in ctes])
        return _Columns(tuple(column.name for column in VIEWS[name].columns)) if name in VIEWS else _UNKNOWN

    def _of_query(self, query: exp.Expr) -> _Columns:
        """The columns of a query; the first SELECT of a UNION names them."""
        while not isinstance(query, exp.Select):
            if not isinstance(query, exp.Subquery | exp.SetOperation):
                return _UNKNOWN
            query = query.this
        shown = [self._shown(query, column) for column in query.expressions]
        return _Columns(tuple(name for part in shown for name in part.names), all(part.in_order for part in shown))

    def _shown(self, select: exp.Select, shown: exp.Expr) -> _Columns:
        if isinstance(shown, exp.Star):
            return self._all([source for named in self.sources(select).values() for source in named])
        if isinstance(shown, exp.Column) and isinstance(shown.this, exp.Star):
            return _common([self.columns(source) for source in self._meant(shown, _name(shown.args["table"]))])
        return _Columns((_shown_name(shown),))

    def _all(self, tables: Sequence[exp.Expr]) -> _Columns:
        """The columns of `*`. The order is uncertain: USING merges some and moves them to the front."""
        return _Columns(tuple(name for table in tables for name in self.columns(table).names), in_order=False)


def _common(alike: Sequence[_Columns]) -> _Columns:
    if len(alike) == 1:
        return alike[0]
    names = frozenset[str]().union(*(columns.names for columns in alike))
    return _Columns(tuple(name for name in names if all(name in columns.names for columns in alike)), in_order=False)


def _shown_name(shown: exp.Expr) -> str:
    """PostgreSQL's name of a SELECT's column; empty where it is uncertain."""
    if isinstance(shown, exp.Alias):
        return _name(shown.args["alias"])
    while isinstance(shown, exp.Paren) or (isinstance(shown, exp.Cast) and isinstance(shown.this, exp.Column)):
        shown = shown.this
    while isinstance(shown, exp.Window | exp.Filter | exp.WithinGroup):
        shown = shown.this
    if isinstance(shown, exp.Column):
        return _name(shown.this)
    return lower(shown.name) if isinstance(shown, exp.Anonymous) else ""


def _of_function(source: exp.Expr) -> _Columns:
    """The columns of a function in FROM. Those of unnest depend on the list's elements, so they are unknown."""
    call = source.this if isinstance(source, exp.Table | exp.Lateral) else source
    if not isinstance(call, exp.Anonymous):
        return _UNKNOWN
    names = FIELDS.get(lower(call.name)) or (_called(source),)
    return _Columns((*names, "ordinality") if source.args.get("ordinality") else names)


def _renamed(source: exp.Expr) -> list[str]:
    """The names that an alias gives the first columns."""
    alias = source.args.get("alias")
    named = [_name(column) for column in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    extra = source.args.get("offset") if isinstance(source, exp.Unnest) else None
    return [*named, _name(extra)] if named and isinstance(extra, exp.Identifier) else named


def _called(source: exp.Expr) -> str:
    """The name by which a statement refers to a table in FROM."""
    alias = source.args.get("alias")
    if isinstance(alias, exp.TableAlias) and alias.this is not None:
        return _name(alias.this)
    if isinstance(source, exp.Unnest) or (isinstance(source, exp.Lateral) and isinstance(source.this, exp.Unnest)):
        return "unnest"
    inner = source.this
    if isinstance(inner, exp.Anonymous):
        return lower(inner.name)
    return _name(inner) if isinstance(inner, exp.Identifier) else ""


def _name(identifier: exp.Expr) -> str:
    return name_of(identifier, "postgres")


def _tables_of(select: exp.Expr) -> Iterator[exp.Expr]:
    from_ = select.args.get("from_")
    parts: Sequence[exp.Expr] = [*([from_.this] if from_ is not None else ()), *_joined_sources(select)]
    for part in parts:
        yield from _tables(part)


def _joined_sources(node: exp.Expr) -> list[exp.Expr]:
    return [*(join.this for join in node.args.get("joins") or ()), *(node.args.get("laterals") or ())]


def _tables(part: exp.Expr) -> Iterator[exp.Expr]:
    """An item of FROM and all items joined to it; of a join in parentheses each table, and the join if aliased."""
    if isinstance(part, exp.Subquery) and isinstance(part.this, exp.Table | exp.Subquery | exp.Values | exp.Unnest):
        inner = list(_tables(part.this))
        plain = not isinstance(part.this, exp.Subquery) or isinstance(part.this.this, exp.Table)
        if part.alias or not plain:
            yield part
        if plain:
            yield from inner
    else:
        yield part
    for join in _joined_sources(part):
        yield from _tables(join)
