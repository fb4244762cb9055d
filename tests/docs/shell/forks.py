"""The command line for a shell, without its start: a process with everything imported forks for each command.

A page of the documents runs in a real shell, with pipes, functions and files. Its `tallystick` is a small client that
gives its arguments, folder, environment and open files to that process, whose fork runs the command's own `main`.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers import empty_store
from tests.helpers.thorough import THOROUGH

CLIENT = """#!{python} -SE
import json, os, signal, socket, sys
to = socket.socket(socket.AF_UNIX)
to.connect({address!r})
given = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(to, [len(given).to_bytes(4, "big")], [0, 1, 2])
to.sendall(given)
pid = int.from_bytes(to.recv(4), "big")
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = to.recv(1)
sys.exit(code[0] if code else 137)
"""


class CommandFork:
    """A running process that forks commands. `folder` gets its socket and `bin/tallystick`, the client."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        address = str(folder / "commands.sock")
        client = self.bin / "tallystick"
        client.write_text(CLIENT.format(python=sys.executable, address=address), "utf-8")
        client.chmod(0o755)
        root = Path(__file__).parents[3]
        command = [sys.executable, "-m", "tests.docs.shell.forks", address]
        if not THOROUGH:
            store = folder / "store.duckdb"
            store.write_bytes(empty_store.empty_file())
            command.append(str(store))
        self._process = subprocess.Popen(command, cwd=root)
        until = time.monotonic() + 60
        while not Path(address).exists():
            assert self._process.poll() is None, "the process that forks ended"
            assert time.monotonic() < until, "the process that forks did not start"
            time.sleep(0.02)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def serve(address: str, store: str = "") -> None:
    """Forks a command for each client, for ever. `store`: the file of an empty one, which new ones copy."""
    from tallystick.cli import lazy
    from tallystick.ingest.enrich.agent import Agents

    for entry in lazy.ENTRIES.values():
        importlib.import_module(f"tallystick.cli.{entry.module}")
    importlib.import_module("tallystick.app")
    Agents()  # which the forks' own share
    if store:
        empty_store.use(Path(store))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen()
    os.rename(f"{address}.new", address)
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _run(client)
        client.close()


def _run(client: socket.socket) -> None:
    """Runs a client's command in this process and ends it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(client, 4, 3)
    wanted, given = int.from_bytes(size, "big"), b""
    while len(given) < wanted:
        given += client.recv(wanted - len(given))
    arguments, folder, environment = json.loads(given)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    client.sendall(os.getpid().to_bytes(4, "big"))
    code = 1
    try:
        from tallystick.cli import main

        sys.argv = [shutil.which("tallystick") or "tallystick", *arguments]
        main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        client.sendall(bytes([code & 255]))
        os._exit(code)


if __name__ == "__main__":
    serve(*sys.argv[1:])
