"""The oracle of formulas: Python itself parses and computes them."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence

STEPS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def formula_value(expression: str, values: Sequence[float | None]) -> float | None:
    """The value of a formula in which A is the first of the values; None if an operation has no value."""
    try:
        return _value(ast.parse(f"({expression})", mode="eval").body, values) + 0.0
    except (ArithmeticError, TypeError):
        return None


def _value(node: ast.expr, values: Sequence[float | None]) -> float:
    """The value of a node.

    Raises:
        TypeError: a metric is null.
        ArithmeticError: a division by zero, or a value beyond the range of a double.
    """
    if isinstance(node, ast.BinOp):
        value = STEPS[type(node.op)](_value(node.left, values), _value(node.right, values))
    elif isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        value = -_value(node.operand, values)
    elif isinstance(node, ast.Constant):
        assert isinstance(node.value, int | float)
        value = float(node.value)
    else:
        assert isinstance(node, ast.Name)
        given = values["ABCDEFGHIJ".index(node.id)]
        if given is None:
            raise TypeError
        value = float(given)
    if not math.isfinite(value):
        raise ArithmeticError
    return value
