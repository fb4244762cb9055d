"""Rows of a statement about paths → the rows of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.model.query import PathsQuery


def shape_paths(query: PathsQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The edges of the answer: how many sessions went from `source` to `target` at a step."""
    return [_edge(row) for row in rows], None


def _edge(row: Row) -> dict[str, Any]:
    step, source, target, sessions, other = row
    edge = {"step": step, "source": source, "target": target, "sessions": sessions}
    return edge | {"other": True} if other else edge
