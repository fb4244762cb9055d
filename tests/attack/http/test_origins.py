"""Pages of other machines and under other names (G12): what they see of a server without keys, on every route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import cycle, islice, product

import pytest
import pytest_asyncio

from tallystick.api.access.gate import Access
from tallystick.keys import from_this_machine, names_this_machine
from tests.helpers.http.keyed import BY_ACCESS, DECIDED, GUARDED, WRONG, Side, opened
from tests.helpers.thorough import THOROUGH, chance, some

OWN = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost:8000",
    "app.localhost:3000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.0.0.1.",
    "127.0.0.53:80",
    "127.255.255.254",
    "[::1]",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]:8000",
]
FOREIGN = [
    # addresses
    "203.0.113.5",
    "203.0.113.5:8000",
    "192.168.1.5",
    "10.0.0.1:8000",
    "169.254.1.1",
    "128.0.0.1",
    "126.255.255.255",
    "0.0.0.0",
    "0.0.0.0:8000",
    "255.255.255.255",
    "[2001:db8::1]",
    "[::]",
    "[::]:8000",
    "[::2]",
    "[::ffff:203.0.113.5]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[fe80::1]",
    # spellings that no browser sends
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0127.0.0.1",
    "127.0.0.1..",
    "[::1%lo]",
    "[::1%25lo]",
    "[fe80::1%eth0]",
    "::1",
    "[::1",
    "::1]",
    "[127.0.0.1]",
    "[localhost]",
    # names
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "[::1].evil.example",
    "mylocalhost",
    "evil-localhost",
    ".localhost",
    "localhost..",
    "xn--localhost",
    "local host",
    # more than a host
    "user@127.0.0.1",
    "localhost@evil.example",
    "localhost:80@evil.example",
    "localhost:@evil",
    "localhost:8000:9000",
    "localhost,evil.example",
    "evil.example, localhost",
    "localhost/evil",
    "localhost#evil",
    "localhost?evil",
    "localhost\\evil",
    "localhost:port",
    "localhost:123456",
    "http://localhost",
    "null",
    "*",
    "[]",
    ":",
    ":8000",
    ".",
]
ODD_ORIGINS = [
    "",
    "null",
    "file://",
    "file:///",
    "localhost",
    "//localhost",
    "http:localhost",
    "http:/localhost",
    "http://",
    "https://:8000",
    "http://localhost http://evil.example",
    "http://localhost, http://evil.example",
    "http://localhost/",
    "chrome-extension://localhost",
    "app://localhost",
    "ftp://127.0.0.1",
    "data:text/html,local",
    "http://evil.example//localhost",
    "http://evil.example://localhost",
    "http://evil.example/http://localhost",
    "http://evil.example#//127.0.0.1",
    "http://evil.example?//[::1]",
]
CORS_PATHS = ["/", "/health", "/analytics/stats", "/api/analytics/stats", "/analytics/events", "/api/analytics/events"]
CORS_PATHS += ["/v1/analytics/events/daily", "/v1/analytics/event-types", "/healthz/detailed", "/api/stats", "/stats"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyless(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("keyless")) as side:
        yield side


def paired(routes: list[tuple[str, str]], inputs: list[str]) -> list[tuple[tuple[str, str], str]]:
    """Every route with every input, or each of both once, others together in each commit."""
    if THOROUGH:
        return list(product(routes, inputs))
    length = max(len(routes), len(inputs))
    luck = chance()
    mixed = (luck.sample(given, len(given)) for given in (routes, inputs))
    return list(islice(zip(*map(cycle, mixed), strict=True), length))


def test_only_loopback_is_this_machine() -> None:
    """G12."""
    assert [host for host in OWN if not names_this_machine(host)] == []
    assert [host for host in FOREIGN if names_this_machine(host)] == []
    assert names_this_machine("")  # a client that is no browser


def test_only_pages_of_loopback_are_pages_of_this_machine() -> None:
    """G12."""
    assert [host for host in OWN if not from_this_machine(f"http://{host}")] == []
    assert [host for host in OWN if not from_this_machine(f"HTTPS://{host}")] == []
    assert [host for host in FOREIGN if from_this_machine(f"http://{host}")] == []
    assert [origin for origin in ODD_ORIGINS if from_this_machine(origin)] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_no_route_answers_under_another_name_or_address(keyless: Side) -> None:
    """G12: every read route that tells about events says 421 and what to do."""
    for (method, path), host in paired([*GUARDED, ("GET", "/metrics")], FOREIGN):
        refused = await keyless.ask(method, path, host=host)
        assert (refused.status_code, "TALLYSTICK_READ_KEYS" in refused.text) == (421, True), (method, path, host)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_answers_under_loopbacks_names(keyless: Side) -> None:
    for (method, path), host in paired(GUARDED, OWN):
        answer = await keyless.ask(method, path, WRONG, host=host)
        assert answer.status_code in (200, 201, 404), (method, path, host)


@pytest.mark.asyncio(loop_scope="module")
async def test_no_page_of_elsewhere_may_read_an_answer(keyless: Side) -> None:
    """G12: on no read route, whatever its Origin looks like; not even an error."""
    foreign = [*(f"{scheme}://{host}" for scheme in ("http", "https") for host in FOREIGN), *ODD_ORIGINS]
    reads = [route for route, wanted in DECIDED.items() if wanted is not Access.SHARE]
    open_to_pages = [("GET", path) for path in CORS_PATHS]
    for (method, path), origin in [*paired(reads, foreign), *paired(open_to_pages, some(foreign))]:
        answer = await keyless.ask(method, path, origin=origin)
        shared = [name for name in answer.headers if name.startswith("access-control")]
        assert shared == [], (method, path, origin)


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_of_this_machine_may_read_what_dialects_answer(keyless: Side) -> None:
    for path, host in product(CORS_PATHS, OWN):
        answer = await keyless.get(path, origin=f"http://{host}")
        assert answer.headers["access-control-allow-origin"] == "*", (path, host)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_page_may_send_events(keyless: Side) -> None:
    """Taking events is public: that is what write routes are for."""
    for origin in ("https://shop.example", "http://203.0.113.5", "null"):
        headers = {"Origin": origin, "Host": "a.example"}
        sent = await keyless.client.post("/v1/events", json={"name": "a"}, headers=headers)
        assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (202, "*")


@pytest.mark.asyncio(loop_scope="module")
async def test_no_redirect_leads_to_the_host_of_a_request(keyless: Side) -> None:
    """A slash too many is 404 with a sentence: a redirect would be made of the Host header."""
    for path in sorted({path for _, path in DECIDED}):
        for asked in (f"{path.rstrip('/')}/", f"/{path}"):
            for method in ("GET", "POST"):
                answer = await keyless.ask(method, asked, host="evil.example", accept="text/html")
                assert not 300 <= answer.status_code < 400, (method, asked)
                assert "location" not in answer.headers


@pytest.mark.parametrize("path", [path for method, path in BY_ACCESS[Access.EVERY] if method == "POST"])
@pytest.mark.asyncio(loop_scope="module")
async def test_no_form_of_a_page_changes_anything(keyless: Side, path: str) -> None:
    """G12: without asking for permission first a page sends texts and forms, and no body that says that it is JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = await keyless.client.post(path, content=b'{"ids":[1]}', headers=headers)
        assert answer.status_code in (400, 415, 422), (path, kind, answer.text)
