"""What a client may send, for how long, and how it is refused: heads, bodies, unread answers, `Upgrade`.

Each refusal has to be readable: a connection that is reset takes its answer with it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tallystick.dialects.smolhog import WRITE_PATHS
from tests.faults.rolling import Part
from tests.helpers.http.steps import (
    H2C,
    PATIENCE,
    Answer,
    NoAnswer,
    ask,
    line,
    metric,
    request,
    resident,
    running,
    soon,
)
from tests.helpers.thorough import THOROUGH, some
from tests.servers.process import free_port
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

KIB = 1024
DEADLINE = 3.0
SHORT = {f"TALLYSTICK_{name}_TIMEOUT": f"{DEADLINE:g}" for name in ("HEADER", "SEND", "BODY")}
"""Only for the tests of time: on a busy machine a client of these may be late, too."""
EVENT = b'{"name":"page_view","user_id":"u"}'
ENDLESS = 100 if THOROUGH else 20
"""MB of a head without an end."""
START = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"

HEADS: dict[str, tuple[bytes, bytes, int]] = {
    "URL": (b"GET /", b"a" * KIB, 414),
    "query": (b"GET /v1/query?", b"a=b&" * 256, 414),
    "header value": (START + b"x: ", b"a" * KIB, 431),
    "header name": (START, b"a" * KIB, 431),
    "headers": (START, b"x: y\r\n" * 170, 431),
    "empty lines": (b"", b"\r\n" * 512, 400),
    "trailers": (
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"x: " + b"y" * 509 + b"\r\n",
        431,
    ),
    "one trailer": (
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: ",
        b"y" * KIB,
        431,
    ),
    "chunk extension": (
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2;",
        b"a" * KIB,
        431,
    ),
}
"""The beginning of what has no end, what comes again and again, and the status that ends it."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Part, str]]:
    with running(tmp_path_factory.mktemp("http")) as (part, url):
        yield part, url


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with short deadlines."""
    with running(tmp_path_factory.mktemp("hurried"), **SHORT) as (_, url):
        yield url


@pytest.fixture
def server(process: tuple[Part, str]) -> Part:
    return process[0]


@pytest.fixture
def url(process: tuple[Part, str]) -> str:
    return process[1]


# --- heads ----------------------------------------------------------------------------------------------------------


def test_a_head_without_an_end_is_refused_at_once(server: Part, url: str) -> None:
    """Nothing beyond the limit is kept, and the others do not wait."""
    for kind in some(HEADS):
        start, again, status = HEADS[kind]
        before = resident(server.process.pid)
        with line(url) as flood, line(url) as other:
            flood.send(start)
            sender = threading.Thread(target=flood.send, args=[again * (ENDLESS * KIB * KIB // len(again))])
            sender.start()
            answer = flood.answer()
            other.send(request("GET", "/healthz"))
            assert other.answer().status == 200
            flood.rest()
            sender.join()
        assert (answer.status, answer.closes) == (status, True), (kind, answer)
        assert answer.error["message"]
        assert resident(server.process.pid) - before < 12 * KIB * KIB, kind


def test_it_is_refused_in_small_pieces_too(url: str) -> None:
    for kind in some(HEADS):
        start, again, status = HEADS[kind]
        with line(url) as slow:
            slow.send(start)
            for _ in range(200):
                if not slow.send(again):
                    break
                time.sleep(0.001)
            assert slow.answer().status == status, kind


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("GET", "/healthz?" + "a" * 66_000), 414),
        (request("GET", "/healthz", "x: " + "a" * 66_000), 431),
        (request("GET", "/healthz", *["x: " + "a" * 700] * 100), 431),
        (request("GET", "/healthz", *["x: y"] * 257), 431),
        (request("GET", "/healthz?" + "a" * 60_000, "x: " + "a" * 60_000), 200),
        (request("GET", "/healthz", *["x: y"] * 250), 200),
    ],
    ids=["URL", "value", "values", "number", "large but allowed", "many but allowed"],
)
@pytest.mark.parametrize("before", [b"", request("POST", "/v1/events", body=EVENT)], ids=["first", "pipelined"])
def test_a_whole_head_is_measured(url: str, sent: bytes, status: int, before: bytes) -> None:
    """Also one that comes in the same segment as a request before; that one is answered first."""
    with line(url) as connection:
        connection.send(before + sent)
        if before:
            assert connection.answer().status == 202
        answer = connection.answer()
        assert (answer.status, answer.closes) == (status, status != 200)


def test_trailers_are_no_headers(url: str) -> None:
    """What comes after a body cannot change what was asked."""
    with line(url) as connection:
        connection.send(
            b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            b"%x;ext=1\r\n%b\r\n0\r\nx-request-id: from-a-trailer\r\n\r\n" % (len(EVENT), EVENT)
        )
        answer = connection.answer()
        assert answer.status == 202
        assert answer.headers["x-request-id"] != "from-a-trailer"
        connection.send(request("GET", "/healthz"))
        assert connection.answer().status == 200


def test_requests_without_a_number_do_not_wait_behind_one(server: Part, url: str) -> None:
    """A stream does not end: further requests on its connection cost no memory."""
    with line(url) as connection:
        connection.send(request("GET", "/v1/live"))
        assert connection.answer(head_only=True).status == 200
        before = resident(server.process.pid)
        assert connection.send(request("GET", "/healthz") * 100_000)
        assert resident(server.process.pid) - before < 30 * KIB * KIB
    soon(lambda: metric(url, "tallystick_http_connections") == 1, "the stream ends with its connection")


# --- time -----------------------------------------------------------------------------------------------------------


def test_who_says_nothing_is_closed(hurried: str) -> None:
    with line(hurried) as silent:
        assert silent.closed_within(PATIENCE)
        assert silent.rest() == b""


@pytest.mark.parametrize("first", [b"", request("GET", "/healthz")], ids=["first", "second"])
def test_a_head_has_a_deadline(hurried: str, first: bytes) -> None:
    """For all of it: another byte does not put it off."""
    with line(hurried) as slow:
        if first:
            slow.send(first)
            assert slow.answer().status == 200
        began = time.monotonic()
        slow.send(START + b"x: ")
        slow.socket.settimeout(0.1)
        while time.monotonic() - began < PATIENCE:
            slow.send(b"y")
            try:
                answer = slow.answer()
                break
            except NoAnswer:
                continue
        assert (answer.status, answer.closes) == (408, True)
        assert answer.error["code"] == "request_timeout"


BODIES = ("/v1/events", "/events", "/api/events", "/v1/events/bulk", "/api/event", "/event", "/v1/query", "/v1/reports")


def test_a_body_has_a_deadline(hurried: str) -> None:
    """In all, not from byte to byte; and a connection whose body is not read to its end closes."""
    with ExitStack() as stack:
        lines = {path: stack.enter_context(line(hurried)) for path in BODIES}
        for path, slow in lines.items():
            slow.send(request("POST", path, "content-type: application/json", "content-length: 1000"))
        answers: dict[str, Answer] = {}
        end = time.monotonic() + PATIENCE
        while len(answers) < len(BODIES) and time.monotonic() < end:
            for path in lines.keys() - answers.keys():
                lines[path].send(b" ")
                lines[path].socket.settimeout(0.02)
                with contextlib.suppress(NoAnswer):
                    answers[path] = lines[path].answer()
        assert {path: (one.status, one.closes) for path, one in answers.items()} == dict.fromkeys(BODIES, (408, True))


def test_an_answer_that_nobody_reads_ends(hurried: str) -> None:
    """Its connection is reset; one that is read slowly goes on to its end."""
    body = json.dumps({"events": [{"name": "big", "properties": {"x": "y" * 30_000}} for _ in range(200)]}).encode()
    for _ in range(4):
        assert ask(hurried, request("POST", "/v1/events", body=body)).status == 202
    soon(lambda: metric(hurried, "tallystick_queue_events") == 0, "the events are stored")
    name = 'tallystick_http_connections_ended_total{reason="unread"}'
    unread = metric(hurried, name)
    with line(hurried) as blind, line(hurried) as slow:
        for one in (blind, slow):
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
            one.send(request("GET", "/v1/export", "connection: close"))
        read = b""
        end = time.monotonic() + 1.5 * DEADLINE
        while time.monotonic() < end:
            read += slow.socket.recv(64 * KIB)
            time.sleep(0.02)
        soon(lambda: metric(hurried, name) == unread + 1, "the one that does not read is closed")
        assert (read + slow.rest()).endswith(b"\r\n0\r\n\r\n")
        assert not blind.rest().endswith(b"\r\n0\r\n\r\n")


def test_a_stream_stays_open(hurried: str) -> None:
    """No deadline is for an answer that is read. On a busy machine a client may be late itself, and the store may have
    no memory for what a stream begins with, but not each time.
    """
    seen: list[str] = []
    end = time.monotonic() + 2 * PATIENCE
    while "open" not in seen and time.monotonic() < end:
        with line(hurried) as connection:
            connection.send(request("GET", "/v1/live"))
            try:
                status = connection.answer(head_only=True).status
            except NoAnswer as error:
                seen.append(str(error))
                continue
            closed = status != 200 or connection.closed_within(DEADLINE * 1.5)
            seen.append(f"{status}, closed" if closed else "open")
            time.sleep(0.2)
    assert "open" in seen, seen


# --- refusals -------------------------------------------------------------------------------------------------------

LARGE = b"x" * (9 * KIB * KIB)
LARGER = b"x" * (33 * KIB * KIB)
"""More than SmolHog's own routes take, whose limit is a larger one."""


