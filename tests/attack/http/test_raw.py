"""Bytes below the framework: shapes that two servers read differently, and requests that are cut, mixed and spoiled.

A proxy in front may read the same bytes otherwise than this server. So whatever could be a second request in disguise
is refused, and ends the connection. Heads without an end and deadlines are in test_http_limits.py.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.rolling import Part
from tests.helpers.http.steps import Line, NoAnswer, ask, line, metric, request, running, soon
from tests.helpers.http.watched import cpu
from tests.helpers.thorough import SEED, THOROUGH

EVENT = b'{"name":"smuggled"}'
SMUGGLED = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(EVENT), EVENT)
"""What an attacker would have the server take for a request of somebody else."""
START = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\n"
BODY = b'{"name":"a"}'
LAST = request("GET", "/healthz", "connection: close")

SHAPES: dict[str, tuple[bytes, list[int]]] = {
    "length and chunks": (
        START + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "chunks and length": (
        START + b"transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "two lengths": (START + b"content-length: 12\r\ncontent-length: 5\r\n\r\n" + BODY + SMUGGLED, [400]),
    "the same length twice": (START + b"content-length: 12\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a list of lengths": (START + b"content-length: 12, 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a length with a sign": (START + b"content-length: +12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a length below 0": (START + b"content-length: -12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a length in hex": (START + b"content-length: 0xc\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a length with a space": (START + b"content-length: 1 2\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a length of 2^64": (START + b"content-length: 18446744073709551616\r\n\r\n" + BODY + SMUGGLED, [400]),
    "an empty length": (START + b"content-length:\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a length that is folded": (START + b"content-length:\r\n 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "chunked twice": (
        START + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "chunked, identity": (START + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "identity, chunked": (START + b"transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400, 202]),
    "xchunked": (START + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "chunked after a vertical tab": (START + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "a space before the colon": (START + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "Transfer_Encoding": (START + b"transfer_encoding: chunked\r\ncontent-length: 0\r\n\r\n" + SMUGGLED, [400, 202]),
    "chunks in HTTP/1.0": (
        b"POST /v1/events HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "a chunk size with 0x": (START + b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "a chunk size below 0": (START + b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "a chunk size of 17 digits": (
        START + b"transfer-encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "a chunk size that is none": (START + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "a chunk size with a space": (START + b"transfer-encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "a chunk longer than its size": (
        START + b"transfer-encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "chunks with bare line feeds": (START + b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n" + SMUGGLED, [400]),
    "a trailer that is a length": (
        START + b"transfer-encoding: chunked\r\n\r\nc\r\n" + BODY + b"\r\n0\r\ncontent-length: 500\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "bare line feeds": (b"POST /v1/events HTTP/1.1\nhost: localhost\ncontent-length: 12\n\n" + BODY + SMUGGLED, [400]),
    "bare carriage returns": (
        b"POST /v1/events HTTP/1.1\rhost: localhost\rcontent-length: 12\r\r" + BODY + SMUGGLED,
        [400],
    ),
    "a carriage return in a value": (
        START + b"x: a\rcontent-length: 500\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED,
        [400],
    ),
    "NUL in a header's name": (START + b"x\0: a\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "NUL in a header's value": (START + b"x: a\0b\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a header without a name": (START + b": a\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a header without a colon": (START + b"x\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [400]),
    "a space before the first header": (
        b"POST /v1/events HTTP/1.1\r\n host: localhost\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED,
        [400],
    ),
    "two hosts": (START + b"host: evil.example\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [400, 202]),
    "no host": (b"POST /v1/events HTTP/1.1\r\ncontent-length: 12\r\n\r\n" + BODY + SMUGGLED, [202, 202]),
    "no version": (b"GET /healthz\r\n\r\n" + SMUGGLED, [200]),
    "version 0.9": (b"GET /healthz HTTP/0.9\r\nhost: localhost\r\n\r\n" + SMUGGLED, [200]),
    "version 1.9": (b"GET /healthz HTTP/1.9\r\nhost: localhost\r\n\r\n" + SMUGGLED, [400]),
    "version 3.0": (b"GET /healthz HTTP/3.0\r\nhost: localhost\r\n\r\n" + SMUGGLED, [400]),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), [400]),
    "two spaces": (b"GET  /healthz  HTTP/1.1\r\nhost: localhost\r\n\r\n" + SMUGGLED, [200, 202]),
    "a tab": (b"GET\t/healthz\tHTTP/1.1\r\nhost: localhost\r\n\r\n" + SMUGGLED, [400]),
    "NUL in the target": (b"GET /healthz\0 HTTP/1.1\r\nhost: localhost\r\n\r\n" + SMUGGLED, [400]),
    "a line feed in the target": (b"GET /healthz\n HTTP/1.1\r\nhost: localhost\r\n\r\n" + SMUGGLED, [400]),
    "a body of a GET": (
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
        [200],
    ),
    "a body of a HEAD": (
        b"HEAD /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
        [200],
    ),
    "empty lines before": (b"\r\n\r\n\r\n" + START + b"content-length: 12\r\n\r\n" + BODY + SMUGGLED, [202, 202]),
    "only zeros": (bytes(2000), [400]),
}
"""Bytes, and the statuses of all answers to them. Where there is a second one, no reading hides another request."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Part, str]]:
    with running(tmp_path_factory.mktemp("raw"), TALLYSTICK_HEADER_TIMEOUT="60", TALLYSTICK_BODY_TIMEOUT="60") as found:
        yield found


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_two_servers_read_differently(process: tuple[Part, str], name: str) -> None:
    sent, statuses = SHAPES[name]
    with line(process[1]) as connection:
        connection.send(sent)
        answers = [connection.answer(method=sent[:4].decode("latin-1").strip()) for _ in statuses[:1]]
        answers += [connection.answer() for _ in statuses[1:]]
        assert [one.status for one in answers] == statuses
        if not answers[-1].closes:
            connection.send(LAST)
            assert connection.answer().status == 200
        assert connection.rest() == b"", "an answer too many"


