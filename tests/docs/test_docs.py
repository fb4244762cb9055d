"""Whatever a user can set, call, type or watch is documented: a new one without a word about it fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from tallystick import cli
from tallystick.config import Settings
from tallystick.metrics import Metrics
from tests.helpers.http.document import document

ROOT = Path(__file__).parents[2]


def text(*names: str) -> str:
    """These documents' text."""
    return "\n".join((ROOT / name).read_text("utf-8") for name in names)


def routes() -> list[str]:
    """`METHOD path` of everything the assembled app answers: what it describes, and what it serves beside that."""
    described = {f"{method.upper()} {path}" for path, item in document()["paths"].items() for method in item}
    return sorted(described | {"GET /docs", "GET /openapi.json"})


def commands() -> Iterator[str]:
    """`tallystick …` of every command that the command line has."""
    found = get_command(cli.app)
    waiting = [("tallystick", found)]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", {})
        waiting += [(f"{name} {word}", child) for word, child in below.items()]
        if not below:
            yield name


def metrics() -> list[str]:
    return sorted(name for name, _, _ in Metrics().catalogue())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_is_documented(name: str) -> None:
    assert f"`TALLYSTICK_{name.upper()}`" in text("docs/run/configuration.md")


def test_routes_are_documented() -> None:
    """One test for all of them: a parameter for each would have every process that collects tests make the document."""
    page = text("docs/use/http-api.md")
    assert len(routes()) > 100
    assert [route for route in routes() if f"`{route}`" not in page] == []


def test_documented_routes_exist() -> None:
    known = set(routes())
    documented = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?]*)`", text("docs/use/http-api.md"))
    assert len(documented) >= len(known)
    assert sorted(set(documented) - known) == []


@pytest.mark.parametrize("metric", metrics())
def test_metric_is_documented(metric: str) -> None:
    assert f"`{metric}`" in text("docs/run/operations.md")


def test_documented_metrics_exist() -> None:
    assert sorted(set(re.findall(r"`(tallystick_[a-z_]+)[`{]", text("docs/run/operations.md"))) - set(metrics())) == []


@pytest.mark.parametrize("command", sorted(commands()))
def test_command_is_documented(command: str) -> None:
    assert re.search(rf"\b{command}\b", text("README.md", "docs/run/operations.md"))


def documents() -> list[str]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in pages)


def anchors(document: Path) -> set[str]:
    """The anchors of a rendered page's headings: lower case, blanks to hyphens, a number after a repetition."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*)$", document.read_text("utf-8"), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        repeated = sum(known == name or re.fullmatch(rf"{re.escape(name)}-\d+", known) is not None for known in found)
        found.add(f"{name}-{repeated}" if repeated else name)
    return found


def dead_links(document: Path) -> list[str]:
    """Relative links of a document whose file or heading does not exist."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("name", documents())
def test_relative_links_lead_somewhere(name: str) -> None:
    assert dead_links(ROOT / name) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    links = "[](#one--two) [](#here-1) [](page.md#here) [](#here-2) [](none.md)"
    page.write_text(f"# One · two\n## Here\n## Here\n{links}\n", "utf-8")
    assert dead_links(page) == ["#here-2", "none.md"]


def test_paths_to_open_exist() -> None:
    """The README's table "to change X, open Y", and the longer one in the architecture."""
    rows = re.findall(r"^\|[^|]*\| (`src/.*) \|$", text("README.md", "docs/build/architecture.md"), re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`(src/[^`]*)`", row)]
    assert len(paths) >= 20
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []
