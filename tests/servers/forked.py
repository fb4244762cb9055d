"""Tallystick's commands as real processes that need not import Tallystick: one that has imported it forks for each.

A start costs one to two seconds of computing, most of it imports, and `make test` has hundreds of them. `install` makes
`subprocess.Popen` fork where the command is TALLYSTICK and start everything else as always. Such a process has its own
id, group, files, limits, environment and memory, and ends as any other. If its store is new, it copies an empty one
(`tests/helpers/empty_store.py`). `make faults` starts each of them anew.

asyncio's subprocesses wait in their own way; they are no part of this.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import inspect
import json
import os
import pkgutil
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import tallystick
from tallystick.harness.server import TALLYSTICK
from tallystick.ingest.enrich.agent import Agents
from tests.helpers import empty_store

ROOT = Path(__file__).parents[2]
SIZE = struct.Struct("!I")
CODE = struct.Struct("!i")
LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]
Started = subprocess.Popen
SIGNATURE = inspect.signature(Started._execute_child)  # type: ignore[attr-defined]
UNUSUAL = ("executable", "preexec_fn", "pass_fds", "shell", "gid", "gids", "uid")
"""What a process may be started with that a fork does not do: with it the process is started as always."""


def install() -> None:
    """From now on this process's Tallystick commands are forks."""
    subprocess.Popen = Forked  # type: ignore[misc]


class Forked(Started[Any]):
    """A process that is forked where it can be, and started where it cannot."""

    _ends: socket.socket | None = None
    """Gives the exit code of a fork."""

    def _execute_child(self, args: Any, *given: Any) -> None:
        asked = SIGNATURE.bind(self, args, *given).arguments
        command = [args] if isinstance(args, str) else [os.fsdecode(part) for part in args]
        known = list(TALLYSTICK)
        if command[: len(known)] != known or any(asked.get(name) not in (None, False, (), -1) for name in UNUSUAL):
            super()._execute_child(args, *given)  # type: ignore[misc]
            return
        self._ends, theirs = socket.socketpair()
        files = [asked["p2cread"], asked["c2pwrite"], asked["errwrite"]]
        files = [number if file == -1 else file for number, file in enumerate(files)]
        environment = os.environ if asked["env"] is None else asked["env"]
        with theirs:
            FORKS.ask(
                {
                    "arguments": command[len(known) :],
                    "folder": os.fspath(asked["cwd"] or os.getcwd()),
                    "environment": {os.fsdecode(key): os.fsdecode(value) for key, value in environment.items()},
                    "umask": asked["umask"] if asked["umask"] >= 0 else _umask(),
                    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in LIMITS},
                    "session": bool(asked["start_new_session"]),
                },
                [*files, theirs.fileno()],
            )
        said = self._ends.recv(SIZE.size, socket.MSG_WAITALL)
        if len(said) < SIZE.size:
            raise RuntimeError("the process that forks ended")
        (self.pid,) = SIZE.unpack(said)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[name] for name in pipes))  # type: ignore[attr-defined]

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._ends is None:
            code: int | None = super()._internal_poll(*given, **named)  # type: ignore[misc]
            return code
        return self._ended(0)

    def _wait(self, timeout: float | None) -> int:
        if self._ends is None:
            code: int = super()._wait(timeout=timeout)  # type: ignore[misc]
            return code
        ended = self._ended(timeout)
        if ended is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return ended

    def _ended(self, timeout: float | None) -> int | None:
        """The exit code; None while it runs."""
        assert self._ends is not None
        if self.returncode is None:
            with self._waitpid_lock:  # type: ignore[attr-defined]
                if self.returncode is None and select.select([self._ends], [], [], timeout)[0]:
                    said = self._ends.recv(CODE.size, socket.MSG_WAITALL)
                    self.returncode = CODE.unpack(said)[0] if len(said) == CODE.size else -signal.SIGKILL
                    self._ends.close()
        code: int | None = self.returncode
        return code


