"""A PostgreSQL server for the tests, and a fresh database in it for each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tallystick.config import Settings
from tallystick.store import make_store
from tallystick.store.postgres.role import ROLE, setup
from tests.servers.process import free_port, needed, unprivileged, wait_until

USER = "tallystick"
PASSWORD = "not-so-secret"
ROLE_PASSWORD = "asks-and-nothing-else"
TEMPLATE = "tallystick_statements"
"""A database in which the role for statements is as `tallystick sql-role` makes it."""
MIGRATED = "tallystick_migrated"
"""A database with the store's tables, and nothing in them."""
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}
"""Beside these the server runs as it is installed: durable, and with the defaults an operator starts with."""
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests that never kill the server."""


class PostgresServer:
    """One server with its data in `folder`.

    Args:
        durable: False turns fsync off, for suites that make many databases and kill nothing.
        tls: serve TLS with a certificate of its own (`folder / "server.crt"`).
    """

    def __init__(self, folder: Path, *, durable: bool = True, tls: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = self._url("postgres")
        self._options = OPTIONS | ({} if durable else FAST) | ({"ssl": "on"} if tls else {})
        self._owner = unprivileged("postgres")
        self._numbers = itertools.count()
        self._made = False
        self._process: subprocess.Popen[bytes] | None = None
        self._bin = needed("postgres", "postgresql-15", *_folders()).parent
        self._make(tls)
        # Less than half the time where nothing waits for the disk. Versions before 15 know no other way.
        known = int(self._run_as_owner("postgres", "--version").split()[2].split(".")[0]) >= 15
        self._copied = " STRATEGY FILE_COPY" if known and not durable else ""

    def _make(self, tls: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self._owner is not None:
            shutil.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
            shutil.chown(secret, self._owner.pw_uid, self._owner.pw_gid)
        self._run_as_owner(
            "initdb",
            "--pgdata",
            str(self._data),
            "--username",
            USER,
            "--pwfile",
            str(secret),
            "--no-sync",
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
        )
        if tls:
            self._certify()

    def _certify(self) -> None:
        """A certificate for 127.0.0.1 that only who has it trusts."""
        crt, key = self._data / "server.crt", self._data / "server.key"
        openssl = needed("openssl", "openssl")
        command = [
            str(openssl),
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
            str(crt),
            "-keyout",
            str(key),
        ]
        subprocess.run(command, check=True, capture_output=True)
        key.chmod(0o600)
        if self._owner is not None:
            shutil.chown(key, self._owner.pw_uid, self._owner.pw_gid)
        shutil.copy(crt, self.folder / "server.crt")

    # --- the server's life ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and return once it answers; a crashed one recovers first."""
        options = [f"--{name}={value}" for name, value in self._options.items()]
        command = [str(self._bin / "postgres"), "-D", str(self._data), f"--port={self.port}", *options]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-k", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as_owner(),  # type: ignore[call-overload]
            )
        wait_until(self._answers, f"PostgreSQL on port {self.port}")

    def kill(self) -> None:
        """SIGKILL to the server and its children, at once, as when the machine dies."""
        assert self._process is not None
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            _signal(pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of PostgreSQL")

    def stop(self) -> None:
        """A fast shutdown: connections are ended, a checkpoint is written."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'server.log').read_text()[-2000:]}")
        ready = [str(self._bin / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0

    # --- databases ------------------------------------------------------------------------------------------------

    def new_database(self, *, statements: bool = False, migrated: bool = False, owner: str = USER) -> str:
        """Make an empty database; its URL.

        Args:
            migrated: with the store's tables, copied from a database in which they are made once.
            statements: with the role that users' own statements run as; `statements_url` is its URL.
            owner: another user than the server's superuser.
        """
        name = f"tallystick_{next(self._numbers)}"
        if migrated and not statements:
            self.sql(f"CREATE DATABASE {name} TEMPLATE {self._migrated()}{self._copied}", "postgres")
            return self._url(name)
        template = f" TEMPLATE {TEMPLATE}" if statements else ""
        if statements and not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'", "postgres"):
            self.sql(f"CREATE DATABASE {TEMPLATE}", "postgres")
            self.script(setup(ROLE, ROLE_PASSWORD, "public", Settings(), "For the tests."), TEMPLATE)
        self.sql(f"CREATE DATABASE {name} OWNER {owner}{template}{self._copied}", "postgres")
        if statements:  # what a template does not pass on
            self.sql(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC", "postgres")
        return self._url(name, owner)

    def _migrated(self) -> str:
        """The name of a database with the store's tables."""
        if not self._made:
            self.sql(f"CREATE DATABASE {MIGRATED}", "postgres")

            async def migrate() -> None:
                store = make_store(Settings(store_url=self._url(MIGRATED), allow_weak_durability=True))
                await store.open()
                await store.migrate()
                await store.close()

            with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop already
                pool.submit(asyncio.run, migrate()).result()
            self._made = True
        return MIGRATED

    def statements_url(self, url: str) -> str:
        """A database's URL as the role that statements run as."""
        return f"postgresql://{ROLE}:{ROLE_PASSWORD}@127.0.0.1:{self.port}/{urlsplit(url).path[1:]}"

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {urlsplit(url).path[1:]} WITH (FORCE)", "postgres")

    def sql(self, statement: str, database: str) -> str:
        """What psql prints for a statement, columns separated by `|`."""
        result = self._run(
            "psql",
            "--no-psqlrc",
            "-v",
            "ON_ERROR_STOP=1",
            "-qAt",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            USER,
            "-d",
            database,
            "-c",
            statement,
        )
        return result.strip()

    def script(self, statements: str, database: str) -> None:
        """Let psql run a file."""
        file = self.folder / "script.sql"
        file.write_text(statements)
        self._run(
            "psql",
            "--no-psqlrc",
            "-v",
            "ON_ERROR_STOP=1",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            USER,
            "-d",
            database,
            "-f",
            str(file),
        )

    def schema(self, url: str) -> str:
        """A database's schema as pg_dump writes it."""
        return self._run("pg_dump", "--schema-only", "--no-owner", "--dbname", url)

    def _url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run_as_owner(self, program: str, *arguments: str) -> str:
        """A program that refuses root; its output."""
        return self._run(program, *arguments, **self._as_owner())

    def _run(self, program: str, *arguments: str, **user: Any) -> str:
        """A program of PostgreSQL's; its output. A client runs as this process's user: to change the user, Python would
        copy the page tables of all its memory first.
        """
        environment = {"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")
        return str(done.stdout)

    def _as_owner(self) -> dict[str, object]:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}


def _folders() -> list[str]:
    """Where Debian puts the programs of each version, the newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return [str(path) for path in found]


def _children(parent: int) -> list[int]:
    """The processes that this one started; each of PostgreSQL's is in a session of its own, so no signal finds all."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
