"""What the snippet's tests run against: a server of Tallystick's, and a web site of another origin with the snippet."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tallystick.harness.server import ServerProcess
from tests.servers.process import free_port, wait_until

SCRIPT = "/js/tallystick.js"


class Server:
    """`tallystick up` on one port, whenever it runs.

    Attributes:
        site: whose events are looked at; each test has its own.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.site = "*"
        given = {"TALLYSTICK_DISK_RESERVE_BYTES": "0", "TALLYSTICK_BATCH_MAX_AGE": "0", **(settings or {})}
        self.process = ServerProcess(folder / "data", given, port=port)

    def events(self, site: str = "") -> list[dict[str, Any]]:
        """What is stored of a site (empty: the test's own), oldest first."""
        with closing(self.process.api()) as api:
            answer = api.get(f"/v1/events?site_id={site or self.site}&order=oldest&limit=5000")
        rows: list[dict[str, Any]] = answer["rows"]
        return sorted(rows, key=lambda row: str(row["timestamp"]))

    def wait_for(self, names: list[str]) -> list[dict[str, Any]]:
        """The events, once these are all, in this order."""
        seen: list[dict[str, Any]] = []

        def there() -> bool:
            seen[:] = self.events()
            return [row["name"] for row in seen] == names

        try:
            wait_until(there, f"the events {names}", 60.0)
        except TimeoutError:
            raise AssertionError(f"stored are {[row['name'] for row in seen]}, not {names}") from None
        return seen


class Site:
    """A web site whose pages all use the snippet, with the attributes and headers that a test sets."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.server = ""
        self.attributes: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.head = ""
        self.body = ""
        self.files: dict[str, str] = {}
        """Scripts by their path."""

    def page(self) -> str:
        given = "".join(f' {name}="{html.escape(value)}"' for name, value in self.attributes.items())
        script = f'<script defer src="{self.server}{SCRIPT}"{given}></script>'
        return f"<!doctype html><title>A page</title>{self.head}{script}<body>{self.body}</body>"


@contextmanager
def site() -> Iterator[Site]:
    """A site that is served while the block runs."""
    made = Site("")
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _answers(lambda: made))
    made.url = f"http://127.0.0.1:{listener.server_port}"
    serving = threading.Thread(target=listener.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield made
    finally:
        listener.shutdown()
        serving.join()
        listener.server_close()


def _answers(shown: Callable[[], Site]) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one = shown()
            path = self.path.partition("?")[0]
            if path == "/favicon.ico":
                self.send_error(404)
                return
            body = one.files.get(path, one.page()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if path in one.files else "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in one.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Answer
