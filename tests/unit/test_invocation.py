"""Commands in texts work where they are pasted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tallystick.invocation import invocation


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command in an environment of its own, which is not on PATH."""
    made = tmp_path / "a project" / ".venv" / "bin" / "tallystick"
    made.parent.mkdir(parents=True)
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    return made


def test_a_script_below_the_working_directory(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parents[2])
    assert invocation(str(script)) == ".venv/bin/tallystick"
    assert invocation(".venv/bin/tallystick") == ".venv/bin/tallystick"


def test_a_script_elsewhere(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert invocation(str(script)) == "'a project/.venv/bin/tallystick'"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert invocation(str(script)) == f"'{script}'"


def test_a_script_on_the_path(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert invocation(str(script)) == "tallystick"


def test_another_one_on_the_path_is_not_meant(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "tallystick"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert invocation(str(script)) == "'a project/.venv/bin/tallystick'"


def test_started_by_an_interpreter(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    assert invocation("-c") == "'a project/.venv/bin/tallystick'"
    script.unlink()
    assert invocation("-c") == "tallystick"
