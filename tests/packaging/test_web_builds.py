"""Where npm or Node.js fails, the scripts that build the dashboard and the browser snippet say why and what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.responses import HTMLResponse

from tallystick.api.routes import dashboard, docs
from tallystick.cli.up import banner
from tallystick.config import Settings
from tallystick.ingest import snippet
from tallystick.ingest.snippet import Script
from tallystick.metrics import Metrics
from tests.unit.ingest.test_snippet import ask

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cksum", "dirname", "find", "mkdir", "mktemp", "rm", "sed", "sort", "xargs")
"""What the scripts use besides Node.js."""
BUILT = {"dashboard": "src/tallystick/dashboard/index.html", "snippet": "src/tallystick/ingest/built/tallystick.js"}
NO_REGISTRY = {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The scripts and the sources of what they build, as in a fresh clone."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "scripts", clone / "scripts")
    for name in BUILT:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("node_modules"))
    return clone


@pytest.fixture
def node() -> None:
    """Node.js as the scripts need it."""
    wanted = re.search(r"^NODE_NEEDED=(\d+)$", (ROOT / "scripts/node").read_text("utf-8"), re.MULTILINE)
    assert wanted
    if shutil.which("node") is None:
        pytest.skip("node is not here")
    found = subprocess.run(["node", "-p", "process.versions.node"], capture_output=True, text=True, check=True).stdout
    if int(found.partition(".")[0]) < int(wanted[1]):
        pytest.skip(f"node is {found.strip()}, too old for the scripts")


@pytest.fixture
def npm(node: None) -> None:
    """npm, too."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here")


def tools(folder: Path, *more: str) -> str:
    """A folder for PATH that has the tools and `more`, and nothing else."""
    folder.mkdir()
    for name in (*TOOLS, *more):
        found = shutil.which(name)
        assert found, f"{name} is not here"
        (folder / name).symlink_to(found)
    return str(folder)


