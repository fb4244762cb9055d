"""What a share link hands out of a report: what its chart needs, from lists of what may be shown (G12).

A report's query has filters, in the query itself, in its metrics and in its steps, and the dashboard's address of the
report repeats them. They may name users or customers, and no chart shows them. Fields that are not listed here are left
out, so that a new field of a query is hidden until someone thinks about it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from tallystick.model.library import Board, Report, SharedPage, SharedReport

_QUESTION = (
    "kind",
    "interval",
    "breakdown",
    "order",
    "by",
    "end",
    "compare",
    "top",
    "other",
    "mode",
    "bots",
    "week_start",
)
"""Fields of a query that a chart reads. `end` is a page or event that the answer's rows have too."""
_PARTS = {"metrics": ("kind", "property", "name"), "formulas": ("name", "expression"), "steps": ("name",)}
"""Lists of parts, and the fields of a part that name its column or step."""
_PARAMETERS = (
    *("chart", "by", "top", "metric", "formula", "show", "interval", "compare", "bots", "week"),  # Explore
    *("order", "tab", "every", "following", "shown", "mode", "most", "steps", "merge"),  # funnels, retention, paths
)
"""Parameters of the dashboard's address that say how a report is drawn."""
_TESTS = ("of", "step")
"""Parameters with `name;filter;filter`, of which the name is shown."""


def shared_page(board: Board) -> SharedPage:
    """What a share link shows of a board."""
    return SharedPage(name=board.name, description=board.description, tiles=board.tiles)


def shared_report(report: Report) -> SharedReport:
    """What a share link shows of a report."""
    return SharedReport(
        id=report.id,
        name=report.name,
        question=_question(report.question),
        range=report.range,
        timezone=report.timezone,
        view=_view(report.view),
        updated_at=report.updated_at,
    )


def _question(question: dict[str, Any]) -> dict[str, Any]:
    shown = {name: question[name] for name in _QUESTION if name in question}
    for name, fields in _PARTS.items():
        if isinstance(parts := question.get(name), list):
            shown[name] = [_part(part, fields) for part in parts]
    return shown


def _part(part: Any, fields: tuple[str, ...]) -> Any:
    """A metric of sessions is a text, any other part an object."""
    return {name: part[name] for name in fields if name in part} if isinstance(part, dict) else part


def _view(view: dict[str, Any]) -> dict[str, Any]:
    """The page that draws the report, and the parameters of its address that may be shown."""
    shown: dict[str, Any] = {}
    if isinstance(page := view.get("page"), str):
        shown["page"] = page
    if isinstance(text := view.get("params"), str):
        given = parse_qsl(text, keep_blank_values=True)
        kept = [(name, value.partition(";")[0] if name in _TESTS else value) for name, value in given]
        shown["params"] = urlencode([pair for pair in kept if pair[0] in (*_PARAMETERS, *_TESTS)])
    return shown
