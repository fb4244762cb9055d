"""A Redis server of the tests' own, as durable as Tallystick asks for unless a test wants it otherwise."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import redis

from tests.servers.process import START_SECONDS, free_port, needed, unprivileged, wait_until, wait_until_stopped

PASSWORD = "geheim/%40:wort"
PASSWORD_IN_URL = "geheim%2F%2540%3Awort"


class Tls(NamedTuple):
    """PEM files; the authority is the one that clients are to trust."""

    authority: Path
    certificate: Path
    key: Path


class RedisServer:
    """One server with its data in `folder`; `url` has the password.

    Args:
        appendonly, appendfsync: how durable it is.
        maxmemory, policy: its memory limit as in redis.conf (0: none), and what it does there.
        more: other lines of redis.conf.
        tls: listen with TLS too; `tls_url` is its address.
    """

    def __init__(
        self,
        folder: Path,
        *,
        appendonly: str = "yes",
        appendfsync: str = "always",
        maxmemory: str = "0",
        policy: str = "noeviction",
        more: Mapping[str, str] | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/0"
        self.socket_url = f"unix://:{PASSWORD_IN_URL}@{folder / 'socket'}"
        self.tls_port = free_port()
        self.tls_url = f"rediss://:{PASSWORD_IN_URL}@localhost:{self.tls_port}/0"
        self._program = needed("redis-server", "redis-server")
        self._user = unprivileged("redis")
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(folder / "socket"),
            "unixsocketperm": "777",
            "dir": str(folder),
            "requirepass": PASSWORD,
            "save": '""',
            "appendonly": appendonly,
            "appendfsync": appendfsync,
            "maxmemory": maxmemory,
            "maxmemory-policy": policy,
        } | dict(more or {})
        if tls is not None:
            settings |= {
                "tls-port": str(self.tls_port),
                "tls-cert-file": str(tls.certificate),
                "tls-key-file": str(tls.key),
                "tls-ca-cert-file": str(tls.authority),
                "tls-auth-clients": "no",
            }
        (folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if self._user is not None:
            for path in (folder, folder / "redis.conf"):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> None:
        """Start it and return once it has its data and answers."""
        command = [str(self._program), str(self.folder / "redis.conf")]
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
            )
        wait_until(self._answers, f"Redis on port {self.port}", START_SECONDS)

    def configure(self, **settings: str) -> None:
        """Other settings from the next start on; `_` in a name is `-`."""
        lines = "".join(f"{name.replace('_', '-')} {value}\n" for name, value in settings.items())
        with (self.folder / "redis.conf").open("a") as file:
            file.write(lines)

    def ask(self, *command: Any) -> Any:
        """The reply to one command, on a connection of its own."""
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It hangs: connections stay, answers do not come."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        wait_until_stopped(self._process.pid)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._signal(number)
            self._process.wait(START_SECONDS)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Redis ended: {(self.folder / 'output').read_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\nPING\r\n" % (len(PASSWORD), PASSWORD.encode()))
                said = b""
                while said.count(b"\r\n") < 2:
                    said += connection.recv(1000) or b"-closed\r\n-closed\r\n"
                return said == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False