class Forks:
    """The process that forks; it is started when it is needed, and ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def ask(self, wanted: dict[str, Any], files: Sequence[int]) -> None:
        """Fork a command with these files as 0, 1 and 2; the last one learns its id and its exit code."""
        with self._lock:
            if self._control is None:
                self._control = self._start()
            data = json.dumps({**wanted, "empty_store": f"{self._folder}/store.duckdb"}).encode()
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
            self._control.sendmsg([SIZE.pack(len(data))], [rights])
            self._control.sendall(data)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            code = f"from tests.servers.forked import serve; serve({theirs.fileno()})"
            self._process = Started([sys.executable, "-c", code], cwd=ROOT, pass_fds=[theirs.fileno()])
        atexit.register(self.close)
        self._folder = Path(tempfile.mkdtemp(prefix="tallystick-forks-"))
        (self._folder / "store.duckdb").write_bytes(empty_store.empty_file())
        return ours

    def close(self) -> None:
        """End it; forks that run go on."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder)


FORKS = Forks()


def _umask() -> int:
    before = os.umask(0o022)
    os.umask(before)
    return before


# --- in the process that forks ----------------------------------------------------------------------------------------


def serve(control_file: int) -> None:
    """Fork a command for each request, until the other side is gone."""
    for module in pkgutil.walk_packages(tallystick.__path__, "tallystick."):
        with contextlib.suppress(ImportError):  # a driver that is not installed
            importlib.import_module(module.name)
    Agents()  # which the forks' own share
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=control_file) as control:
        while True:
            size, files, _, _ = socket.recv_fds(control, SIZE.size, 4)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not size:
                os._exit(0)
            wanted = _exactly(control, SIZE.unpack(size)[0])
            if os.fork() == 0:
                break
            for file in files:
                os.close(file)
        control.close()
        _keep(json.loads(wanted), files)


def _exactly(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += control.recv(size - len(data))
    return data


def _keep(wanted: dict[str, Any], files: list[int]) -> None:
    """Fork once more: this process tells how that one ended."""
    teller = socket.socket(fileno=files.pop())
    pid = os.fork()
    if pid == 0:
        _run(wanted, files, teller)
        return
    for file in (0, 1, 2, *files):
        os.close(file)
    _, status = os.waitpid(pid, 0)
    try:
        teller.send(CODE.pack(os.waitstatus_to_exitcode(status)))
    finally:
        os._exit(0)


def _run(wanted: dict[str, Any], files: list[int], teller: socket.socket) -> None:
    """Become what an interpreter is that was started for the command, and run it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if wanted["session"]:
        os.setsid()
    for name, limit in wanted["limits"].items():
        if resource.getrlimit(getattr(resource, name)) != tuple(limit):
            resource.setrlimit(getattr(resource, name), tuple(limit))
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(wanted["folder"])
    os.umask(wanted["umask"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    sys.stdin = _text(0, "r")
    sys.stdout = _text(1, "w")
    sys.stderr = _text(2, "w", errors="backslashreplace", lines=True)
    sys.argv = ["-c", *wanted["arguments"]]
    sys.modules["__main__"] = types.ModuleType("__main__")
    empty_store.use(Path(wanted["empty_store"]))
    with teller:
        teller.send(SIZE.pack(os.getpid()))
    from tallystick.cli import main

    code: object = None
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    _end(code if isinstance(code, int) else int(code is not None))


def _end(code: int) -> NoReturn:
    """End as an interpreter does, but leave its objects alone: freeing them would copy them from the parent's memory,
    which takes a server half a second of computing.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


def _text(number: int, mode: str, errors: str | None = None, lines: bool = False) -> TextIOWrapper:
    made = open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115 - it stays open
    assert isinstance(made, TextIOWrapper)
    made.reconfigure(line_buffering=lines or made.isatty())
    return made
