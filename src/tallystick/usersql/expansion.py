"""Limit how much larger a statement becomes while a store plans it. Pure.

No store can be interrupted while it resolves names, and no memory limit applies there. Three constructs can double
the work with each step, so a short statement could run for hours: columns that use aliases of the same SELECT (DuckDB
and ClickHouse inline the alias's expression), CTEs whose SELECT is inlined (those that are NOT MATERIALIZED, and all on
ClickHouse), and `*` or whole rows of several tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlglot import exp

from tallystick.errors import InvalidRequest
from tallystick.usersql.clickhouse import copies, expanded_tables

ALIASES_MAX = 64
"""Most copies of an expression that references to its alias may create."""
TABLES_MAX = 50
"""Most views, CTEs and functions in all FROM clauses together: the store plans each with its partitions."""
STARS_MAX = 256
"""Largest factor by which `*` and whole rows may multiply a view's columns, over all SELECTs."""


def check_expansion(tree: exp.Expr, store: str) -> None:
    """Raises InvalidRequest when a store would have too much to plan."""
    if any(cte.args.get("materialized") is False for cte in tree.find_all(exp.CTE)):
        raise InvalidRequest("sql: NOT MATERIALIZED is not allowed")
    if sum(1 for _ in tree.find_all(exp.Table)) > TABLES_MAX:
        raise InvalidRequest(f"sql: more than {TABLES_MAX} tables in FROM")
    stars, counts = 1, dict[int, int]()
    for select in tree.find_all(exp.Select):
        stars *= max(1, _stars(select) + whole_rows(select))
        if stars > STARS_MAX:
            raise InvalidRequest("sql: too many columns: name them instead of * or whole rows of joined tables")
        if store != "postgres" and _nested(select, counts, store) > ALIASES_MAX:
            raise InvalidRequest(
                "sql: columns that use aliases of the same SELECT grow too large: compute the first ones in a "
                "subquery or WITH"
            )
    if store == "clickhouse" and expanded_tables(tree) > TABLES_MAX:
        raise InvalidRequest(
            f"sql: more than {TABLES_MAX} tables in FROM: ClickHouse computes a common table wherever it is named, and "
            "sessions counts for five"
        )


def written_out(select: exp.Select, store: str) -> int:
    """The most copies that a store makes of one expression of a SELECT, because other columns refer to its alias."""
    if store == "clickhouse":
        return copies(select)
    columns = select.expressions
    names = [column.alias.lower() if isinstance(column, exp.Alias) else "" for column in columns]
    later = Counter[str]()  # references to each name from the inlined columns after this one
    for key, part in select.args.items():
        if isinstance(part, exp.Expr) and key not in ("from_", "with_"):
            later += _named(part)
    most = 1
    for name, column in zip(reversed(names), reversed(columns), strict=True):
        count = 1 + (later[name] if name else 0)
        most = max(most, count)
        if most > ALIASES_MAX:
            break
        for named, times in _named(column).items():
            later[named] += times * count
    return most


def whole_rows(select: exp.Select) -> int:
    """The number of columns that are the whole row of a table: `SELECT e FROM events AS e`."""
    names = {table.lower() for table in _sources(select)}
    return sum(
        isinstance(column.this, exp.Identifier) and not column.table and column.name.lower() in names
        for column in select.find_all(exp.Column)
    )


def _nested(select: exp.Select, counts: dict[int, int], store: str) -> int:
    """The most copies of an expression of this SELECT, multiplied by those of the enclosing SELECTs."""
    count, above = 1, select
    while count <= ALIASES_MAX:
        if id(above) not in counts:
            counts[id(above)] = written_out(above, store)
        count *= counts[id(above)]
        found = above.find_ancestor(exp.Select)
        if found is None:
            break
        above = found
    return count


def _named(part: exp.Expr) -> Counter[str]:
    return Counter(column.name.lower() for column in part.find_all(exp.Column) if not column.table)


def _sources(select: exp.Select) -> Sequence[str]:
    """The names of the tables in FROM."""
    from_ = select.args.get("from_")
    parts = [from_, *(select.args.get("joins") or ()), *(select.args.get("laterals") or ())]
    return [source.alias_or_name for part in parts if part is not None for source in _tables(part)]


def _tables(part: exp.Expr) -> list[exp.Expr]:
    source = part if isinstance(part, exp.Lateral) else part.this
    found = [source] if isinstance(source, exp.Expr) else []
    return found + [deeper for join in (source.args.get("joins") or () if found else ()) for deeper in _tables(join)]


def _stars(select: exp.Select) -> int:
    """The number of tables whose columns the SELECT's stars stand for."""
    bare = sum(isinstance(column, exp.Star) for column in select.expressions)
    named = sum(isinstance(column, exp.Column) and isinstance(column.this, exp.Star) for column in select.expressions)
    return bare * len(_sources(select)) + named
