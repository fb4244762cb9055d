"""What the tests' real servers share: free ports, unprivileged users, processes that do not outlive the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

START_SECONDS = 300.0
"""How long a server may take until it answers, on a machine that does other things too."""


def wait_until_stopped(pid: int, seconds: float = 30.0) -> None:
    """After SIGSTOP: its threads stop one by one, and one that has not may still answer. Without /proc: a moment."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.is_dir():
        time.sleep(0.2)
        return
    end = time.monotonic() + seconds
    while not all(_is_stopped(task / "stat") for task in tasks.iterdir()):
        if time.monotonic() > end:
            raise TimeoutError(f"process {pid} did not stop")
        time.sleep(0.01)


def _is_stopped(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "Tt"
    except (FileNotFoundError, ProcessLookupError):  # the thread has ended
        return True


class RealServer(Protocol):
    """One instance of a server: `start` may follow `kill` or `stop`, on the same port and the same data."""

    url: str
    """What TALLYSTICK_QUEUE_URL or TALLYSTICK_STORE_URL is set to."""

    def start(self) -> None:
        """Start it and return once it answers."""

    def kill(self) -> None:
        """SIGKILL to all of its processes, as a crash would end it."""

    def stop(self) -> None:
        """End it in good order; the data stays."""


def needed(program: str, package: str, *places: str) -> Path:
    """The path of a server's program. Missing: the test is skipped by name on a laptop and fails where CI=true."""
    found = shutil.which(program, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is not None:
        return Path(found)
    message = f"{package}: there is no {program} here; `scripts/servers` installs it on Debian as root"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def needs_built(file: Path, script: str) -> None:
    """Skip the test where this file was not built, which needs Node.js; where CI=true it fails."""
    if file.is_file():
        return
    message = f"{file.name} is not built: scripts/{script} builds it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    """A free TCP port on 127.0.0.1, below those that Linux gives to clients, which might take it."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)  # `random` may be seeded alike in several processes
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def unprivileged(*names: str) -> pwd.struct_passwd | None:
    """The user for a server that refuses root: the first of these users that exists; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail(f"none of the users {', '.join(names)} exists")


def wait_until(answers: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll `answers`, less and less often. Raises TimeoutError, naming `what`."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not answers():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not answer within {seconds:g} s")
        time.sleep(pause)
        pause = min(1.2 * pause, 0.1)