def test_after_a_413_the_connection_closes(url: str) -> None:
    """The client sends all of it before it reads, as many do, and gets its answer all the same."""
    for path in some(BODIES):
        body = LARGER if path in WRITE_PATHS else LARGE
        with line(url) as connection:
            assert connection.send(request("POST", path, body=body)), "the server does not take what it refuses"
            answer = connection.answer()
            assert (answer.status, answer.closes) == (413, True), path
            assert connection.closed_within(PATIENCE)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("POST", "/nothing", "content-length: 100"), 404),
        (request("DELETE", "/v1/query", "content-length: 100"), 405),
        (request("POST", "/v1/query", "content-length: 100", host="rebound.example"), 421),
        (request("POST", "/v1/events", "content-length: 99999999999"), 413),
        (request("GET", "/healthz", "content-length: 100"), 200),
    ],
    ids=["404", "405", "421", "413", "200"],
)
def test_a_body_that_is_not_read_ends_the_connection(url: str, sent: bytes, status: int) -> None:
    """What follows is the rest of that body, never another request."""
    with line(url) as connection:
        connection.send(sent)
        answer = connection.answer()
        assert (answer.status, answer.closes) == (status, True)
        connection.send(request("GET", "/healthz"))
        assert connection.rest() == b""


def test_who_goes_on_sending_is_cut_off(url: str) -> None:
    """A refusal waits for its reader for a bounded number of bytes and seconds."""
    with line(url) as connection:
        connection.send(b"nonsense\r\n\r\n")
        assert connection.answer().status == 400
        piece = b"x" * KIB * KIB
        assert not all(connection.send(piece) for _ in range(200))


