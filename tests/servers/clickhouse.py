"""A ClickHouse server of the tests' own, without any installed program: it is in the package `chdb-core`.

`chdb._chdb.query` is that package's own; it runs ClickHouse's `LocalServer`, which opens the server's ports on a
statement. It ends when its standard input does. What is in it is ClickHouse's code: users, limits, errors, files.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tallystick.config import Settings
from tallystick.store.clickhouse.role import ROLE, setup_xml
from tests.servers.process import START_SECONDS, free_port, wait_until, wait_until_stopped

USER = "tallystick"
PASSWORD = "geheim/%40:wort"
PASSWORD_IN_URL = "geheim%2F%2540%3Awort"
ROLE_PASSWORD = "asks-and-nothing-else"
STATEMENT_DATABASES = 8
"""How many databases for statements there are at a time, each with a user of its own."""

SERVE = """
import os, sys
os.chdir(sys.argv[1])
from chdb import _chdb
_chdb.query(
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT count() FROM file('-', LineAsString, 'line String')",
    "TSV",
    path=os.path.abspath("data"),
)
"""
"""A server in a folder, until the standard input ends. `path` is absolute: a relative one is not synced to disk."""

CONFIG = """
<clickhouse>
    <http_port>{port}</http_port>
    <tcp_port>{tcp_port}</tcp_port>
    <listen_host>127.0.0.1</listen_host>
    <max_server_memory_usage>{memory}</max_server_memory_usage>
    <user_directories><users_xml><path>{folder}/users.xml</path></users_xml></user_directories>
    {cluster}
</clickhouse>
"""
USERS = """
<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <no_password/>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <access_management>1</access_management>
        </default>
        <{user}>
            <password>{password}</password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
        </{user}>
    </users>
</clickhouse>
"""


CLUSTER = "two"
"""Name of the tests' cluster."""
SHARD = """
            <shard><replica>
                <host>127.0.0.1</host><port>{port}</port><user>{user}</user><password>{password}</password>
            </replica></shard>"""


class ClickHouseServer:
    """One server with its data in `folder`; `url` has no database.

    Args:
        memory: bytes that all statements together may take.
        tcp_ports: of the servers of its cluster, a shard each, its own among them; empty: it has no cluster.
        number: its index among them.
    """

    def __init__(self, folder: Path, *, memory: int = 2 << 30, tcp_ports: Sequence[int] = (), number: int = 0) -> None:
        if importlib.util.find_spec("chdb") is None:
            message = "chdb-core is not installed; `scripts/install dev` installs it"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        self.folder = folder
        self.port = free_port()
        self.url = f"clickhouse://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._free = list(range(STATEMENT_DATABASES))
        (folder / "users.d").mkdir()
        for name in range(STATEMENT_DATABASES):
            user = setup_xml(f"{ROLE}_{name}", ROLE_PASSWORD, f"asked_{name}", Settings())
            self.add_user(f"statements_{name}.xml", user)
        shards = "".join(SHARD.format(port=port, user=USER, password=PASSWORD) for port in tcp_ports)
        cluster = f"<remote_servers><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>" if tcp_ports else ""
        tcp_port = tcp_ports[number] if tcp_ports else free_port()
        config = CONFIG.format(port=self.port, tcp_port=tcp_port, memory=memory, folder=folder, cluster=cluster)
        (folder / "config.xml").write_text(config)
        (folder / "users.xml").write_text(USERS.format(user=USER, password=PASSWORD))

    def start(self) -> None:
        """Start it and return once it answers."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        wait_until(self._answers, f"ClickHouse on port {self.port}", START_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; the data stays."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._end(None)

    def pause(self) -> None:
        """It hangs: connections stay, answers do not come."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        wait_until_stopped(self._process.pid)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def new_database(self, *, statements: bool = False) -> str:
        """Make an empty database; its URL.

        Args:
            statements: one that the user of `statements_url` may ask.
        """
        name = f"tallystick_{next(self._numbers)}"
        if statements:
            name = f"asked_{self._free.pop()}"
        self.sql(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def drop_database(self, url: str) -> None:
        """Remove a database; a later one for statements may have its name."""
        name = urlsplit(url).path[1:]
        self.sql(f"DROP DATABASE IF EXISTS {name} SYNC")
        if name.startswith("asked_"):
            self._free.append(int(name.removeprefix("asked_")))

    def add_user(self, file: str, xml: str) -> None:
        """Give it a user by a file, before it starts: `chdb-core` can neither CREATE USER nor read users anew."""
        (self.folder / "users.d" / file).write_text(xml)

    def statements_url(self, url: str) -> str:
        """The URL of a database for statements as the user that they run as."""
        database = urlsplit(url).path[1:]
        return f"clickhouse://{ROLE}_{database.removeprefix('asked_')}:{ROLE_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "default") -> str:
        """What ClickHouse answers a statement: columns separated by tabs.

        Raises:
            RuntimeError: ClickHouse refuses the statement.
        """
        address = f"http://127.0.0.1:{self.port}/?database={quote(database)}"
        try:
            with urllib.request.urlopen(address, statement.encode(), timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from error

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"ClickHouse ended: {(self.folder / 'output').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals | None) -> None:
        if self._process is None:
            return
        if number is not None and self._process.poll() is None:
            self._signal(number)
        self._process.wait(START_SECONDS)
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()


class ClickHouseCluster:
    """Two servers, a shard each, without replicas: the servers in `chdb-core` have no Keeper."""

    def __init__(self, folder: Path, *, memory: int = 1 << 30) -> None:
        ports = [free_port(), free_port()]
        self.servers: list[ClickHouseServer] = []
        for number in range(len(ports)):
            own = folder / f"shard{number + 1}"
            own.mkdir()
            self.servers.append(ClickHouseServer(own, memory=memory, tcp_ports=ports, number=number))

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def kill(self) -> None:
        for server in self.servers:
            if server.running:
                server.kill()

    def new_database(self, *, statements: bool = False) -> str:
        """Make an empty database on both servers; its URL. `statements`: as `ClickHouseServer.new_database`."""
        first, *others = self.servers
        name = urlsplit(first.new_database(statements=statements)).path[1:]
        for server in others:
            server.sql(f"CREATE DATABASE {name}")
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"clickhouse://{USER}:{PASSWORD_IN_URL}@{hosts}/{name}?cluster={CLUSTER}&replicated=false"

    def drop_database(self, url: str) -> None:
        """Remove a database."""
        first, *others = self.servers
        name = urlsplit(url).path[1:]
        for server in others:
            server.sql(f"DROP DATABASE IF EXISTS {name} SYNC")
        first.drop_database(f"{first.url}/{name}")

    def statements_url(self, url: str) -> str:
        """As `ClickHouseServer.statements_url`: the first server runs statements."""
        return self.servers[0].statements_url(url)
