"""How much larger than what is stored a statement could make a text. Pure.

DuckDB's memory limit does not see the texts that an expression makes, and PostgreSQL's settings do not bound them
either: ten steps that each join a text with itself ten times make ten billion of one character. So each SELECT's
largest factor is worked out, and the product over all of them is limited.
"""

from __future__ import annotations

from sqlglot import exp

from runnel.errors import InvalidRequest
from runnel.store.sql_functions import COLLECTING, JOINING, SUBSTITUTING

FACTOR_MAX = 2_000
"""How many times as long as its parts a text may become."""
COLLECTED_FACTOR_MAX = 40
"""The same in a statement that collects rows in a text or list, which may already be large."""
REPLACEMENT_MAX = 100
"""Most characters of a replacement."""

_JOINS = exp.DPipe | exp.Concat
_LISTS = exp.Array | exp.Tuple | exp.Struct


def check_growth(tree: exp.Expr, store: str) -> None:
    """Raises InvalidRequest when the statement could make texts that are too large."""
    factors: dict[int, int] = {}
    collects = False
    for node in tree.walk():
        scope = id(node.find_ancestor(exp.Select))
        if isinstance(node, _JOINS | _LISTS) and not isinstance(node.parent, exp.Values):
            factors[scope] = factors.get(scope, 1) + max(2, len(node.expressions)) - 1
        elif isinstance(node, exp.Anonymous):
            name = node.name.lower()
            collects = collects or name in COLLECTING[store]
            if name in JOINING:
                factors[scope] = factors.get(scope, 1) + max(0, len(node.expressions) - 1)
            elif name in SUBSTITUTING:
                factors[scope] = factors.get(scope, 1) * _replacement(node, name)
    product = 1
    for factor in factors.values():
        product *= factor
    if product > (COLLECTED_FACTOR_MAX if collects else FACTOR_MAX):
        raise InvalidRequest(
            "sql: this could make texts that are too large: join fewer (||, concat, replace, lists) in fewer steps"
        )


def _replacement(call: exp.Anonymous, name: str) -> int:
    """How many times as long a text becomes. Raises InvalidRequest when the statement does not say it."""
    third = call.expressions[2] if len(call.expressions) > 2 else None
    if not isinstance(third, exp.Literal) or not third.is_string or len(third.name) > REPLACEMENT_MAX:
        raise InvalidRequest(
            f"sql: the third argument of {name} has to be a text in quotes of at most {REPLACEMENT_MAX} characters"
        )
    return max(1, len(third.name))
