"""How much larger than what is stored a statement could make a text or number. Pure.

DuckDB's memory limit does not see the texts that an expression makes, and PostgreSQL's settings do not bound them
either: ten steps that each join a text with itself ten times make ten billion of one character. So each SELECT's
largest factor is worked out, and the product over all of them is limited.

A number of DuckDB's has at most 39 digits. PostgreSQL's decimals have up to 147,455, of which eight characters
(`1e131000`) are enough: powers are therefore worked out in doubles, and a cast to a decimal without a precision counts
as a text of that length.
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
"""How many times as long as its parts a text may become."""
COLLECTED_FACTOR_MAX = 40
"""The same in a statement that collects rows in a text or list, which may already be large."""
MADE_MAX = 500_000
"""Most characters that may become of the longest text in the statement: DuckDB makes 2,048 rows before it can stop."""
REPLACEMENT_MAX = 100
"""Most characters of a replacement or separator."""
NUMBER_MAX = 400
"""Most digits of a number that stands in the statement, and its largest exponent: a double's is 308."""
PLAIN_DIGITS = 20
"""Digits of a decimal that no cast or literal made: a sum of whole numbers."""
DECIMAL_MAX = 147_455
"""Digits of the largest decimal of PostgreSQL's, before and behind the point."""
ROUNDED_MAX = 2_000
"""Digits to which PostgreSQL fills a decimal up at most."""
COLLECTED_DIGITS_MAX = 100_000
"""Most digits of a decimal in a statement that collects rows."""
PATTERN_FACTOR = 15
"""How many times as long as its pattern a formatted instant may be."""
CHARACTERS_MAX = 255
"""Most characters to which a text is filled up."""

_JOINS = exp.DPipe | exp.Concat
_LISTS = exp.Array | exp.Tuple | exp.Struct
_FILLED = frozenset({exp.DType.CHAR, exp.DType.BPCHAR, exp.DType.NCHAR})


def check_growth(tree: exp.Expr, store: str) -> None:
    """Raises InvalidRequest when the statement could make texts that are too large."""
    product = 1
    for select in tree.find_all(exp.Select):
        product *= _factor(select, store)
    collects = any(call.name.lower() in COLLECTING[store] for call in tree.find_all(exp.Anonymous))
    longest = max((len(text.name) for text in tree.find_all(exp.Literal) if text.is_string), default=0)
    if product > (COLLECTED_FACTOR_MAX if collects else FACTOR_MAX) or product * longest > MADE_MAX:
        raise InvalidRequest(
            "sql: this could make texts that are too large: join fewer (||, concat, replace, lists, JSON) in fewer "
            "steps"
        )
    if store == "postgres":
        digits = min(DECIMAL_MAX, _digits(tree) * _multiplied(tree))
        if product * digits > MADE_MAX or (collects and digits > COLLECTED_DIGITS_MAX):
            raise InvalidRequest(
                "sql: this could make numbers of a hundred thousand digits: give decimals a precision, such as "
                "DECIMAL(18, 2)"
            )


def as_doubles(node: exp.Expr) -> exp.Expr:
    """On PostgreSQL a power with its arguments cast to doubles; anything else as it is."""
    if isinstance(node, exp.Pow):
        return exp.Pow(this=_double(node.this), expression=_double(node.expression))
    if isinstance(node, exp.Anonymous) and node.name.lower() in DOUBLING:
        return exp.Anonymous(this=node.name, expressions=[_double(argument) for argument in node.expressions])
    return node


def _double(argument: exp.Expr) -> exp.Expr:
    return exp.Cast(this=exp.Paren(this=argument), to=exp.DataType(this=exp.DType.DOUBLE))


def _digits(tree: exp.Expr) -> int:
    """Most digits of a decimal before anything is multiplied. Raises InvalidRequest for a long literal."""
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
            places = call.expressions[1]
            known = isinstance(places, exp.Literal) and places.name.isdecimal()
            most = max(most, int(places.name[:6]) if known else ROUNDED_MAX)
    return most


