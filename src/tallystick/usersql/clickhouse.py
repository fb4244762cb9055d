"""What is ClickHouse's own about a statement: what it would read as something else, and standard SQL that it lacks.

Its analyzer replaces the name of an alias or a CTE by the whole expression wherever it stands, and does so before any
limit of time or memory applies. So the size of what would stand there is limited here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlglot import exp

from tallystick.errors import InvalidRequest
from tallystick.usersql.names import lower, name_of

WEIGHTS = {"sessions": 5}
"""How many tables a view counts for."""
_INSTANT = exp.DataType.build("DateTime64(6, 'UTC')", dialect="clickhouse")
_BOOLEAN = exp.DataType.build("Bool", dialect="clickhouse")
_MICROS = 1_000_000
_SOURCES = exp.Table | exp.Subquery | exp.Values | exp.Unnest


# --- checking -------------------------------------------------------------------------------------------------------


def check_clickhouse(tree: exp.Expr) -> None:
    """Refuse what ClickHouse reads as another thing than the other stores do.

    Raises:
        InvalidRequest: a name after IN, which ClickHouse reads as a table's; an alias inside an expression; LATERAL;
            ARRAY JOIN, in which sqlglot takes tables for columns.
    """
    for node in tree.walk():
        if isinstance(node, exp.In):
            listed = list(node.args.get("expressions") or ())
            single = listed[0].unnest() if len(listed) == 1 else None
            if node.args.get("field") is not None or node.args.get("unnest") or isinstance(single, exp.Column):
                raise InvalidRequest("sql: IN takes a list of values, or a SELECT in parentheses")
        elif isinstance(node, exp.Alias) and not (
            isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
        ):
            raise InvalidRequest("sql: AS is allowed for the columns of a SELECT and for tables only")
        elif isinstance(node, exp.Lateral) or (isinstance(node, exp.Join) and isinstance(node.this, exp.Lateral)):
            raise InvalidRequest("sql: there is no LATERAL on ClickHouse")
        elif isinstance(node, exp.Join) and node.kind == "ARRAY":
            raise InvalidRequest("sql: ARRAY JOIN is not allowed: arrayJoin(…) in a subquery gives the same rows")
        elif isinstance(node, exp.From | exp.Join) and not isinstance(node.this, _SOURCES):
            raise InvalidRequest("sql: after FROM and JOIN come views, common tables, functions and subqueries only")


def expanded_tables(tree: exp.Expr) -> int:
    """How many tables ClickHouse reads once each CTE stands wherever it is named; `sessions` counts for those in it,
    and a CTE without tables for one.
    """
    ctes: dict[str, list[exp.CTE]] = {}
    for cte in tree.find_all(exp.CTE):
        ctes.setdefault(name_of(cte.args["alias"].this, "clickhouse"), []).append(cte)
    tables: dict[int, list[str]] = {}
    for table in tree.find_all(exp.Table):
        name = name_of(table.this, "clickhouse") if isinstance(table.this, exp.Identifier) else ""
        tables.setdefault(id(table.find_ancestor(exp.CTE)), []).append(name)
    counts: dict[int, int] = {}

    def count(owner: exp.CTE | None) -> int:
        if id(owner) not in counts:
            counts[id(owner)] = 1  # for a CTE that names itself, which is an error of its own
            total = sum(
                max(count(cte) for cte in ctes[name]) if name in ctes else WEIGHTS.get(name, 1)
                for name in tables.get(id(owner), ())
            )
            counts[id(owner)] = max(1, total)
        return counts[id(owner)]

    return count(None)


def copies(select: exp.Select) -> int:
    """The most copies of one expression that a SELECT's aliases make, in whatever order columns name each other."""
    columns = {column.alias: column.this for column in select.expressions if isinstance(column, exp.Alias)}
    users: dict[str, list[tuple[str, int]]] = {name: [] for name in columns}
    elsewhere = Counter[str]()
    for name, column in columns.items():
        for used, times in _references(column).items():
            if used in users and used != name:  # a column of the table comes first
                users[used].append((name, times))
    for key, part in select.args.items():
        if key not in ("from_", "with_"):
            for each in part if isinstance(part, list) else [part]:
                if isinstance(each, exp.Expr) and not isinstance(each, exp.Alias):
                    elsewhere += _references(each)
    counts: dict[str, int] = {}

    def count(name: str) -> int:
        if name not in counts:
            counts[name] = 1  # for aliases that name each other, which is an error of ClickHouse's
            counts[name] = 1 + elsewhere[name] + sum(times * count(user) for user, times in users[name])
        return counts[name]

    return max(map(count, columns), default=1)


