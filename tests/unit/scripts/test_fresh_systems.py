"""Steps of `scripts/fresh`: what a step started ends with it. The system is a folder with a shell and `sleep`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.fresh_systems import NAMESPACE, USERS, Failed, inside, processes_in, run
from tests.servers.process import wait_until

PROGRAMS = ("bash", "env", "setsid", "sleep")
STEP = "setsid sleep 10000 & sleep 10000"
"""What a newcomer's command may leave: a process in a session of its own, which no signal to a group reaches."""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Path]:
    """The smallest folder that a step can run in."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux may make namespaces")
    tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"root may not mount here: {tried.stderr.strip()}")
    root = tmp_path / "system"
    for folder in ("bin", "dev", "proc", "etc", "root", "home/newcomer"):
        (root / folder).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\nnewcomer:x:12345:12345::/home/newcomer:/bin/bash\n")
    for program in PROGRAMS:
        path = shutil.which(program)
        assert path is not None, program
        shutil.copy(path, root / "bin" / program)
        libraries = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", libraries):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    yield root
    for process in processes_in(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def runs(system: Path) -> bool:
    """Both of the step's processes are there."""
    names = [Path(f"/proc/{process}/comm").read_text() for process in processes_in(system)]
    return names.count("sleep\n") == 2


@pytest.mark.parametrize("user", USERS)
def test_what_a_killed_step_started_ends(system: Path, user: str) -> None:
    step = subprocess.Popen(inside(system, user, STEP))
    wait_until(lambda: runs(system), "a step")
    step.kill()
    step.wait()
    wait_until(lambda: processes_in(system) == [], "the end of what the step started", 60)


@pytest.mark.parametrize("user", USERS)
def test_what_a_step_started_ends_with_the_program(system: Path, user: str) -> None:
    """Also when nothing can be done about it any more."""
    code = "import sys; from scripts.fresh_systems import run; run(sys.argv[1:], 'a step')"
    program = subprocess.Popen([sys.executable, "-c", code, *inside(system, user, STEP)])
    wait_until(lambda: runs(system), "a step")
    program.kill()
    program.wait()
    wait_until(lambda: processes_in(system) == [], "the end of what the step started", 60)


@pytest.mark.parametrize("user", USERS)
def test_what_a_step_left_behind_ends_with_it(system: Path, user: str) -> None:
    done = subprocess.run(inside(system, user, "setsid sleep 10000 & exit 3"))
    assert done.returncode == 3
    wait_until(lambda: processes_in(system) == [], "the end of what the step started", 60)


def test_what_a_failed_step_printed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message has the last lines alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Failed, match="counting: status 3; all that it printed is in ") as failed:
        run(["sh", "-c", "for n in $(seq 100); do echo $n; done; exit 3"], "counting")
    assert str(failed.value).splitlines()[1:] == [str(number) for number in range(61, 101)]
    [kept] = tmp_path.iterdir()
    assert kept.read_text() == "".join(f"{number}\n" for number in range(1, 101))
    assert str(kept) in str(failed.value)
