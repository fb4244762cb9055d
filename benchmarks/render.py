"""Writes the figures of benchmarks/results*.json into docs/build/benchmarks.md: `python -m benchmarks.render`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tallystick.cli.bench.report import Report
from tallystick.cli.bench.tables import markdown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks"
DOCUMENT = ROOT / "docs" / "build" / "benchmarks.md"
BEGIN = "<!-- figures: written by benchmarks/render.py -->\n"
END = "<!-- end of figures -->\n"
NONE = "Not measured yet.\n"
USUAL = 10_000_000
"""Events that queries are timed on where the heading does not say how many."""
NAMES = {
    "sqlite": "SQLite",
    "redis": "Redis",
    "amqp": "RabbitMQ",
    "kafka": "Kafka",
    "duckdb": "DuckDB",
    "postgresql": "PostgreSQL",
    "clickhouse": "ClickHouse",
}


def figures(folder: Path) -> str:
    """The results in the folder as Markdown tables with a heading for each file; NONE when there are none."""
    parts = []
    for path in sorted(folder.glob("results*.json"), key=lambda path: (len(path.name), path.name)):
        report = msgspec.json.decode(path.read_bytes(), type=Report)
        parts.append(f"### {heading(report)}\n\n{markdown(report)}")
    return "\n".join(parts) or NONE


def heading(report: Report) -> str:
    """What was measured: queue and store, or the store alone."""
    store = NAMES[report.store]
    if report.dedupe:
        return f"Transactions of {store}"
    both = f"{NAMES[report.queue]} and {store}"
    if report.scale:
        return f"More processes on {both}"
    if report.query_events > USUAL:
        return f"{store}, {report.query_events // 1_000_000} million events"
    return both if report.load else store


def rendered(document: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """The document with `text` between its two marks. Raises ValueError when a mark is missing."""
    before, found, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError("the document lacks the marks between which the figures go")
    return f"{before}{begin}\n{text}\n{end}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text("utf-8"), figures(RESULTS)), "utf-8")
