"""Lists long modules and functions, as advice to check whether they hold more than one subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "scripts")
MODULE_LINES = 400
FUNCTION_LINES = 40
"""Lines of a function's body, without its signature and docstring."""


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long(path: Path, source: str) -> Iterator[str]:
    """A line for the module when it is too long, and for each function that is too long."""
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield f"{path}: {lines} lines, more than {MODULE_LINES}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {body_lines(node)} lines, more than {FUNCTION_LINES}"


def main() -> None:
    """Print the findings. They never fail a check: a module is split where a subject ends, not at a number of lines."""
    findings = [
        finding
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for finding in too_long(path.relative_to(ROOT), path.read_text("utf-8"))
    ]
    print("\n".join(findings) or "No module or function is too long.")


if __name__ == "__main__":
    main()
