"""SQL as readable text: templates that keep their indentation, and common table expressions (CTEs) by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import dedent, indent
from typing import NamedTuple

_PART = re.compile(r"\{(\w+)\}")
_INDENT = "    "
FENCE = "OFFSET '0'"
"""Has the columns of a SELECT computed once. Without it PostgreSQL would put their expressions into all later ones.

In quotes: the 0 is then a bigint from the beginning. Of another 0 PostgreSQL learns too late that it is a constant, and
no parallel process runs the SELECT.
"""


def sql(template: str, /, **parts: str) -> str:
    """Fill a triple-quoted template.

    The template loses its common indentation. `{name}` is replaced by the part of that name. A part that stands alone
    on its line brings all of its lines to that line's indentation; an empty one removes the line, so that an optional
    clause (WHERE, GROUP BY, ORDER BY) needs no condition in the template. Of a part beside other text, the lines after
    the first get the indentation of the template's line.

    Raises:
        KeyError: the template names a part that is not given.
        ValueError: a part is given that the template does not name.
    """
    unused = parts.keys() - _PART.findall(template)
    if unused:
        raise ValueError(f"the template has no {', '.join(sorted(unused))}")
    return "\n".join(_filled(dedent(template).strip("\n").rstrip(), parts))


def _filled(template: str, parts: dict[str, str]) -> Iterable[str]:
    for line in template.split("\n"):
        alone = _PART.fullmatch(line.strip())
        if alone is None:
            start = line[: len(line) - len(line.lstrip())]
            yield _PART.sub(lambda part: parts[part[1]], line).replace("\n", f"\n{start}")
        elif text := parts[alone[1]]:
            yield indent(text, line[: line.index("{")])


class Cte(NamedTuple):
    """A common table expression: a name, a SELECT, and whether its rows are kept (None: the engine decides)."""

    name: str
    select: str
    materialized: bool | None = None

    def __str__(self) -> str:
        how = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[self.materialized]
        return f"{self.name} AS {how}(\n{indent(self.select, _INDENT)}\n)"


def cte(name: str, template: str, /, *, materialized: bool | None = None, **parts: str) -> Cte:
    """A CTE from a template; see `sql`."""
    return Cte(name, sql(template, **parts), materialized)


def with_ctes(ctes: Iterable[Cte | str], select: str) -> str:
    """The whole statement: WITH the expressions in their order, and the SELECT that reads them."""
    expressions = ",\n".join(map(str, ctes))
    return f"WITH {expressions}\n{select}" if expressions else select


def columns(names: Iterable[str]) -> str:
    """A SELECT list with a column on each line."""
    return ",\n".join(names)


def clause(keyword: str, conditions: Iterable[str]) -> str:
    """WHERE or HAVING with each condition on a line of its own; empty without conditions."""
    lines = f"\n{_INDENT}AND ".join(condition.replace("\n", f"\n{_INDENT}") for condition in conditions)
    return f"{keyword} {lines}" if lines else ""


def union_all(selects: Iterable[str]) -> str:
    """The rows of several SELECTs."""
    return "\nUNION ALL\n".join(selects)
