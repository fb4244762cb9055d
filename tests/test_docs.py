"""Whatever a user can set, call, type or watch is documented: a new one without a word about it fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from runnel import cli
from runnel.app import build_app
from runnel.config import Settings
from runnel.metrics import Metrics

ROOT = Path(__file__).parent.parent


def text(*names: str) -> str:
    """These documents' text."""
    return "\n".join((ROOT / name).read_text("utf-8") for name in names)


def routes() -> list[str]:
    """`METHOD path` of everything the assembled app answers: what it describes, and what it serves beside that."""
    app = build_app(Settings())
    described = {f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item}
    return sorted(described | {"GET /docs", "GET /openapi.json"})


def commands() -> Iterator[str]:
    """`runnel …` of every command that the command line has."""
    found = get_command(cli.app)
    waiting = [("runnel", found)]
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
    assert f"`RUNNEL_{name.upper()}`" in text("docs/configuration.md")


@pytest.mark.parametrize("route", routes())
def test_route_is_documented(route: str) -> None:
    assert f"`{route}`" in text("docs/http-api.md")


def test_documented_routes_exist() -> None:
    known = set(routes())
    documented = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?]*)`", text("docs/http-api.md"))
    assert len(documented) >= len(known)
    assert sorted(set(documented) - known) == []


@pytest.mark.parametrize("metric", metrics())
def test_metric_is_documented(metric: str) -> None:
    assert f"`{metric}`" in text("docs/operations.md")


def test_documented_metrics_exist() -> None:
    assert sorted(set(re.findall(r"`(runnel_[a-z_]+)[`{]", text("docs/operations.md"))) - set(metrics())) == []


@pytest.mark.parametrize("command", sorted(commands()))
def test_command_is_documented(command: str) -> None:
    assert re.search(rf"\b{command}\b", text("README.md", "docs/operations.md"))
