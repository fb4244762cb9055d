"""Limit how much larger a statement could make a stored text or number. Pure.

DuckDB's memory limit does not count the texts that an expression creates, and no PostgreSQL setting limits them
(ClickHouse's counts them): ten steps that each concatenate a text ten times turn one character into ten billion. So
this module computes the largest growth factor of each SELECT and limits their product.

A DuckDB number has at most 39 digits. A PostgreSQL decimal has up to 147,455, and eight characters (`1e131000`) are
enough to write one. Powers are therefore computed in doubles, and a cast to a decimal without a precision counts as a
text of that length.
"""

from __future__ import annotations

import math
from collections import Counter

from sqlglot import exp

from tallystick.errors import InvalidRequest
from tallystick.usersql.expansion import whole_rows, written_out
from tallystick.usersql.functions import (
    COLLECTING,
    DOUBLING,
    ESCAPING,
    FORMATTING,
    GROUPS,
    JOINING,
    LISTING,
    PATHS,
    ROUNDING,
    SEPARATING,
    SEPARATORS,
    SUBSTITUTING,
    WIDENING,
)

FACTOR_MAX = 2_000
"""Largest factor by which a text may grow."""
COLLECTED_FACTOR_MAX = 40
"""Largest factor in a statement that collects rows in a text or list, which may already be large."""
MADE_MAX = 500_000
"""Most characters that the statement's longest text may grow to: DuckDB computes 2,048 rows before it can stop."""
REPLACEMENT_MAX = 100
"""Most characters of a replacement or separator."""
NUMBER_MAX = 400
"""Most digits of a number literal, and its largest exponent (308 for a double)."""
PLAIN_DIGITS = 20
"""Digits assumed for a decimal without a cast or literal, such as a sum of integers."""
DECIMAL_MAX = 147_455
"""Digits of PostgreSQL's largest decimal, before and after the point."""
ROUNDED_MAX = 2_000
"""Most digits to which PostgreSQL pads a rounded decimal."""
COLLECTED_DIGITS_MAX = 100_000
"""Most digits of a decimal in a statement that collects rows."""
PATTERN_FACTOR = 15
"""Largest factor of the length of a formatted timestamp to that of its pattern."""
CHARACTERS_MAX = 255
"""Most characters to which CHAR(n) may pad a text."""

_JOINS = exp.DPipe | exp.Concat
_LISTS = exp.Array | exp.Tuple | exp.Struct
_FILLED = frozenset({exp.DType.CHAR, exp.DType.BPCHAR, exp.DType.NCHAR})


def check_growth(tree: exp.Expr, store: str) -> None:
    """Raises InvalidRequest when the statement could create texts or numbers that are too large."""
    product = 1
    for select in tree.find_all(exp.Select):
        product *= _factor(select, store)
    collects = any(call.name.lower() in COLLECTING[store] for call in tree.find_all(exp.Anonymous))
    longest = max((len(text.name) for text in tree.find_all(exp.Literal) if text.is_string), default=0)
    if product > (COLLECTED_FACTOR_MAX if collects else FACTOR_MAX) or product * longest > MADE_MAX:
        raise InvalidRequest(
            "sql: this could make texts that are too large: use fewer steps and fewer parts (||, concat, replace, "
            "lists, JSON)"
        )
    if store == "postgres":
        digits = min(DECIMAL_MAX, _digits(tree) * _multiplied(tree))
        if product * digits > MADE_MAX or (collects and digits > COLLECTED_DIGITS_MAX):
            raise InvalidRequest(
                "sql: this could make numbers of a hundred thousand digits: give decimals a precision, such as "
                "DECIMAL(18, 2)"
            )


def as_doubles(node: exp.Expr) -> exp.Expr:
    """For PostgreSQL: a power with its arguments cast to doubles; any other node unchanged."""
    if isinstance(node, exp.Pow):
        return exp.Pow(this=_double(node.this), expression=_double(node.expression))
    if isinstance(node, exp.Anonymous) and node.name.lower() in DOUBLING:
        return exp.Anonymous(this=node.name, expressions=[_double(argument) for argument in node.expressions])
    return node


def _double(argument: exp.Expr) -> exp.Expr:
    return exp.Cast(this=exp.Paren(this=argument), to=exp.DataType(this=exp.DType.DOUBLE))


def _digits(tree: exp.Expr) -> int:
    """Most digits of a decimal before any multiplication. Raises InvalidRequest for a long literal."""
    most = PLAIN_DIGITS
    for literal in tree.find_all(exp.Literal):
        if not literal.is_string:
            mantissa, _, exponent = literal.name.lower().partition("e")
            if len(mantissa) > NUMBER_MAX or len(exponent) > 5 or abs(int(exponent or 0)) > NUMBER_MAX:
                raise InvalidRequest(f"sql: a number has at most {NUMBER_MAX} digits")
            most = max(most, len(mantissa) + abs(int(exponent or 0)))
    for kind in tree.find_all(exp.DataType):
        if kind.this == exp.DType.DECIMAL:
            sizes = [part.name for part in kind.expressions]
            known = sizes and all(size.isdecimal() for size in sizes)
            most = max(most, sum(int(size[:6]) for size in sizes) if known else DECIMAL_MAX)
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() in ROUNDING and len(call.expressions) > 1:
            decimals = call.expressions[1]
            known = isinstance(decimals, exp.Literal) and decimals.name.isdecimal()
            most = max(most, int(decimals.name[:6]) if known else ROUNDED_MAX)
    return most


