"""What the runs of fault tests have shown: the newest run of each test, in docs/build/fault-matrix.json."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.faults.matrix.catalogue import ROOT

FILE = ROOT / "docs" / "build" / "fault-matrix.json"


class Run(msgspec.Struct, frozen=True):
    """The newest run of one test.

    Attributes:
        result: `passed` or `failed`; a test that was skipped keeps its last run.
        repetitions: how often the fault came.
        seconds: how long the test took.
        version: the product's code, as `version` says it.
        date: UTC, `2026-11-30`.
    """

    result: str
    repetitions: int
    seconds: float
    version: str
    date: str


Runs = dict[str, Run]
"""By the test's id."""


def read(file: Path = FILE) -> Runs:
    return msgspec.json.decode(file.read_bytes(), type=Runs) if file.exists() else {}


def write(runs: Runs, file: Path = FILE) -> None:
    """In order of the tests' ids, one line each, so that a change is a line in a commit."""
    lines = ",\n".join(f"{_json(test)}: {_json(run)}" for test, run in sorted(runs.items()))
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.write_text(f"{{\n{lines}\n}}\n", "utf-8")
    part.replace(file)


def run(result: str, repetitions: int, seconds: float) -> Run:
    """A run that ends now."""
    return Run(result, repetitions, round(seconds, 1), version(), today())


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def version() -> str:
    """The tree of src/ that is checked out, which several commits may have; `+`: it was changed. No git: empty."""
    try:
        tree = _git("rev-parse", "--short=8", "HEAD:src")
        return tree + ("+" if _git("status", "--porcelain", "--", "src") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
