"""No route answers 500, to no input: hostile requests for every route, over real sockets, to a real server process.

These tests send what schemathesis (tests/api/test_schemathesis.py) cannot: raw paths and heads, other methods, odd
encodings of the body, numbers of thousands of digits. `FOUND` has the requests that once failed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.rolling import Part
from tests.helpers.http.document import document
from tests.helpers.http.fuzz import STREAMS, Attacker, Operation, operations
from tests.helpers.http.steps import NoAnswer, ask, request, soon
from tests.helpers.thorough import SEED, THOROUGH
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

READ, WRITE = "every-0123456789abcdef", "write-0123456789abcdef"
EACH = 200 if THOROUGH else 3
"""Requests for each route, store and way of access."""

SETTINGS = {
    "TALLYSTICK_ENRICH_AGENT": "true",
    "TALLYSTICK_ENRICH_PAGE": "true",
    "TALLYSTICK_ENRICH_VISITOR": "true",
    "TALLYSTICK_SQL": "true",
    "TALLYSTICK_QUERY_TIMEOUT": "5",
    "TALLYSTICK_BODY_TIMEOUT": "1",
    "TALLYSTICK_HEADER_TIMEOUT": "1",
}
READY = request("GET", "/v1/values?field=name", f"x-api-key: {READ}")
EVENT = request(
    "POST",
    "/v1/events",
    f"x-api-key: {WRITE}",
    body=json.dumps({"name": "page_view", "user_id": "u", "properties": {"a": 1}}).encode(),
)

LONG, DIGITS = "a" * 5_000, "9" * 5_000
FOUND: dict[str, bytes] = {
    "content-length of 5,000 digits": request("POST", "/v1/events", f"content-length: {'0' * 5_000}12")
    + b'{"name":"a"}',
    "asset of 5,000 letters": request("GET", f"/ui/assets/{LONG}.js"),
    "icon of 5,000 letters": request("GET", f"/ui/{LONG}.svg"),
    "documentation's asset of 5,000 letters": request("GET", f"/docs/assets/{LONG}"),
    "asset with NUL": request("GET", "/ui/assets/a%00b.js"),
    "person of a site with NUL": request("GET", "/v1/person-data?user_id=a&site_id=%00"),
    "erasures of a site with NUL": request("GET", "/v1/erasures?site_id=%00"),
    "retention of a site with NUL": request("DELETE", "/v1/retention?site_id=%00&dry_run=true"),
    "dead letter of 5,000 digits": request("GET", f"/v1/dead/{DIGITS}"),
    "dead letter beyond 64 bits": request("GET", "/v1/dead/9223372036854775808"),
}


class Target:
    """A server under attack, and what it answered."""

    def __init__(self, server: Part, keys: tuple[str, ...]) -> None:
        self.server = server
        self.url = server.until_ready()
        self.keys = keys
        self.counts: Counter[str] = Counter()

    def attack(self, operation: Operation) -> list[str]:
        """Requests that were answered as none may be, one line each."""
        wrong = []
        for sent in Attacker(document(), operation, SEED, self.keys).requests(EACH):
            said = self.ask(sent, operation.path)
            if said:
                wrong.append(f"{said}: {sent[:300]!r} … {sent[-100:]!r}")
        return wrong

    def ask(self, sent: bytes, path: str = "") -> str:
        """What is wrong with the answer; empty: nothing."""
        method = sent.partition(b" ")[0].decode("latin-1")
        try:
            answer = ask(self.url, sent, head_only=path in STREAMS, method=method)
        except NoAnswer as error:
            self.counts["none"] += 1
            return f"no answer ({error})"
        self.counts[str(answer.status)] += 1
        if answer.status < 500 or (answer.status in (503, 504) and b'"error"' in answer.body):
            return ""
        return f"{answer.status} {answer.body[:200]!r}"

    def check(self) -> None:
        """It goes on, and has nothing to be ashamed of in its log."""
        soon(lambda: ask(self.url, READY).status == 200, "it answers")
        refused = self.counts["503"] + self.counts["504"]
        assert refused <= 5 + 0.2 * sum(self.counts.values()), "a server that refuses everything proves nothing"
        log = self.server.output
        assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3_000]


@pytest.fixture(scope="module", params=["duckdb", "duckdb, keys", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    keys = (READ, WRITE) if "keys" in request.param else ()
    settings = {**SETTINGS, "TALLYSTICK_DATA": str(folder)}
    if keys:
        settings |= {"TALLYSTICK_READ_KEYS": f"*={READ}", "TALLYSTICK_WRITE_KEYS": f"*={WRITE}"}
    with ExitStack() as stack:
        if request.param == "postgresql":
            database = PostgresServer(stack.enter_context(scratch_folder("pg")), durable=False)
            database.start()
            stack.callback(database.kill)
            url = database.new_database(statements=True)
            settings |= {
                "TALLYSTICK_STORE_URL": url,
                "TALLYSTICK_SQL_URL": database.statements_url(url),
                "TALLYSTICK_ALLOW_WEAK_DURABILITY": "true",
            }
        server = Part(("up", "--port", "0"), settings, folder / "log")
        stack.callback(server.kill)
        found = Target(server, keys)
        soon(lambda: ask(found.url, READY).status == 200, "the store is open")
        assert ask(found.url, EVENT).status == 202
        yield found
        print(f"seed {SEED}, {request.param}: {sum(found.counts.values())} requests, {dict(found.counts)}")


@pytest.mark.parametrize("sent", FOUND.values(), ids=FOUND)
def test_what_was_found(target: Target, sent: bytes) -> None:
    assert target.ask(sent) == ""
    target.check()


def test_no_route_answers_500(target: Target) -> None:
    wrong = [line for operation in operations(document()) for line in target.attack(operation)]
    assert not wrong, f"seed {SEED}\n" + "\n".join(wrong[:20])
    target.check()


def test_every_route_is_attacked() -> None:
    found = {str(one) for one in operations(document())}
    assert len(found) > 60
    assert {"POST /v1/query/funnel", "GET /v1/dead/{letter_id}", "POST /api/event"} <= found