def _references(part: exp.Expr) -> Counter[str]:
    return Counter(column.name for column in part.find_all(exp.Column) if not column.table)


# --- rewriting ------------------------------------------------------------------------------------------------------


def rewritten(node: exp.Expr) -> exp.Expr:
    """A node as ClickHouse has it; any other node unchanged. Inner nodes are rewritten before."""
    if isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
        return _extracted(node)
    if isinstance(node, exp.WithinGroup):
        return _percentile(node)
    if isinstance(node, exp.Anonymous):
        return _call(node)
    if isinstance(node, exp.Extract) and node.name.upper() == "EPOCH":
        return _epoch(node.expression)
    if isinstance(node, exp.Cast) and node.to.this == exp.DType.TIME:  # of an instant, or of its text, too
        clock = exp.Literal.string("[0-9]+:[0-9]+:[0-9]+")
        text = exp.Anonymous(this="toString", expressions=[node.this.copy()])
        return exp.Cast(this=exp.Anonymous(this="extract", expressions=[text, clock]), to=node.to.copy())
    if isinstance(node, exp.CurrentTimestamp):
        return exp.Anonymous(this="now64", expressions=[exp.Literal.number(6)])
    if isinstance(node, exp.SetOperation):
        return _alone(node)
    if isinstance(node, exp.Values) and isinstance(node.parent, exp.From | exp.Join):
        return _rows(node)
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous):
        return _series(node)
    if isinstance(node, exp.CTE) and node.args["alias"].args.get("columns"):
        return _with_columns(node)
    return node


def _call(call: exp.Anonymous) -> exp.Expr:
    name, given = lower(call.name), call.expressions
    if name in ("date_trunc", "datetrunc"):  # a Date for some units, and without a fraction
        return exp.Cast(this=call.copy(), to=_INSTANT.copy())
    if name in ("bool_and", "bool_or"):
        return exp.Anonymous(this="min" if name == "bool_and" else "max", expressions=[part.copy() for part in given])
    if name == "string_agg":
        return exp.Anonymous(this="groupConcat", expressions=[part.copy() for part in given])
    if name == "array_agg":
        return exp.Anonymous(this="groupArray", expressions=[part.copy() for part in given])
    if name == "split_part" and len(given) == 3:
        parts = exp.Anonymous(this="splitByString", expressions=[given[1].copy(), _text(given[0])])
        return exp.Anonymous(this="arrayElement", expressions=[parts, given[2].copy()])
    return call


def _extracted(node: exp.JSONExtract | exp.JSONExtractScalar) -> exp.Expr:
    """`->` and `->>`. An index counts from 0, and an object has none."""
    json, key = node.this, node.expression
    number = key.this if isinstance(key, exp.Neg) else key
    if number.is_string:
        where = [json.copy(), key.copy()]
        raw: exp.Expr = exp.Anonymous(this="JSONExtractRaw", expressions=where)
    else:
        index = int(number.name[:9])
        place = exp.Literal.number(index + 1) if not isinstance(key, exp.Neg) else exp.Neg(this=number.copy())
        parts = exp.Anonymous(this="JSONExtractArrayRaw", expressions=[_text(json)])
        raw = exp.Anonymous(this="arrayElement", expressions=[parts, place])
        where = [raw.copy()]
    if isinstance(node, exp.JSONExtractScalar):
        kind = exp.Literal.string("Nullable(String)")
        return exp.Anonymous(this="JSONExtract", expressions=[*where, kind])
    nothing = exp.Anonymous(this="nullIf", expressions=[raw, exp.Literal.string("")])
    return exp.Cast(this=nothing, to=_json_type())