def test_a_bad_request_is_answered_after_those_before_it(url: str) -> None:
    with line(url) as connection:
        connection.send(request("POST", "/v1/query", body=b'{"kind":"metrics"}') + b"nonsense\r\n\r\n")
        answers = [connection.answer(), connection.answer()]
        assert [(one.status, one.closes) for one in answers] == [(200, False), (400, True)]


# --- the other processes --------------------------------------------------------------------------------------------


def test_all_roles_have_the_limits(tmp_path: Path) -> None:
    """The children of `ingest --workers`, and the status page of `work`, which waits for a store that is not there."""
    with scratch_folder("redis") as folder, ExitStack() as stack:
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.kill)
        shared = {**SHORT, "TALLYSTICK_DATA": str(tmp_path), "TALLYSTICK_QUEUE_URL": redis.url}
        nowhere = f"postgresql://tallystick@127.0.0.1:{free_port()}/tallystick"
        ports = {"ingest": free_port(), "work": free_port()}
        for name, more, settings in (
            ("ingest", ("--workers", "2", "--port", str(ports["ingest"])), {"TALLYSTICK_STATUS_PORT": "0"}),
            ("work", (), {"TALLYSTICK_STATUS_PORT": str(ports["work"]), "TALLYSTICK_STORE_URL": nowhere}),
        ):
            part = Part((name, *more), {**shared, **settings}, tmp_path / f"{name}.log")
            stack.callback(part.kill)
            part.until_ready()
        for port in ports.values():
            there = f"http://127.0.0.1:{port}"
            for start, again, status in HEADS.values():
                if status != 431 or start.startswith(b"GET"):
                    assert ask(there, start + again * 300).status == status
            with line(there) as silent:
                assert silent.closed_within(PATIENCE)
            assert ask(there, request("GET", "/healthz", *H2C)).status == 200
