"""A Tallystick server as a process of its own, for measurements and fault tests: start, ask, measure, stop, kill."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tallystick.errors import TallystickError

TALLYSTICK = (sys.executable, "-c", "from tallystick.cli import main; main()")
"""The installed command, by the interpreter that runs this one."""

NOT_FROM_OUTSIDE = (
    "TALLYSTICK_QUEUE_URL",
    "TALLYSTICK_STORE_URL",
    "TALLYSTICK_WRITE_KEYS",
    "TALLYSTICK_WRITE_KEYS_FILE",
    "TALLYSTICK_READ_KEYS",
    "TALLYSTICK_READ_KEYS_FILE",
    "TALLYSTICK_ACCESS_URL",
    "TALLYSTICK_ACCESS_SECRET",
)
"""Settings that a started server does not take from the environment."""

START_TIMEOUT = 300.0
STOP_TIMEOUT = 20.0
POLL_EVERY = 0.01
"""Seconds: for a start, for a stop, and between two looks at either."""

_URL = re.compile(rb"http://[\w.\[\]:-]+?:([1-9]\d*)")


class ServerFailed(TallystickError):
    """The server did not start, stop or answer as it has to; the message has the end of its output."""


class Api:
    """A keep-alive connection for single requests to a server. Not for use by two threads at a time."""

    def __init__(self, url: str, timeout: float = 60.0, key: str = "") -> None:
        parts = urlsplit(url)
        self._headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        self._connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body; `body` is sent as JSON, or as it is when it is bytes. Raises OSError, HTTPException."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, data, self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, path: str) -> Any:
        """The JSON of a 200. Raises ServerFailed on any other status."""
        return self._json("GET", path, None)

    def post(self, path: str, body: object) -> Any:
        """The JSON of a success. Raises ServerFailed on any other status."""
        return self._json("POST", path, body)

    def query(self, **query: object) -> Any:
        """The answer of POST /v1/query."""
        return self.post("/v1/query", query)

    def count(self) -> int:
        """Events that a query finds, all sites and times together."""
        return int(self.query(kind="metrics", site_id=None)["rows"][0]["events"])

    def ledger(self) -> dict[str, int]:
        """The books as GET /v1/pipeline has them."""
        books: dict[str, int] = self.get("/v1/pipeline")["ledger"]
        return books

    def close(self) -> None:
        self._connection.close()

    def _json(self, method: str, path: str, body: object) -> Any:
        status, answer = self.ask(method, path, body)
        if status >= 300:
            raise ServerFailed(f"{method} {path} answered {status}: {answer[:500].decode(errors='replace')}")
        return json.loads(answer)


class ServerProcess:
    """`tallystick up`, or another role, on a free port of this machine, in a process group of its own.

    Args:
        data: the data folder; kept between starts, so that a server can be started on what another left.
        settings: environment variables for it, on top of this process's own.
        command: what to run instead of the installed `tallystick`.
        role: `up`, `ingest`, `work` or `serve`; of `work` the URL is its status page's.
        number: distinguishes processes of the same role and folder.
        port: where it listens; 0: on one that is free.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = TALLYSTICK,
        role: str = "up",
        number: int = 0,
        port: int = 0,
    ) -> None:
        self.data = data
        self.url = ""
        self._settings = dict(settings or {})
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.role = role
        self._port = port
        self._log = data.with_name(f"{data.name}.log" if role == "up" else f"{data.name}-{role}-{number}.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> float:
        """Seconds from starting the process until it says it is ready. Raises ServerFailed."""
        began = time.perf_counter()
        self.spawn()
        self.wait_until_ready()
        return time.perf_counter() - began

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        # A queue or store that the operator's environment names would take a measurement's events; not here, and its
        # keys would keep the measurement out.
        environment = {**os.environ, **dict.fromkeys(NOT_FROM_OUTSIDE, ""), **self._settings}
        environment["TALLYSTICK_DATA"] = str(self.data)
        port = _free_port() if self.role == "work" else self._port  # to a worker, 0 means no status page
        command = [*self._command, self.role, "--host", "127.0.0.1", "--port", str(port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Returns once it says it is ready, with `url` set; kills it and raises ServerFailed when that takes long."""
        try:
            port = self._wait(self._port_shown, "did not show its address")
            self.url = f"http://127.0.0.1:{port}"
            self._wait(self._ready, "did not become ready")
        except BaseException:  # also when the wait is interrupted
            self.kill()
            raise

    def stop(self) -> float:
        """SIGTERM; seconds until it was gone. Raises ServerFailed when it takes long or exits with an error."""
        process = self._running()
        began = time.perf_counter()
        process.terminate()
        try:
            code = process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failed(f"did not stop within {STOP_TIMEOUT:.0f} s of SIGTERM") from None
        self._process = None
        if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise self._failed(f"exited with {code} after SIGTERM")
        return time.perf_counter() - began

    def kill(self) -> None:
        """SIGKILL to the whole process group; nothing when it is gone."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """SIGSTOP to the whole process group: it hangs, and its connections stay."""
        os.killpg(self._running().pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        os.killpg(self._running().pid, signal.SIGCONT)

    def api(self) -> Api:
        """A new connection to it."""
        return Api(self.url)

    def resident(self) -> int | None:
        """Resident memory in bytes, now; None where the system does not say."""
        return self._status_bytes("VmRSS")

    def resident_peak(self) -> int | None:
        """The most resident memory so far in bytes; None where the system does not say."""
        return self._status_bytes("VmHWM")

    def cpu_seconds(self) -> float | None:
        """Processor seconds so far; None where the system does not say."""
        fields = [stat.rsplit(")", 1)[1].split() for stat in self._proc("stat")]
        return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK") if fields else None

    def descriptors(self) -> int | None:
        """Open file descriptors of all its processes, now; None where the system does not say."""
        counts = []
        for folder in self._folders():
            try:
                counts.append(len(os.listdir(folder / "fd")))
            except OSError:
                continue  # it ended between two looks
        return sum(counts) if counts else None

    def _status_bytes(self, name: str) -> int | None:
        found = [re.search(rf"^{name}:\s+(\d+) kB", status, re.M) for status in self._proc("status")]
        return sum(int(match[1]) * 1024 for match in found if match) if found else None

    def _proc(self, name: str) -> list[str]:
        """The text of /proc/<pid>/<name> of every process of the server's session."""
        texts = []
        for folder in self._folders():
            try:
                texts.append((folder / name).read_text())
            except OSError:
                continue  # it ended between two looks
        return texts

    def _folders(self) -> list[Path]:
        """/proc/<pid> of every process of the server's session."""
        leader, found = self._running().pid, []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(folder.name)) == leader:
                    found.append(folder)
            except OSError:
                continue
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerFailed("the server is not running")
        return self._process

    def _wait(self, look: Any, complaint: str) -> Any:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if (seen := look()) is not None:
                return seen
            if self._running().poll() is not None:
                raise self._failed(f"exited with {self._running().returncode} at its start")
            time.sleep(POLL_EVERY)
        raise self._failed(f"{complaint} within {START_TIMEOUT:.0f} s")

    def _port_shown(self) -> int | None:
        shown = _URL.search(self._log.read_bytes())
        return int(shown[1]) if shown else None

    def _ready(self) -> bool | None:
        try:
            with closing(Api(self.url, 1.0)) as api:
                return True if api.ask("GET", "/readyz")[0] == 200 else None
        except (OSError, http.client.HTTPException):
            return None

    def _failed(self, complaint: str) -> ServerFailed:
        output = self._log.read_text(errors="replace")[-2_000:]
        return ServerFailed(f"the server {complaint}; the end of its output:\n{output}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