def _text(text: exp.Expr) -> exp.Expr:
    """A text that is not NULL: a list made of it cannot be."""
    return exp.Anonymous(this="ifNull", expressions=[text.copy(), exp.Literal.string("")])


def _json_type() -> exp.DataType:
    """The type that marks a text as JSON: its values are those of String, and a column keeps the type's name."""
    return exp.DataType.build("SimpleAggregateFunction(any, Nullable(String))", dialect="clickhouse")


def _percentile(node: exp.WithinGroup) -> exp.Expr:
    call, order = node.this, node.expression
    ordered = order.expressions[0] if isinstance(order, exp.Order) and len(order.expressions) == 1 else None
    fraction = call.expressions[0] if isinstance(call, exp.Anonymous) and len(call.expressions) == 1 else None
    if (
        ordered is None
        or not isinstance(fraction, exp.Literal)
        or fraction.is_string
        or lower(call.name) != "percentile_cont"
        or not 0 <= float(fraction.name) <= 1
    ):
        raise InvalidRequest(
            "sql: on ClickHouse WITHIN GROUP is there for percentile_cont(0.5) WITHIN GROUP (ORDER BY …) only; "
            "quantileExact(0.5)(…) is ClickHouse's own"
        )
    share = 1 - float(fraction.name) if ordered.args.get("desc") else float(fraction.name)
    return exp.ParameterizedAgg(
        this="quantileExactInclusive", expressions=[exp.Literal.number(repr(share))], params=[ordered.this.copy()]
    )


def _epoch(instant: exp.Expr) -> exp.Expr:
    """Seconds since 1970, or between two instants."""
    plain = instant.unnest()
    if isinstance(plain, exp.Sub) and not isinstance(plain.expression.unnest(), exp.Interval):
        micros: exp.Expr = exp.Paren(this=exp.Sub(this=_micros(plain.this), expression=_micros(plain.expression)))
    else:
        micros = _micros(plain)
    return exp.Paren(this=exp.Div(this=micros, expression=exp.Literal.number(_MICROS)))


def _micros(instant: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="toUnixTimestamp64Micro", expressions=[exp.Cast(this=instant.copy(), to=_INSTANT.copy())])


def _alone(node: exp.SetOperation) -> exp.Expr:
    """A set operation whose ORDER BY and LIMIT are of the whole, and whose parts stand in parentheses where they are
    set operations themselves: ClickHouse gives both to the last SELECT.
    """
    for side in ("this", "expression"):
        part = node.args[side]
        if isinstance(part, exp.SetOperation):
            node.set(side, exp.Subquery(this=part.copy()))
    after = {key: node.args[key] for key in ("order", "limit", "offset") if node.args.get(key)}
    if not after:
        return node
    bare = node.copy()
    for key in after:
        bare.set(key, None)
    with_ = bare.args.get("with_")
    bare.set("with_", None)
    outer = exp.Select(
        expressions=[exp.Star()],
        from_=exp.From(this=exp.Subquery(this=bare)),
        **{k: v.copy() for k, v in after.items()},
    )
    if with_ is not None:
        outer.set("with_", with_.copy())
    return outer