def _multiplied(tree: exp.Expr) -> int:
    """How many decimals may be multiplied with each other to make one; by how much a short literal adds is nothing."""
    counts = Counter[int]()
    for times in tree.find_all(exp.Mul):
        if not any(isinstance(side, exp.Literal) and len(side.name) < PLAIN_DIGITS for side in times.args.values()):
            counts[id(times.find_ancestor(exp.Select))] += 1
    return math.prod(1 + count for count in counts.values())


def _factor(select: exp.Select, store: str) -> int:
    """How many times as long as its parts a text of this SELECT, without those inside, may become."""
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
    if store == "duckdb":
        times *= written_out(select)
    return int(added * times * 2 ** max(0, deepest - 1))


def _grows(node: exp.Expr, store: str) -> tuple[int, int, bool]:
    """How many more texts there are in its result, how many times as long it is, whether it may be written escaped.

    A list, row or JSON in a text has its quotes and backslashes doubled, each time once more.
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
    """How many times as long a text becomes by a call. Raises InvalidRequest when the statement does not say it."""
    if name in SUBSTITUTING:
        return max(1, len(_text(call, 2, f"the third argument of {name}")))
    if name in SEPARATORS:
        between = len(_text(call, SEPARATORS[name], f"the separator of {name}"))
        instead = name == "array_to_string" and len(call.expressions) > 2
        return 1 + between + (len(_text(call, 2, f"the third argument of {name}")) if instead else 0)
    if name in WIDENING:
        second = call.expressions[1] if len(call.expressions) > 1 else None
        said = second.name if isinstance(second, exp.Literal) else ""
        return WIDENING[name].get(said, WIDENING[name][""])
    if name in FORMATTING and not (len(call.expressions) > 1 and isinstance(call.expressions[1], exp.Literal)):
        return PATTERN_FACTOR
    if name in SEPARATING:
        _check_separator(call, name)
    if name in GROUPS[store] and (store == "postgres" or _has_names(call)):
        return max(1, _text(call, 1, f"the pattern of {name}").count("("))
    if store == "duckdb" and name in PATHS:
        _check_path(call, name)
    return 1


def _text(call: exp.Anonymous, place: int, what: str) -> str:
    """An argument that has to be a short text in quotes."""
    given = call.expressions[place] if len(call.expressions) > place else None
    if not isinstance(given, exp.Literal) or not given.is_string or len(given.name) > REPLACEMENT_MAX:
        raise InvalidRequest(f"sql: {what} has to be a text in quotes of at most {REPLACEMENT_MAX} characters")
    return str(given.name)


def _check_separator(call: exp.Anonymous, name: str) -> None:
    """Of an aggregate that joins texts; its arguments may be within DISTINCT and ORDER BY."""
    arguments: list[exp.Expr] = []
    for argument in call.expressions:
        plain = argument.this if isinstance(argument, exp.Order) else argument
        arguments += plain.expressions if isinstance(plain, exp.Distinct) else [plain]
    if len(arguments) > 1:
        _text(exp.Anonymous(this=name, expressions=arguments), 1, f"the separator of {name}")


def _has_names(call: exp.Anonymous) -> bool:
    """Whether DuckDB's regexp_extract is asked for several groups; a number asks for one."""
    third = call.expressions[2] if len(call.expressions) > 2 else None
    return third is not None and not (isinstance(third, exp.Literal) and not third.is_string)


def _check_path(call: exp.Anonymous, name: str) -> None:
    """One path, that finds nothing twice: a list of them, or one that goes into every depth, would multiply a JSON."""
    given = call.expressions[1] if len(call.expressions) > 1 else None
    plain = given.this if isinstance(given, exp.Neg) else given
    if not isinstance(plain, exp.Literal) or ".." in plain.name:
        raise InvalidRequest(f"sql: the second argument of {name} has to be one path in quotes, without '..'")


def _check_filled(kind: exp.DataType) -> None:
    if kind.args.get("values"):
        raise InvalidRequest("sql: the type of a list has no size")
    if kind.this in _FILLED:
        for size in kind.expressions:
            if not size.name.isdecimal() or int(size.name[:9]) > CHARACTERS_MAX:
                raise InvalidRequest(f"sql: a text is filled up to at most {CHARACTERS_MAX} characters")
