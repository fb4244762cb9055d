"""A copy of the repository, and the packages that are built in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_SOURCES = (".git", ".venv", "node_modules", "__pycache__", ".hypothesis", ".*_cache", "*.egg-info")
AT_THE_TOP = (".cache", "build", "dist", "tallystick-data", "bench-results")
"""No sources either; `docs/build` is one."""
WEB = ("src/tallystick/dashboard", "src/tallystick/ingest/built")
"""Folders that Node.js builds."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    said: str


def copy_of_the_repository(target: Path, web: bool) -> Path:
    """The sources, with what Node.js builds or without it."""

    def unwanted(folder: str, names: list[str]) -> set[str]:
        left = set(shutil.ignore_patterns(*NOT_SOURCES)(folder, names))
        return left | set(AT_THE_TOP) if Path(folder) == ROOT else left

    shutil.copytree(ROOT, target, ignore=unwanted)
    for name in WEB if not web else ():
        shutil.rmtree(target / name, ignore_errors=True)
    return target


def without_node(folder: Path) -> dict[str, str]:
    """An environment whose PATH has what the build scripts use, and no Node.js."""
    folder.mkdir()
    for name in ("bash", "cat", "cksum", "dirname", "env", "find", "mkdir", "mktemp", "rm", "sed", "sort", "xargs"):
        found = shutil.which(name)
        assert found, f"{name} is not here"
        (folder / name).symlink_to(found)
    return {name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": str(folder)}


def build(source: Path, kind: str, target: Path, env: dict[str, str], *options: str) -> Done:
    """`python -m build` with the packages of this environment, so that nothing comes from the network.

    Args:
        source: the folder with pyproject.toml.
        kind: `sdist` or `wheel`.
        target: the folder for what is built.
    """
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(target), *options, str(source)],
        env=env, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout + done.stderr)