def _rows(node: exp.Values) -> exp.Expr:
    """`(VALUES …) AS v (a, b)` as SELECTs; without names the columns are column1, column2, …"""
    alias = node.args.get("alias")
    given = [column.name for column in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    selects: list[exp.Expr] = []
    for row in node.expressions:
        cells = row.expressions if isinstance(row, exp.Tuple) else [row]
        names = given + [f"column{number + 1}" for number in range(len(given), len(cells))]
        shown = [
            exp.Alias(this=cell.copy(), alias=exp.to_identifier(name, quoted=True))
            for cell, name in zip(cells, names, strict=False)
        ]
        selects.append(exp.Select(expressions=shown))
    whole = selects[0]
    for select in selects[1:]:
        whole = exp.Union(this=whole, expression=select, distinct=False)
    named = exp.TableAlias(this=alias.this.copy()) if isinstance(alias, exp.TableAlias) and alias.this else None
    return exp.Subquery(this=whole, alias=named)


def _series(table: exp.Table) -> exp.Expr:
    """`generate_series(1, 3) AS s (i)` with its column called `i`."""
    alias = table.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    if not columns:
        return table
    own = "number" if lower(table.this.name) == "numbers" else "generate_series"
    column = exp.Alias(
        this=exp.Column(this=exp.to_identifier(own, quoted=True)), alias=exp.to_identifier(columns[0].name, quoted=True)
    )
    bare = exp.Table(this=table.this.copy())
    select = exp.Select(expressions=[column], from_=exp.From(this=bare))
    named = exp.TableAlias(this=alias.this.copy()) if alias is not None and alias.this is not None else None
    return exp.Subquery(this=select, alias=named)


def _with_columns(cte: exp.CTE) -> exp.Expr:
    """`name (a, b) AS (SELECT …)` with the columns named in its first SELECT."""
    first: exp.Expr = cte.this
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    columns = cte.args["alias"].args["columns"]
    if not isinstance(first, exp.Select) or any(_is_star(column) for column in first.expressions):
        raise InvalidRequest("sql: on ClickHouse a common table names its columns itself where its SELECT has *")
    if len(columns) > len(first.expressions):
        raise InvalidRequest("sql: a common table has fewer columns than names")
    for name, column in zip(columns, list(first.expressions), strict=False):
        inner = column.this if isinstance(column, exp.Alias) else column
        column.replace(exp.Alias(this=inner.copy(), alias=exp.to_identifier(name.name, quoted=True)))
    cte.args["alias"].set("columns", None)
    return cte


def _is_star(column: exp.Expr) -> bool:
    return isinstance(column, exp.Star) or (isinstance(column, exp.Column) and isinstance(column.this, exp.Star))


def named(tree: exp.Expr, shown: Sequence[str]) -> tuple[exp.Expr, tuple[str, ...] | None]:
    """Give each column of the outermost SELECT a name of its own, and truth values their type.

    Args:
        shown: the columns as they were written, for those without a name.

    Returns:
        The statement, and the names as a reader expects them; None: the engine's, since a `*` stands for columns.
    """
    select: exp.Expr = tree
    while isinstance(select, exp.Subquery):
        select = select.this
    if not isinstance(select, exp.Select) or len(shown) != len(select.expressions):
        return tree, None
    if any(map(_is_star, select.expressions)):
        return tree, None
    names: list[str] = []
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    columns: list[exp.Expr] = []
    for column, text in zip(select.expressions, shown, strict=True):
        plain = isinstance(column, exp.Alias | exp.Column)
        name = column.alias_or_name if plain else text
        names.append(name)
        unique = name
        while unique in taken:  # a number, and not one sign more each time: thousands of columns may share a name
            numbers[name] += 1
            unique = f"{name}_{numbers[name]}"
        taken.add(unique)
        inner = column.this if isinstance(column, exp.Alias) else column
        columns.append(exp.Alias(this=_as_boolean(inner), alias=exp.to_identifier(unique, quoted=True)))
    select.set("expressions", columns)
    return tree, tuple(names)


def _as_boolean(column: exp.Expr) -> exp.Expr:
    """ClickHouse's truth values are numbers."""
    truth = isinstance(column.unnest(), exp.Predicate | exp.Connector | exp.Not)
    return exp.Cast(this=column, to=_BOOLEAN.copy()) if truth else column
