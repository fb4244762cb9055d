"""SELECTs by a grammar, most of which PostgreSQL takes: nested, joined, lateral, with functions' names for aliases.

Nearly every alias of a column is called as something that must not be called, so that it depends on the scope alone
whether a name behind a dot is a column or a call. Now and then a name is taken from anywhere, or a call is put in.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

FORBIDDEN = (
    "bite",
    "sting",
    "BITE",
    '"bite"',
    '"Bite"',
    '"größe"',
    "pg_read_file",
    "pg_sleep",
    "ts_stat",
    "query_to_xml",
    "pg_terminate_backend",
    "set_config",
    "current_setting",
    "pg_ls_dir",
    "lo_get",
    "nextval",
    "pg_advisory_lock",
)
"""What must not be called, as it can be written; the first are functions of the tests' own."""
VIEWS = {
    "events": ["name", "user_id", "path", "source"],
    "users": ["user_id"],
    "sessions": ["session_id", "entry_path"],
}
ALIASES = ("e", "t", "u", "bite", '"Bite"', "events")
Scope = dict[str, list[str]]


class Maker:
    """Makes one statement.

    Args:
        poison: how often a name or call is put where none may stand, for each place.
    """

    def __init__(self, random: Random, poison: float) -> None:
        self._random = random
        self._poison = poison
        self._scopes: list[Scope] = []
        self._ctes: Scope = {}

    def statement(self, depth: int) -> str:
        return self._query(depth)[0]

    # --- queries ----------------------------------------------------------------------------------------------------

    def _query(self, depth: int, width: int | None = None) -> tuple[str, list[str]]:
        """A SELECT and its columns, all of them texts."""
        random = self._random
        before = dict(self._ctes)
        with_ = self._with(depth) if depth and random.random() < 0.2 else ""
        scope: Scope = {}
        self._scopes.append(scope)
        from_ = self._source(depth, scope)
        for _ in range(random.choice([0, 0, 1, 2])):
            join = random.choice([", ", " CROSS JOIN ", " JOIN ", " LEFT JOIN "])
            from_ += join + self._source(depth, scope, siblings=True)
            if join.strip() in ("JOIN", "LEFT JOIN"):
                from_ += f" ON {self._condition(depth)}"
        columns = random.sample(FORBIDDEN[:2] + FORBIDDEN[6:], width or random.randint(1, 3))
        shown = [f"{self._text(depth)} AS {column}" for column in columns]
        sql = f"{with_}SELECT {', '.join(shown)} FROM {from_}"
        if random.random() < 0.3:
            sql += f" WHERE {self._condition(depth)}"
        if random.random() < 0.2:
            sql += f" ORDER BY {self._text(0)}"
        self._scopes.pop()
        self._ctes = before
        if depth and random.random() < 0.1:
            sql = f"({sql}) UNION ALL ({self._query(depth - 1, len(columns))[0]})"
        return sql, columns

    def _with(self, depth: int) -> str:
        name = self._random.choice(["late", "bite", "pg_read_file"])
        sql, columns = self._query(depth - 1)
        self._ctes[name] = columns
        return f"WITH {name} AS ({sql}) "

    def _source(self, depth: int, scope: Scope, *, siblings: bool = False) -> str:
        """Something in FROM. A query sees its siblings when it is LATERAL, and else what is further out."""
        random = self._random
        free = [alias for alias in ALIASES if alias not in scope]
        alias = random.choice(free)
        kind = random.choice(["view", "view", "query", "query", "lateral", "unnest", "series", "values", "json", "cte"])
        if kind in ("query", "lateral") and depth:
            hidden = kind == "query" and random.random() > self._poison
            if hidden:
                self._scopes.pop()
            sql, columns = self._query(depth - 1)
            if hidden:
                self._scopes.append(scope)
            scope[alias] = columns
            return f"{'LATERAL ' if kind == 'lateral' and siblings else ''}({sql}) AS {alias}"
        if kind == "cte" and self._ctes:
            name = random.choice(sorted(self._ctes))
            scope[alias] = self._ctes[name]
            return f"{name} AS {alias}"
        column = random.choice(FORBIDDEN)
        scope[alias] = [column]
        if kind == "unnest":
            named = f"({column})" if random.random() > self._poison else ""
            return f"unnest(ARRAY[{self._text(0) if siblings else repr('x')}]) AS {alias}{named}"
        if kind == "values":
            return f"(VALUES ('x', 1), ('y', 2)) AS {alias}({column})"
        if kind == "series":
            scope[alias] = []
            return f"generate_series(1, 2) AS {alias}"
        if kind == "json":
            scope[alias] = ["key"]
            return f"json_each_text('{{\"a\": 1}}') AS {alias}"
        view = random.choice(sorted(VIEWS))
        scope[alias] = VIEWS[view]
        return f"{view} AS {alias}"

    # --- expressions ------------------------------------------------------------------------------------------------

    def _text(self, depth: int) -> str:
        random = self._random
        if random.random() < self._poison:
            return self._poisoned()
        if depth == 0 or random.random() < 0.5:
            return self._column()

        def inner() -> str:
            return self._text(depth - 1)

        made: list[Callable[[], str]] = [
            lambda: f"({inner()})",
            lambda: f"concat({inner()}, {inner()})",
            lambda: f"coalesce({inner()}, 'x')",
            lambda: f"CAST({inner()} AS TEXT)",
            lambda: f"lower({inner()})",
            lambda: f"{inner()} || {inner()}",
            lambda: f"CASE WHEN {self._condition(depth - 1)} THEN {inner()} ELSE {inner()} END",
            lambda: f"max({inner()}) OVER (PARTITION BY {inner()})",
            lambda: f"(ARRAY[{inner()}])[1]",
            lambda: f"(SELECT max(q.c) FROM ({self._query(depth - 1, 1)[0]}) AS q(c))",
            lambda: f"first_value({inner()}) OVER (ORDER BY {inner()})",
            lambda: f"CAST(to_json({inner()}) AS TEXT)",
        ]
        return random.choice(made)()

    def _condition(self, depth: int) -> str:
        random = self._random
        if depth and random.random() < 0.3:
            return f"EXISTS ({self._query(depth - 1)[0]})"
        tests = ["{} IS NOT NULL", "{} <> 'z'", "{} = ANY (ARRAY['x', 'own'])", "{} IN ('x', 'own', 'me')"]
        return random.choice(tests).format(self._text(0))

    def _column(self) -> str:
        """Of a table that can be seen; by its own name, or by one that is declared elsewhere."""
        random = self._random
        seen = [scope for scope in self._scopes if scope]
        if not seen:
            return "'x'"
        scope = seen[-1] if random.random() < 0.7 else random.choice(seen)
        alias = random.choice(sorted(scope))
        if random.random() < self._poison:
            return f"{alias}.{random.choice(FORBIDDEN)}"
        if not scope[alias]:
            return f"CAST({alias} AS TEXT)"
        return f"{alias}.{random.choice(scope[alias])}"

    def _poisoned(self) -> str:
        """A call, or what looks like one."""
        random = self._random
        name, alias, inner = random.choice(FORBIDDEN), random.choice(ALIASES), self._column()
        return random.choice(
            [
                "({inner}).{name}",
                "({inner}::text).{name}",
                "({alias}).{name}",
                "{alias}.{name}",
                "{name}({inner})",
                "(ARRAY[{inner}])[1].{name}",
                "(SELECT {inner} AS {name}).{name}",
                "{alias}.{name}.{name}",
                "({alias}.*).{name}",
                "pg_catalog.{name}({inner})",
                "{inner}::{name}",
                "{name} '{{x}}'",
                "{alias}",
                "{name}",
                "{alias}.*",
                "row_to_json({alias})",
                "({alias}).*",
                "CAST({inner} AS {name})",
                "{inner} OPERATOR(public.{name}) 'x'",
                "json_agg({alias}) OVER ()",
                "{inner} COLLATE {name}",
                "{name}({alias}.*)",
                "{name}(VARIADIC ARRAY[{inner}])",
            ]
        ).format(name=name, alias=alias, inner=inner)
