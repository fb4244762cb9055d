"""A server process with keys of three readers and some history, and requests to it that end as the tests like."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.faults.rolling import Part
from tests.helpers.http.keyed import BLOG, BODIES, CHANGES, EVERY, KEYS, QUERIES, SHOP, VALUES, WRITE
from tests.helpers.http.plain_http import TIMEOUT
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port, wait_until

EVENTS = 24_000
"""Of the site `shop`: an export of them does not fit into what lies between two processes."""
IDLE = 2.0
"""TALLYSTICK_EXPORT_IDLE of the server."""
NOW = "2025-11-12T19:30:01Z"
VIEW = {"site_id": "web", "event_type": "page_view", "path": "/", "user_id": "u", "timestamp": NOW}
SMOLHOG = {"events": [{"event_id": "e", "event_name": "view", "user_id": "u", "timestamp": NOW}]}
WRITES: Mapping[str, Any] = {
    "/v1/events": {"name": "view", "site_id": "web"},
    "/events": SMOLHOG,
    "/api/events": SMOLHOG,
    "/v1/events/bulk": {"events": [{"event_type": "view", "actor_id": "u", "source": "web", "timestamp": NOW}]},
    "/api/event": VIEW,
    "/event": VIEW,
}


class Request(NamedTuple):
    """A request as bytes; `name` is its method and path."""

    name: str
    data: bytes


class Asked:
    """`tallystick up` with its data in `folder`.

    Args:
        postgres: where its store is; None: DuckDB in the folder.
    """

    def __init__(self, folder: Path, postgres: PostgresServer | None = None) -> None:
        self._postgres = postgres
        store_url = "" if postgres is None else postgres.new_database(statements=True)
        sql_url = "" if postgres is None else postgres.statements_url(store_url)
        self.port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "TALLYSTICK_DATA": str(folder),
            "TALLYSTICK_STORE_URL": store_url,
            "TALLYSTICK_SQL": "true",
            "TALLYSTICK_SQL_URL": sql_url,
            "TALLYSTICK_EXPORT_IDLE": str(IDLE),
            "TALLYSTICK_QUERY_TIMEOUT": "20",
            "TALLYSTICK_DISK_RESERVE_BYTES": "0",
            "TALLYSTICK_LOG_LEVEL": "warning",
            "TALLYSTICK_ALLOW_WEAK_DURABILITY": "true",
            **{f"TALLYSTICK_{name}".upper(): value.get_secret_value() for name, value in KEYS.items()},
        }
        self.part = Part(("up", "--port", str(self.port)), settings, folder / "log")
        try:
            self.part.until_ready()
            self._fill()
            self.token = self._share()
        except BaseException as error:
            self.part.kill()
            raise AssertionError(self.part.output[-3000:]) from error

    # --- what is there --------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        begin = datetime.now(UTC) - timedelta(days=2)
        with self.client(WRITE) as client:
            for first in range(0, EVENTS, 4_000):
                events = [
                    {
                        "name": f"name {n % 7}",
                        "site_id": "shop",
                        "user_id": f"u{n % 900}",
                        "session_id": f"s{n % 5000}",
                        "timestamp": (begin + timedelta(seconds=4 * n)).isoformat(),
                        "path": f"/{n % 50}",
                        "properties": {"text": secrets.token_hex(200), "n": n},
                    }
                    for n in range(first, first + 4_000)
                ]
                assert client.post("/v1/events", json=events).status_code == 202
            assert client.post("/v1/events", json=[{"name": "read", "site_id": "blog"}] * 20).status_code == 202
        wait_until(lambda: self.count("*") == EVENTS + 20, "all events")

    def _share(self) -> str:
        """A board with a report and a link to it, whose token this is."""
        question = {"kind": "metrics", "metrics": [{"kind": "events"}]}
        with self.client(EVERY) as client:
            report = client.post("/v1/reports", json={"name": "r", "site_id": "shop", "question": question}).json()
            tiles = [{"report_id": report["id"]}]
            board = client.post("/v1/boards", json={"name": "b", "site_id": "shop", "tiles": tiles}).json()
            made = client.post(f"/v1/boards/{board['id']}/shares", json={"name": "s"}).json()
        self._values = {**VALUES, "report_id": report["id"], "board_id": board["id"]}
        return str(made["token"])

    # --- asking in order ------------------------------------------------------------------------------------------

    def client(self, key: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, verify=False, timeout=TIMEOUT)

    def count(self, site: str, key: str = EVERY) -> int:
        with self.client(key) as client:
            answer = client.get("/v1/query", params={"metric": "events", "site_id": site})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["rows"][0]["events"])

    def metrics(self) -> dict[str, float]:
        with self.client(EVERY) as client:
            lines = client.get("/metrics").text.splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def metric(self, name: str) -> float:
        return self.metrics()[name]

    def ready(self) -> bool:
        with self.client(EVERY) as client:
            return client.get("/readyz").status_code == 200

    def at_rest(self) -> bool:
        """Whether nothing runs, waits or is sent."""
        names = (
            'tallystick_queries{state="running"}',
            'tallystick_queries{state="waiting"}',
            "tallystick_exports",
            "tallystick_live_listeners",
        )
        metrics = self.metrics()
        return all(metrics[name] == 0 for name in names)

    def transactions(self) -> str:
        """What PostgreSQL says of connections that are not idle; nothing on DuckDB."""
        if self._postgres is None:
            return ""
        return self._postgres.sql(
            "SELECT state, query FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle' "
            "AND application_name = 'tallystick'",
            "postgres",
        )

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.part.process.pid}/fd").iterdir()))

    def scratch(self) -> list[str]:
        """Folders in which files are made for answers."""
        return [path.name for path in self.folder.glob("export-*")]

    # --- asking and leaving ---------------------------------------------------------------------------------------

    def requests(self) -> list[Request]:
        """One for each route of the OpenAPI document, and for each form that an answer may have."""
        with self.client(EVERY) as client:
            paths = client.get("/openapi.json").json()["paths"]
        found = [self.request(method.upper(), path) for path, item in paths.items() for method in item]
        files = [("/v1/export", f"format={form}&site_id=shop") for form in ("ndjson", "csv", "parquet")]
        found += [self.request("GET", path, query) for path, query in files]
        found += [self.request("GET", "/v1/live", "site_id=shop"), self.request("GET", "/v1/verify")]
        for form in ("csv", "parquet"):
            found.append(self.request("POST", "/v1/query", f"format={form}", {"kind": "events", "site_id": "shop"}))
            statement = {"sql": "SELECT * FROM events LIMIT 3000"}
            found.append(self.request("POST", "/v1/sql", f"format={form}", statement))
        slow = {
            "kind": "metrics",
            "site_id": "shop",
            "breakdown": ["user_id", "properties.n"],
            "top": 5,
            "other": True,
            "metrics": [{"kind": "users"}, {"kind": "median", "property": "n"}],
        }
        return [*found, *[self.request("POST", "/v1/query", "", slow)] * 3]

    def request(self, method: str, path: str, query: str | None = None, body: Any = None, key: str = "") -> Request:
        """One to a route of the document, with what the route needs unless something else is given."""
        if body is None and method in ("POST", "PUT"):
            body = WRITES.get(path, BODIES.get(path)) if method == "POST" else CHANGES.get(path)
        usual = WRITE if path in WRITES and method == "POST" else self.token if path.startswith("/v1/shared") else EVERY
        content = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        values = VALUES if method == "DELETE" else self._values
        usual_query = QUERIES.get(path, "") if method in ("GET", "HEAD") else ""
        target = f"{path.format(**values)}?{usual_query if query is None else query}"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if body is not None else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key or usual}\r\n{kind}\r\n"
        return Request(f"{method} {target}", head.encode() + content)

    @contextlib.contextmanager
    def sent(self, request: Request, most: int | None = None) -> Iterator[socket.socket]:
        """A connection over which it was sent, or its first bytes, and which takes little at a time."""
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(TIMEOUT)
            connection.connect(("127.0.0.1", self.port))
            connection.sendall(request.data[:most])
            yield connection

    def status(self, request: Request, seconds: float = 0.5) -> int:
        """The status of its answer, of which no more than the beginning is read."""
        with self.sent(request) as connection:
            head = connection.recv(4096)
            while b"\r\n" not in head:
                head += connection.recv(4096)
        return int(head.split()[1])

    def cut(self, request: Request, after: float, read: int, reset: bool, most: int | None = None) -> None:
        """Leave after so many seconds and so many bytes of the answer."""
        with self.sent(request, most) as connection, contextlib.suppress(OSError):
            connection.settimeout(after)
            end = time.monotonic() + after
            while read > 0 and time.monotonic() < end and (found := connection.recv(min(read, 65536))):
                read -= len(found)
            time.sleep(max(0.0, end - time.monotonic()))
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the connection ends."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def eventually(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    wait_until(holds, what, seconds)


__all__ = ["BLOG", "EVERY", "SHOP", "WRITE", "Asked", "Request", "eventually", "rest_of"]