def _multiplied(tree: exp.Expr) -> int:
    """The most decimals that may be multiplied into one result. Short literals add few digits and do not count."""
    counts = Counter[int]()
    for times in tree.find_all(exp.Mul):
        if not any(isinstance(side, exp.Literal) and len(side.name) < PLAIN_DIGITS for side in times.args.values()):
            counts[id(times.find_ancestor(exp.Select))] += 1
    return math.prod(1 + count for count in counts.values())


def _factor(select: exp.Select, store: str) -> int:
    """The largest factor by which this SELECT, without the SELECTs inside it, may make a text longer."""
    added, times, deepest = 1 + whole_rows(select), 1, 0
    waiting: list[tuple[exp.Expr, int]] = [(child, 0) for child in select.iter_expressions()]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, exp.Select):
            continue
        more, by, escapes = _grows(node, store)
        added, times, depth = added + more, times * by, depth + escapes
        deepest = max(deepest, depth)
        waiting += [(child, depth) for child in node.iter_expressions()]
    if store != "postgres":
        times *= written_out(select, store)
    return int(added * times * 2 ** max(0, deepest - 1))


def _grows(node: exp.Expr, store: str) -> tuple[int, int, bool]:
    """Growth by one node: the texts added to its result, the factor of their length, and whether it may be escaped.

    A list, row or JSON as text has its quotes and backslashes escaped, and doubles them again at each nesting level.
    """
    if isinstance(node, _JOINS):
        return max(2, len(node.expressions)) - 1, 1, False
    if isinstance(node, _LISTS) and not isinstance(node.parent, exp.Values | exp.In):
        return max(2, len(node.expressions)) - 1, 1, True
    if isinstance(node, exp.DataType):
        _check_filled(node)
    if not isinstance(node, exp.Anonymous):
        return 0, 1, False
    name = node.name.lower()
    more = max(0, len(node.expressions) - 1) if name in JOINING else 0
    escapes = name in ESCAPING or name in LISTING or (name in COLLECTING[store] and name not in SEPARATING)
    return max(more, int(escapes)), _times(node, name, store), escapes


def _times(call: exp.Anonymous, name: str, store: str) -> int:
    """The factor by which a call makes a text longer. Raises InvalidRequest when no literal argument limits it."""
    if name in SUBSTITUTING:
        return max(1, len(_text(call, 2, f"the third argument of {name}")))
    if name in SEPARATORS:
        between = len(_text(call, SEPARATORS[name], f"the separator of {name}"))
        instead = name == "array_to_string" and len(call.expressions) > 2
        return 1 + between + (len(_text(call, 2, f"the third argument of {name}")) if instead else 0)
    if name in WIDENING:
        second = call.expressions[1] if len(call.expressions) > 1 else None
        encoding = second.name if isinstance(second, exp.Literal) else ""
        return WIDENING[name].get(encoding, WIDENING[name][""])
    if name in FORMATTING and not (len(call.expressions) > 1 and isinstance(call.expressions[1], exp.Literal)):
        return PATTERN_FACTOR
    if name in SEPARATING:
        _check_separator(call, name)
    if name in GROUPS[store] and (store == "postgres" or _has_names(call)):
        return max(1, _text(call, 1, f"the pattern of {name}").count("("))
    if store == "duckdb" and name in PATHS:
        _check_path(call, name)
    return 1


def _text(call: exp.Anonymous, index: int, what: str) -> str:
    """The argument at `index`. Raises InvalidRequest unless it is a short text literal."""
    given = call.expressions[index] if len(call.expressions) > index else None
    if not isinstance(given, exp.Literal) or not given.is_string or len(given.name) > REPLACEMENT_MAX:
        raise InvalidRequest(f"sql: {what} has to be a text in quotes of at most {REPLACEMENT_MAX} characters")
    return str(given.name)


def _check_separator(call: exp.Anonymous, name: str) -> None:
    """Check the separator of an aggregate that joins texts. DISTINCT and ORDER BY may enclose its arguments."""
    arguments: list[exp.Expr] = []
    for argument in call.expressions:
        plain = argument.this if isinstance(argument, exp.Order) else argument
        arguments += plain.expressions if isinstance(plain, exp.Distinct) else [plain]
    if len(arguments) > 1:
        _text(exp.Anonymous(this=name, expressions=arguments), 1, f"the separator of {name}")


def _has_names(call: exp.Anonymous) -> bool:
    """Whether a call of DuckDB's regexp_extract returns several groups: a number as third argument selects one."""
    third = call.expressions[2] if len(call.expressions) > 2 else None
    return third is not None and not (isinstance(third, exp.Literal) and not third.is_string)


def _check_path(call: exp.Anonymous, name: str) -> None:
    """Require one path that matches each value once: a list of paths, or `..`, would multiply the JSON."""
    given = call.expressions[1] if len(call.expressions) > 1 else None
    plain = given.this if isinstance(given, exp.Neg) else given
    if not isinstance(plain, exp.Literal) or ".." in plain.name:
        raise InvalidRequest(f"sql: the second argument of {name} has to be one path in quotes, without '..'")


def _check_filled(kind: exp.DataType) -> None:
    if kind.args.get("values"):
        raise InvalidRequest("sql: a list type takes no size")
    if kind.this in _FILLED:
        for size in kind.expressions:
            if not size.name.isdecimal() or int(size.name[:9]) > CHARACTERS_MAX:
                raise InvalidRequest(f"sql: CHAR(n) takes at most {CHARACTERS_MAX} characters")