def run(clone: Path, script: str, mode: str = "", **changed: str) -> tuple[int, str]:
    """Exit code and messages."""
    env = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("npm_")}
    done = subprocess.run(
        [f"scripts/{script}", *([mode] if mode else [])],
        cwd=clone, env=env | changed, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


def reason(clone: Path, script: str) -> str:
    return (clone / BUILT[script]).with_name(".not-built").read_text("utf-8")


@pytest.mark.parametrize("script", list(BUILT))
def test_without_node(clone: Path, tmp_path: Path, script: str) -> None:
    path = tools(tmp_path / "bin")
    code, said = run(clone, script, PATH=path)
    assert code == 0
    assert "it needs Node.js 20 or newer, and there is no Node.js here." in said
    assert f"then run scripts/{script}." in said
    assert "Everything else works without it." in said
    assert "there is no Node.js here" in reason(clone, script)
    for mode, more in (("", {"CI": "true"}), ("required", {})):
        assert run(clone, script, mode, PATH=path, **more)[0] == 1


@pytest.mark.parametrize("script", list(BUILT))
def test_an_old_node_is_named(clone: Path, tmp_path: Path, script: str) -> None:
    """The version that was found stands beside the one that is wanted."""
    path = Path(tools(tmp_path / "bin"))
    (path / "node").write_text("#!/bin/sh\necho 18.19.1\n")
    (path / "node").chmod(0o755)
    code, said = run(clone, script, PATH=str(path))
    assert code == 0
    assert f"it needs Node.js 20 or newer; {path}/node is 18.19.1." in said
    assert "18.19.1" in reason(clone, script)


@pytest.mark.usefixtures("npm")
@pytest.mark.parametrize("script", list(BUILT))
def test_what_npm_says_is_shown(clone: Path, script: str) -> None:
    code, said = run(clone, script, **NO_REGISTRY)
    assert code == 0
    assert "    npm error code ECONNREFUSED\n" in said
    assert "npm ci failed.\nnpm cannot reach its registry. Connect this machine to it" in said
    assert "npm ci failed." in reason(clone, script)
    assert script != "snippet" or run(clone, script, CI="true", **NO_REGISTRY)[0] == 1  # one is enough: npm takes long


@pytest.mark.usefixtures("npm")
def test_checks_that_cannot_run_fail(clone: Path) -> None:
    code, said = run(clone, "dashboard", "check", **NO_REGISTRY)
    assert code == 1
    assert "The dashboard is not checked: npm ci failed." in said
    assert not (clone / BUILT["dashboard"]).parent.exists()


@pytest.mark.usefixtures("npm")
def test_a_home_that_cannot_be_written(clone: Path) -> None:
    """npm's cache is elsewhere then; what fails is the registry alone."""
    code, said = run(clone, "snippet", HOME="/proc/nowhere", **NO_REGISTRY)
    assert code == 0
    assert "code ECONNREFUSED" in said
    assert "/proc/nowhere" not in said


@pytest.mark.usefixtures("node")
def test_npm_is_missing(clone: Path, tmp_path: Path) -> None:
    code, said = run(clone, "snippet", PATH=tools(tmp_path / "bin", "node"))
    assert code == 0
    assert "it needs npm, which is not here; Node.js " in said


@pytest.mark.parametrize("script", list(BUILT))
def test_an_older_build_is_used(clone: Path, tmp_path: Path, script: str) -> None:
    built = clone / BUILT[script]
    built.parent.mkdir(parents=True)
    built.write_text("older")
    built.with_name(".sources").write_text("of another time")
    path = tools(tmp_path / "bin")
    code, said = run(clone, script, PATH=path)
    assert code == 0
    assert "is not built from its present sources: " in said
    assert "An older build is there and is used." in said
    assert built.read_text() == "older"
    assert not built.with_name(".not-built").exists()
    assert run(clone, script, "required", PATH=path)[0] == 1


async def test_the_first_page_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".not-built").write_text("npm ci failed.\n<b>Connect</b> this machine.\n")
    monkeypatch.setattr(dashboard, "BUILT", tmp_path)
    answer = await dashboard.page()
    assert isinstance(answer, HTMLResponse)
    said = bytes(answer.body).decode()
    assert "<p>npm ci failed.</p>\n<p>&lt;b&gt;Connect&lt;/b&gt; this machine.</p>" in said
    assert "<code>scripts/dashboard</code>" in said


async def test_the_page_of_the_api_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".not-built").write_text("npm ci failed.\n")
    monkeypatch.setattr(docs, "FILES", tmp_path / "swagger")
    answer = await docs.docs()
    assert "<p>npm ci failed.</p>" in bytes(answer.body).decode()
    (tmp_path / ".not-built").unlink()
    assert "{why}" not in bytes((await docs.docs()).body).decode()


async def test_the_missing_script_says_why(tmp_path: Path) -> None:
    (tmp_path / ".not-built").write_text("npm ci failed.\nConnect this machine.\n")
    answer = await ask(Script(Settings(), Metrics(), tmp_path / "tallystick.js"))
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].endswith("builds it; npm ci failed. Connect this machine.")


def test_the_banner_does_not_promise_what_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("")
    (tmp_path / "tallystick.js").write_text("")
    monkeypatch.setattr(dashboard, "BUILT", tmp_path)
    monkeypatch.setattr(snippet, "BUILT", tmp_path / "tallystick.js")
    url = "http://127.0.0.1:8000"
    shown = banner(Settings(), url)
    assert f"{url} in a browser" in shown
    assert f'<script defer src="{url}/js/tallystick.js"></script>' in shown
    (tmp_path / "index.html").unlink()
    (tmp_path / "tallystick.js").unlink()
    shown = banner(Settings(), url)
    assert f"the dashboard is not built: {url} says why" in shown
    assert f"the script for them is not built: {url}/js/tallystick.js says why" in shown
    assert "in a browser" not in shown
    assert "<script" not in shown