def test_nothing_was_smuggled(process: tuple[Part, str]) -> None:
    """Of all shapes, those alone store the second request that have two answers."""
    _, url = process
    soon(lambda: metric(url, "tallystick_queue_events") == 0, "they are stored")
    before = smuggled(url)
    expected = 0
    for sent, statuses in SHAPES.values():
        with line(url) as connection:
            connection.send(sent)
            for _ in statuses:
                connection.answer(method=sent[:4].decode("latin-1").strip())
            expected += statuses[1:] == [202]
    soon(lambda: metric(url, "tallystick_queue_events") == 0, "they are stored")
    soon(lambda: smuggled(url) >= before + expected, "they are counted")
    assert smuggled(url) == before + expected


def smuggled(url: str) -> int:
    answer = ask(url, request("GET", "/v1/query?metric=events&filter=name:=:smuggled", "connection: close"))
    found = re.search(rb'"events":(\d+)', answer.body)
    assert found is not None
    return int(found[1])


# --- requests that are cut, mixed and spoiled -----------------------------------------------------------------------

ROUNDS = 3_000 if THOROUGH else 60
GOOD: tuple[tuple[bytes, int], ...] = (
    (request("GET", "/healthz"), 200),
    (request("GET", "/nothing"), 404),
    (request("POST", "/v1/events", body=BODY), 202),
    (request("POST", "/v1/events", body=b"{"), 400),
    (request("GET", "/v1/query?metric=events"), 200),
    (request("POST", "/v1/query", body=b'{"kind":"metrics"}'), 200),
    (
        START + b"transfer-encoding: chunked\r\n\r\n6;x=y\r\n" + BODY[:6] + b"\r\n6\r\n" + BODY[6:] + b"\r\n0\r\n\r\n",
        202,
    ),
    (request("GET", "/healthz", "x: " + "y" * 5_000), 200),
)
SPOILERS = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b" ",
    b"\xff",
    b"\x80" * 50,
    b"0\r\n\r\n",
    b"9" * 30,
    b"\t",
)


def test_good_requests_in_any_pieces(process: tuple[Part, str]) -> None:
    """However many are sent at once and wherever they are cut, each is answered, in their order."""
    chance = random.Random(f"{SEED} pieces")
    for _ in range(ROUNDS):
        chosen = [chance.choice(GOOD) for _ in range(chance.randrange(1, 6))]
        with line(process[1]) as connection:
            for piece in pieces(b"".join(sent for sent, _ in chosen) + LAST, chance):
                connection.send(piece)
            assert [connection.answer().status for _ in chosen] == [status for _, status in chosen]
            assert connection.answer().closes
            assert connection.rest() == b""


def test_spoiled_requests_stop_nothing(process: tuple[Part, str]) -> None:
    """Bytes changed, lost and added, connections half closed and left: what comes back is HTTP and no error of the
    server, the process goes on, and another client is answered meanwhile.
    """
    part, url = process
    chance = random.Random(f"{SEED} spoiled")
    counts: Counter[int] = Counter()
    began = cpu(part.process.pid)
    with line(url) as neighbour:
        for number in range(ROUNDS):
            sent = spoiled(b"".join(chance.choice(GOOD)[0] for _ in range(chance.randrange(1, 4))), chance)
            with line(url) as connection:
                for piece in pieces(sent, chance):
                    connection.send(piece)
                if chance.random() < 0.2:
                    continue  # the client is gone
                connection.send(LAST)
                with contextlib.suppress(OSError):  # the server has closed the connection already
                    connection.socket.shutdown(socket.SHUT_WR)
                statuses = all_answers(connection)
            counts.update(statuses)
            assert not [status for status in statuses if status >= 500], sent
            neighbour.send(request("GET", "/healthz"))
            assert neighbour.answer().status == 200, sent
            assert part.process.poll() is None, (number, sent)
    assert counts[400] > ROUNDS / 10, counts
    assert counts[200] + counts[202] > ROUNDS / 10, counts
    assert "Traceback" not in part.output, part.output[-3_000:]
    assert cpu(part.process.pid) - began < 0.1 * ROUNDS, "that much CPU for so little"


def all_answers(connection: Line) -> list[int]:
    """The statuses until the server closes. Whatever it sends is HTTP, as `answer` reads it."""
    found: list[int] = []
    while (end := _next(connection, found)) is None:
        pass
    assert "timed out" not in end, "the connection hangs"
    return found


def _next(connection: Line, found: list[int]) -> str | None:
    """Add the next status; how the connection ended, if it did."""
    try:
        found.append(connection.answer().status)
    except NoAnswer as error:
        return str(error)
    return None


def spoiled(sent: bytes, chance: random.Random) -> bytes:
    changed = bytearray(sent)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.choice((1, 5, 50))]
            case 2:
                changed[at:at] = chance.choice(SPOILERS)
            case 3:
                changed[at:at] = changed[at : at + 100]
            case _:
                del changed[at:]
        changed = changed or bytearray(b"G")
    return bytes(changed)


def pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """The data in up to six pieces."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 1, 5))))
    yield from (data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < end)
