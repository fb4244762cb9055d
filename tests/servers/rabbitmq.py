"""A RabbitMQ node of the tests' own: own name, ports, folders, cookie and port mapper; nothing of an installed one.

`pause` and `resume` stop its processes without ending them, as a machine that hangs does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import START_SECONDS, free_port, needed, unprivileged, wait_until, wait_until_stopped

PLACES = ("/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/bin")
"""Where the node's own programs are; those on the PATH of a Debian system insist on root."""
USER = "tallystick"
PASSWORD = "geheim-%2F-wort"  # percent-encoded as in the URL
GREETING = b"AMQP\x00\x00\x09\x01"


class RabbitServer:
    """One node; `url` has user and password, and the virtual host `/`.

    Args:
        tls: listen with TLS too; `tls_url` is that address, and names the certificate to trust.
    """

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self._folder = folder
        self._program = needed("rabbitmq-server", "rabbitmq-server", *PLACES)
        self._ctl = needed("rabbitmqctl", "rabbitmq-server", *PLACES)
        self._epmd = needed("epmd", "erlang-base")
        user = unprivileged("rabbitmq")
        self._uid = user.pw_uid if user else None
        self._gid = user.pw_gid if user else None
        self._groups: list[int] | None = [] if user else None
        self._tls = tls
        self.port, self._dist_port, self._epmd_port, self._tls_port = (free_port() for _ in range(4))
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = self.url_at(self.port)
        self.tls_url = f"amqps://{USER}:{PASSWORD}@127.0.0.1:{self._tls_port}/?cafile={folder / 'certificate.pem'}"
        self._lay_out()

    def url_at(self, port: int) -> str:
        """The URL of the node by way of another port of this machine."""
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{port}/"

    def start(self) -> None:
        """Start it and return once it speaks AMQP. Raises TimeoutError with the end of its log."""
        try:
            self._launch(str(self._epmd), "-port", str(self._epmd_port), "-address", "127.0.0.1")
            wait_until(lambda: self._connects(self._epmd_port), "epmd")  # a node that does not find it ends
            self._launch(str(self._program))
            wait_until(self._answers, "RabbitMQ", START_SECONDS)
        except TimeoutError as error:
            self.kill()
            raise TimeoutError(f"{error}\n{(self._folder / 'output').read_text()[-3000:]}") from None

    @property
    def running(self) -> bool:
        """Whether `start` has been called since it was ended."""
        return bool(self._processes)

    def kill(self) -> None:
        """SIGKILL to the node and its port mapper."""
        self._signal(signal.SIGKILL)
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def stop(self) -> None:
        """End it in good order."""
        if self._processes:
            self.ctl("shutdown")
        self.kill()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)
        for process in self._processes:
            if process.poll() is None:
                wait_until_stopped(process.pid)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def ctl(self, *arguments: str) -> str:
        """`rabbitmqctl` on this node; what it printed. It starts an Erlang of its own: about a second."""
        command = [str(self._ctl), "--quiet", *arguments]
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
            user=self._uid,
            group=self._gid,
            extra_groups=self._groups,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _launch(self, *command: str) -> None:
        with (self._folder / "output").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    env=self._environment(),
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    user=self._uid,
                    group=self._gid,
                    extra_groups=self._groups,
                )
            )

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, number)

    @staticmethod
    def _connects(port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _answers(self) -> bool:
        if self._processes and self._processes[-1].poll() is not None:
            raise TimeoutError("RabbitMQ ended while it started")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(GREETING)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _lay_out(self) -> None:
        """Its folder, configuration and cookie, all of the user that it runs as."""
        for name in ("data", "log", "home"):
            (self._folder / name).mkdir()
        (self._folder / "node.conf").write_text("\n".join(self._configuration()) + "\n")
        (self._folder / "env.conf").write_text("")
        (self._folder / "plugins").write_text("[].\n")
        if self._tls:
            self._certify()
        cookie = self._folder / "home" / ".erlang.cookie"
        cookie.write_text("tallystick-tests")
        cookie.chmod(0o400)
        if self._uid is not None and self._gid is not None:
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, self._uid, self._gid)

    def _certify(self) -> None:
        """A certificate for 127.0.0.1 that is its own authority."""
        command = [
            str(needed("openssl", "openssl")),
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-out",
            str(self._folder / "certificate.pem"),
            "-keyout",
            str(self._folder / "key.pem"),
        ]
        subprocess.run(command, check=True, capture_output=True)

    def _configuration(self) -> Sequence[str]:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"default_user = {USER}",
            f"default_pass = {PASSWORD.replace('%2F', '/')}",
            "disk_free_limit.absolute = 50MB",
        ]
        if self._tls:
            lines += [
                f"listeners.ssl.1 = 127.0.0.1:{self._tls_port}",
                f"ssl_options.certfile = {self._folder / 'certificate.pem'}",
                f"ssl_options.keyfile = {self._folder / 'key.pem'}",
            ]
        return lines

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": f"tallystick-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "node.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # Without this Erlang's schedulers spin while they wait, on cores that the tests need.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
