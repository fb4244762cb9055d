"""Put the figures of benchmarks/results.json into docs/benchmarks.md: `python -m benchmarks.render`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from runnel.cli.bench_report import Report
from runnel.cli.bench_tables import markdown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- figures: written by benchmarks/render.py -->\n"
END = "<!-- end of figures -->\n"
NONE = "Not measured yet.\n"


def figures(results: Path) -> str:
    """The results as Markdown tables; a sentence when there are none."""
    if not results.exists():
        return NONE
    return markdown(msgspec.json.decode(results.read_bytes(), type=Report))


def rendered(document: str, text: str) -> str:
    """The document with `text` between its two marks. Raises ValueError when a mark is missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the document has no place for figures")
    return f"{before}{begin}\n{text}\n{end}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text("utf-8"), figures(RESULTS)), "utf-8")
