"""Rows of a statement about paths → the rows of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def paths_answer(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The edges of the answer: how many sessions went from `source` to `target` at a step."""
    return [_edge(row) for row in rows]


def _edge(row: Sequence[Any]) -> dict[str, Any]:
    step, source, target, sessions, other = row
    edge = {"step": step, "source": source, "target": target, "sessions": sessions}
    return edge | {"other": True} if other else edge
