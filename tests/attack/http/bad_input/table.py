"""Bad input with its answers: one table. test_bad_inputs.py sends it to a real server process.

An answer is `STATUS code: a part of the sentence`; where an API has no codes `STATUS: …`. `answers` has one line for
each answer, with those that give it before the bar. An input of `BODIES` goes to all write routes and to every route of
the read side that takes JSON (`json`); one of `EVENTS` to the write routes that have the field; one of `PARAMETERS` to
every GET with that parameter and one of `HEADS` to every GET, where `others` stands for the routes without a line of
their own. Elsewhere are:

- tests/attack/http/test_http_limits.py: heads and bodies that are too long or too slow, Upgrade
- tests/attack/http/test_headers.py, test_origins.py, test_idempotency.py: headers that come twice, origins, repetitions
- tests/attack/http/test_raw.py: bytes that are no HTTP, or two kinds of it
- tests/unit/usersql/test_check.py, tests/attack/sql: statements
- tests/unit/ingest/test_decode.py, test_clock.py, tests/outside/dates: events and times, all that were ever found
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.attack.http.bad_input.bodies import BODIES
from tests.attack.http.bad_input.events import EVENTS
from tests.attack.http.bad_input.heads import HEADS
from tests.attack.http.bad_input.parameters import PARAMETERS
from tests.attack.http.bad_input.requests import REQUESTS
from tests.attack.http.bad_input.shapes import FORMS, Case, answers, get, post

OTHER_WRITES = {"/api/events"}
"""Second paths of a write route above."""
LOCKED = {
    "/v1/shared/reports/{report_id}/run": "401 unauthorized: the token of a share link",
    "/v1/account/password": "401 unauthorized: this needs a login",
}
"""Routes that look at who asks before they look at the body."""


STREAMS = {"/v1/live", "/v1/export", "/v1/backup"}
"""Routes whose answers have no end, or a late one: only their heads are read."""

LONG = {"/v1/verify", "/v1/doctor", "/v1/backup"}
"""Routes whose own work takes more than a bad input may."""


def cases(document: Mapping[str, Any]) -> list[Case]:
    """All requests of the table. `document`: the OpenAPI document, which lists the routes."""
    return [*_bodies(document), *_events(), *_parameters(document), *_heads(document), *REQUESTS]


def _bodies(document: Mapping[str, Any]) -> Iterator[Case]:
    own_writes = {form.path for form in FORMS.values()} | OTHER_WRITES
    readers = [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if "requestBody" in described and path not in own_writes
    ]
    for one in BODIES:
        expected = answers(one.answers)
        for api, form in FORMS.items():
            yield Case(f"{one.name}: {api}", post(form.path, one.sent, one.encoding), expected[api])
        for method, path in readers:
            sent = post(_filled(path), one.sent, one.encoding, method)
            answer = LOCKED.get(path, expected["json"])
            yield Case(f"{one.name}: {method} {path}", sent, answer, admin=path.startswith("/v1/admin/"))


def _events() -> Iterator[Case]:
    for one in EVENTS:
        for api, expected in answers(one.answers).items():
            form = FORMS[api]
            yield Case(f"{one.name}: {api}", post(form.path, form.body(one.field, one.value)), expected)


def _parameters(document: Mapping[str, Any]) -> Iterator[Case]:
    for one in PARAMETERS:
        answer = answers(one.answers)
        for path, methods in document["paths"].items():
            described = methods.get("get", {}).get("parameters", ())
            taken = {part["name"]: part for part in described if part["in"] == "query"}
            if one.parameter not in taken:
                continue
            others = [name for name, part in taken.items() if part.get("required") and name != one.parameter]
            pairs = [f"{name}={'name' if name == 'field' else 'default'}".encode() for name in others]
            query = b"&".join([one.parameter.encode() + b"=" + one.value, *pairs])
            expected = answer.get(path) or answer["others"]
            sent = get(_filled(path).encode() + b"?" + query)
            live = path == "/v1/live" and expected == "200"
            yield Case(f"{one.name}: GET {path}", sent, expected, live, admin=path.startswith("/v1/admin/"))


def _heads(document: Mapping[str, Any]) -> Iterator[Case]:
    for one in HEADS:
        answer = answers(one.answers)
        for path, methods in document["paths"].items():
            expected = answer.get(path) or answer["others"]
            if "get" in methods and not (path in LONG and expected == "200"):
                stream = path in STREAMS and expected == "200"
                admin = path.startswith("/v1/admin/")
                yield Case(f"{one.name}: GET {path}", get(_filled(path), *one.headers), expected, stream, admin)


def _filled(path: str) -> str:
    """The path with an id in place of each name in braces."""
    return re.sub(r"\{.*?\}", "999", path)
