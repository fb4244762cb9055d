"""`Upgrade` is ignored: a request that asks for another protocol is answered as it stands, with its body whole.

`curl --http2` and Java's HttpClient ask for `h2c` with every request on a new connection, also with a POST.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.http.steps import H2C, Answer, ask, line, request, running
from tests.helpers.thorough import THOROUGH
from tests.servers.process import needed

EVENT = b'{"name":"page_view","user_id":"u"}'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("upgrade")) as (_, url):
        yield url


@pytest.mark.parametrize("cut", [0, 20, 150, -len(EVENT), -5], ids=["whole", "line", "headers", "body", "in the body"])
@pytest.mark.parametrize(
    "upgrade", [H2C, ("connection: keep-alive, Upgrade", "upgrade: websocket")], ids=["h2c", "websocket"]
)
def test_upgrade_is_ignored(url: str, upgrade: tuple[str, ...], cut: int) -> None:
    """The body is whole wherever the segments end, and what follows is the next request."""
    sent = request("POST", "/v1/events", *upgrade, body=EVENT)
    with line(url) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if cut:
            connection.send(sent[:cut])
            time.sleep(0.05)
        connection.send(sent[cut:])
        assert_taken(connection.answer())
        connection.send(sent + request("GET", "/healthz") + sent + sent)
        assert [connection.answer().status for _ in range(4)] == [202, 200, 202, 202]


def assert_taken(answer: Answer) -> None:
    assert (answer.status, json.loads(answer.body)["accepted"]) == (202, 1)


def test_upgrade_with_a_chunked_body(url: str) -> None:
    with line(url) as connection:
        connection.send(request("POST", "/v1/events", *H2C, "transfer-encoding: chunked"))
        connection.send(b"5\r\n%b\r\n" % EVENT[:5])
        connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT) - 5, EVENT[5:]) + request("GET", "/healthz"))
        assert_taken(connection.answer())
        assert connection.answer().status == 200


def test_limits_hold_with_upgrade(url: str) -> None:
    assert ask(url, request("GET", "/healthz", *H2C, "x: " + "a" * 66_000)).status == 431
    assert ask(url, request("GET", "/healthz?" + "a" * 66_000, *H2C)).status == 414
    with line(url) as pieces:
        sent = request("GET", "/healthz", "x: " + "a" * 64_000, "y: " + "b" * 2_000, *H2C)
        pieces.send(sent[:60_000])
        time.sleep(0.05)
        pieces.send(sent[60_000:])
        assert pieces.answer().status == 431
    assert ask(url, request("CONNECT", "example.org:443", host="example.org:443")).status == 405


def test_two_large_posts_as_curl_sends_them(url: str) -> None:
    """`curl --http2 -d @body URL URL`: these headers, a body of many segments, twice on one connection."""
    body = json.dumps({"events": [{"name": "from_curl"}] * 4_000}).encode()
    sent = ("user-agent: curl/8.5.0", "accept: */*", *H2C, f"content-length: {len(body)}")
    form = "content-type: application/x-www-form-urlencoded"
    with line(url) as connection:
        for _ in range(2):
            connection.send(request("POST", "/v1/events", *sent, form) + body)
            answer = connection.answer()
            assert (answer.status, json.loads(answer.body)["accepted"]) == (202, 4_000)


JAVA = """
import java.net.URI;
import java.net.http.*;

public class Send {
    public static void main(String[] url) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(url[0]))
                .POST(HttpRequest.BodyPublishers.ofString("{\\"name\\":\\"from_java\\"}")).build();
            System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
        }
    }
}
"""


@pytest.mark.skipif(not THOROUGH, reason="a compiler's seconds; `make faults`")
def test_java_with_http2(url: str, tmp_path: Path) -> None:
    source = tmp_path / "Send.java"
    source.write_text(JAVA)
    java = needed("java", "default-jdk-headless")
    told = subprocess.run([str(java), str(source), f"{url}/v1/events"], capture_output=True, check=True, timeout=600)
    assert told.stdout.split() == [b"202"] * 3, told
