"""Bytes to a server and from it, over sockets of the tests' own: clients are too polite for these."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.faults.rolling import Part

H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA")
"""Headers of a client that would rather speak HTTP/2."""
PATIENCE = 30.0
"""Seconds for an answer, on a machine that does other things too."""


class Answer(NamedTuple):
    """One HTTP answer, and whether the server closes the connection after it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, str]:
        """The `error` of Tallystick's own form."""
        found: dict[str, str] = json.loads(self.body)["error"]
        return found

    @property
    def closes(self) -> bool:
        return "close" in self.headers.get("connection", "")


class NoAnswer(Exception):
    """The connection ended, or nothing came; the message has what there was."""


class Line:
    """One connection; `url` is the server's."""

    def __init__(self, url: str, patience: float = PATIENCE, source: str = "") -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection(
            (parts.hostname or "127.0.0.1", parts.port or 80), patience, (source, 0) if source else None
        )
        self._read = b""

    def send(self, data: bytes) -> bool:
        """Whether all of it left; False: the server closed the connection meanwhile."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def answer(self, head_only: bool = False, method: str = "GET") -> Answer:
        """The next answer. Raises NoAnswer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if status == 100:
            return self.answer(head_only, method)
        if head_only or method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        return Answer(status, headers, self._chunks() if "transfer-encoding" in headers else self._bytes(headers))

    def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as that."""
        try:
            while piece := self.socket.recv(65_536):
                self._read += piece
        except ConnectionError:
            pass
        return self._read

    def closed_within(self, seconds: float) -> bool:
        """Whether the server closes the connection so soon."""
        self.socket.settimeout(seconds)
        try:
            self.rest()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.socket.close()

    def _bytes(self, headers: dict[str, str]) -> bytes:
        size = int(headers.get("content-length", "0"))
        while len(self._read) < size:
            self._more()
        body, self._read = self._read[:size], self._read[size:]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while not (found := re.match(rb"([0-9a-f]+)\r\n", self._read)):
                self._more()
            size = int(found[1], 16)
            end = found.end() + size + 2
            while len(self._read) < end:
                self._more()
            body += self._read[found.end() : end - 2]
            self._read = self._read[end:]
            if not size:
                return body

    def _more(self) -> None:
        try:
            piece = self.socket.recv(65_536)
        except OSError as error:
            raise NoAnswer(f"{error}; before: {self._read[:200]!r}") from error
        if not piece:
            raise NoAnswer(f"closed; before: {self._read[:200]!r}")
        self._read += piece


@contextmanager
def line(url: str, patience: float = PATIENCE, source: str = "") -> Iterator[Line]:
    """A connection that is closed at the end."""
    made = Line(url, patience, source)
    try:
        yield made
    finally:
        made.close()


def request(
    method: str, target: str | bytes, *headers: str, body: bytes | None = None, host: str = "localhost"
) -> bytes:
    """A request's bytes."""
    given = target if isinstance(target, bytes) else target.encode()
    lines = [b"%b %b HTTP/1.1" % (method.encode(), given), f"host: {host}".encode(), *(one.encode() for one in headers)]
    if body is not None:
        lines += [b"content-type: application/json", b"content-length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body or b""])


def ask(url: str, data: bytes, *, head_only: bool = False, method: str = "GET") -> Answer:
    """The first answer on a connection of its own to exactly these bytes. Raises NoAnswer."""
    with line(url) as connection:
        connection.send(data)
        return connection.answer(head_only, method)


def metric(url: str, name: str) -> float:
    """A metric's value as a scrape shows it; 0 where it is not there."""
    text = ask(url, request("GET", "/metrics", "connection: close")).body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def soon(check: Any, what: str, seconds: float = PATIENCE) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[tuple[Part, str]]:
    """`tallystick up`, and its URL; at the end nothing in its log has a traceback."""
    part = Part(("up", "--port", "0"), {"TALLYSTICK_DATA": str(folder / "data"), **settings}, folder / "log")
    try:
        yield part, part.until_ready()
        assert "Traceback" not in part.output, part.output
    finally:
        part.kill()


def resident(pid: int) -> int:
    """Bytes of memory that the process has."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4_096
