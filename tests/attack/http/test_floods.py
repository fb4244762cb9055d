"""More connections than a process takes: active clients get in, the log says so, and accepting goes on."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.metrics import Metrics
from tallystick.process.connections import Connections, raise_descriptor_limit
from tallystick.process.refusals import CROWDED, FULL, Refusal
from tests.faults.rolling import Part
from tests.helpers.http.steps import PATIENCE, Line, NoAnswer, ask, line, metric, request, resident, running, soon
from tests.helpers.thorough import THOROUGH

LIMIT = 40
FLOOD = 300
ENDED = 'tallystick_http_connections_ended_total{{reason="{}"}}'
HEALTH = request("GET", "/healthz")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Part, str]]:
    """A server that takes few connections."""
    limits = {"TALLYSTICK_CONNECTIONS": str(LIMIT), "TALLYSTICK_CONNECTIONS_PER_ADDRESS": "10"}
    with running(tmp_path_factory.mktemp("small"), **limits) as (part, url):
        yield part, url


def flood(stack: ExitStack, url: str, count: int, first: bytes = b"") -> list[Line]:
    """So many connections that stay open on this side, each with these bytes sent."""
    lines = [stack.enter_context(line(url)) for _ in range(count)]
    if first:
        for one in lines:
            one.send(first)
    return lines


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: ", HEALTH], ids=["silent", "half a head", "idle"]
)
def test_who_asks_gets_in(small: tuple[Part, str], sent: bytes) -> None:
    """Connections that ask for nothing are closed, the oldest first."""
    part, url = small
    with ExitStack() as stack:
        lines = flood(stack, url, FLOOD)
        soon(lambda: _gets_in(url), "all are accepted")
        for one in lines:
            one.send(sent)
        soon(lambda: _gets_in(url), "what they asked is answered: until then they are not idle")
        for _ in range(20):
            assert ask(url, HEALTH).status == 200
        assert metric(url, "tallystick_http_connections") <= LIMIT + 1
        assert lines[0].closed_within(PATIENCE)
        lines[-1].socket.settimeout(0.2)
        assert not lines[-1].closed_within(0.2), "the youngest is kept"
    assert metric(url, ENDED.format("idle")) >= FLOOD - LIMIT
    assert part.output.count('"connections are at a limit"') == 1, "once in a minute, however many there are"
    soon(lambda: metric(url, "tallystick_http_connections") == 1, "all are gone")


def test_without_room_the_answer_is_503(small: tuple[Part, str]) -> None:
    """Where every connection has a request in progress; and the next one gets in when one of them is done."""
    _, url = small
    with ExitStack() as stack:
        begun = request("POST", "/v1/events", "content-length: 10", "expect: 100-continue")
        lines = flood(stack, url, LIMIT, begun)
        for one in lines:  # until its head has come a connection is idle, and whoever asks meanwhile pushes it out
            assert one.socket.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE
        answer = ask(url, b"")
        assert (answer.status, answer.headers["retry-after"], answer.closes) == (503, "1", True)
        assert answer.error["code"] == "too_many_connections"
        refused = [stack.enter_context(line(url)) for _ in range(FLOOD)]
        assert refused[-1].answer().status == 503
        lines[0].close()
        soon(lambda: _gets_in(url), "there is room again")
        assert refused[0].closed_within(PATIENCE), "a refused connection is not kept"
        assert metric(url, ENDED.format("full")) > FLOOD


def _gets_in(url: str) -> bool:
    try:
        return ask(url, HEALTH).status == 200
    except NoAnswer:
        return False


def _counted(url: str, reason: str) -> float:
    """Connections that ended for this reason; 0 while there is no room for who asks."""
    try:
        return metric(url, ENDED.format(reason))
    except NoAnswer:
        return 0.0


def test_the_descriptors_run_out(tmp_path: Path) -> None:
    """G5: with more connections allowed than there are descriptors: the log says so, and accepting goes on."""
    with running(tmp_path, TALLYSTICK_CONNECTIONS="5000") as (part, url), ExitStack() as stack:
        resource.prlimit(part.process.pid, resource.RLIMIT_NOFILE, (150, 150))
        flood(stack, url, FLOOD)
        soon(lambda: '"reason": "descriptors"' in part.output, "the log tells")
        for _ in range(5):
            soon(lambda: _gets_in(url), "whoever asks is answered")
        soon(lambda: _counted(url, "descriptors") > 0, "and counts the connections that ended for it")


@pytest.mark.skipif(not THOROUGH, reason="thousands of connections; `make faults`")
def test_a_flood_of_thousands(tmp_path: Path) -> None:
    """G5: 3,000 silent connections to a process with 1,024 descriptors, and the limit that it takes from these."""
    with running(tmp_path, TALLYSTICK_CONNECTIONS="768") as (part, url), ExitStack() as stack:
        resource.prlimit(part.process.pid, resource.RLIMIT_NOFILE, (1_024, 1_024))
        flood(stack, url, 3_000)
        for _ in range(50):
            assert ask(url, HEALTH).status == 200
        assert metric(url, "tallystick_http_connections") <= 769
        assert "connections are at a limit" in part.output


@pytest.mark.skipif(not THOROUGH, reason="hundreds of megabytes; `make faults`")
def test_bodies_that_never_end_have_a_budget(tmp_path: Path) -> None:
    """100 clients that send 8 MB each but for the end: the first ones get 503, and others are answered meanwhile."""
    part_of_a_body = request("POST", "/v1/events", "content-length: 8000001") + b" " * 8_000_000
    with running(tmp_path) as (part, url), ExitStack() as stack:
        lines = [stack.enter_context(line(url)) for _ in range(100)]
        for one in lines:
            one.send(part_of_a_body)
        answer = lines[0].answer()
        assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
        assert ask(url, request("POST", "/v1/events", body=b'{"name":"a"}')).status == 202
        assert resident(part.process.pid) < 800_000_000
        assert '"reason": "memory"' in part.output


@contextmanager
def lowered(soft: int) -> Iterator[None]:
    """Processes that are started here may have so many descriptors, until they raise the limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised(tmp_path: Path) -> None:
    """Shells give 1,024 where far more is allowed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with ExitStack() as stack:
        with lowered(512):
            part, _ = stack.enter_context(running(tmp_path))
        assert resource.prlimit(part.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


# --- counting -------------------------------------------------------------------------------------------------------


class Caller:
    """A connection from an address, as `Connections` sees it."""

    def __init__(self, all_: Connections, address: str) -> None:
        self.client: tuple[str, int] | None = (address, 1)
        self.dropped = ""
        self._all = all_

    def look(self, now: float) -> None:
        """It has no deadlines."""

    def drop(self, reason: str) -> None:
        self.dropped = reason
        self._all.gone(self)

    def give_way(self) -> None:
        self.dropped = "memory"
        self._all.received(self)


def call(connections: Connections, address: str, count: int = 1) -> list[Refusal | None]:
    return [connections.admit(Caller(connections, address)) for _ in range(count)]


def connections_of(**settings: object) -> Connections:
    given = {"connections": 100, "connections_per_address": 3, **settings}
    return Connections(Settings.model_validate(given), Metrics())


@pytest.mark.parametrize("address", ["203.0.113.5", "2001:db8::1", "::ffff:203.0.113.5", "10.0.0.1"])
def test_one_address_has_its_share(address: str) -> None:
    connections = connections_of()
    assert call(connections, address, 5) == [None, None, None, CROWDED, CROWDED]
    assert call(connections, "198.51.100.1") == [None], "others do not feel it"


def test_a_network_of_ipv6_is_one_address() -> None:
    connections = connections_of()
    assert [call(connections, f"2001:db8:1:2:{n:x}::9") for n in range(4)] == [[None], [None], [None], [CROWDED]]
    assert call(connections, "2001:db8:1:3::9") == [None]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "::ffff:10.0.0.1", "192.0.2.7"])
def test_loopback_and_proxies_have_no_share(address: str) -> None:
    """Everybody may come through them."""
    assert call(connections_of(trusted_proxies="10.0.0.0/8, 192.0.2.7"), address, 50) == [None] * 50


def test_a_share_is_given_back() -> None:
    connections = connections_of()
    callers = [Caller(connections, "203.0.113.5") for _ in range(3)]
    assert [connections.admit(caller) for caller in callers] == [None] * 3
    connections.gone(callers[1])
    connections.gone(callers[1])
    assert call(connections, "203.0.113.5", 2) == [None, CROWDED]


def test_the_oldest_that_waits_goes_first() -> None:
    """Who was answered a moment ago waits since then; who is being answered does not wait."""
    connections = connections_of(connections=3)
    first, second, third = (Caller(connections, "127.0.0.1") for _ in range(3))
    for caller in (first, second, third):
        connections.admit(caller)
    connections.waiting.move_to_end(first)
    del connections.waiting[third]
    assert call(connections, "127.0.0.1") == [None]
    assert [caller.dropped for caller in (first, second, third)] == ["", "idle", ""]
    assert call(connections, "127.0.0.1") == [None]
    assert first.dropped == "idle"
    assert third.dropped == ""


def test_none_that_is_answered_is_closed() -> None:
    connections = connections_of(connections=2)
    callers = [Caller(connections, "127.0.0.1") for _ in range(2)]
    for caller in callers:
        connections.admit(caller)
        del connections.waiting[caller]
    assert call(connections, "127.0.0.1") == [FULL]
    assert not any(caller.dropped for caller in callers)


def test_the_limit_follows_the_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with lowered(1_024):
        assert Connections(Settings(), Metrics()).limit == 768
        assert Connections(Settings(), Metrics()).limit_per_address == 384
        assert raise_descriptor_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_requests_in_part_have_a_budget() -> None:
    """Who has been sending for longest gives way; who has sent all is no part of it."""
    connections = connections_of()
    connections.partial_max = 100
    slow, done, fast, last = (Caller(connections, "127.0.0.1") for _ in range(4))
    for caller, size in ((slow, 40), (done, 30), (slow, 10), (fast, 20)):
        connections.receiving(caller, size)
    connections.received(done)
    connections.receiving(last, 30)
    assert not any(caller.dropped for caller in (slow, done, fast, last))
    connections.receiving(last, 1)
    assert [caller.dropped for caller in (slow, done, fast, last)] == ["memory", "", "", ""]
    connections.gone(fast)
    connections.receiving(last, 69)
    assert last.dropped == ""
    connections.receiving(last, 1)
    assert last.dropped == "memory"
