"""Every bad input of the table (bad_input/table.py) gets its answer from a real server process, and harms nothing.

No answer is a 5xx, the log has no traceback, the process takes at most 100 ms of CPU and 32 MiB for it and goes on, and
a client that was connected before is answered as ever (G5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pytest

from tests.attack.http.bad_input.shapes import (
    BLOG_KEY,
    KEY,
    READ_KEY,
    WRITE_KEY,
    Body,
    Case,
    EventField,
    Head,
    Parameter,
    get,
    post,
)
from tests.faults.rolling import Part
from tests.helpers.commands import run_command
from tests.helpers.http.document import document
from tests.helpers.http.steps import ask, metric, soon
from tests.helpers.http.watched import Watched, unlike
from tests.helpers.thorough import THOROUGH, chance

FOUND = {
    "a deflate bomb of 64 MiB: smolhog",
    "a gzip bomb of 64 MiB: smolhog",
    "brotli: POST /v1/query",
    "UTF-16: POST /v1/boards",
    "NaN: POST /v1/query",
    "a number of 50,000 digits: POST /v1/query",
    "a site of 5,000 characters: GET /v1/live",
}
"""Cases that once failed, beside those of REQUESTS: every run takes them."""
SAMPLE = 100
"""How many of the others `make test` takes."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watched, str]]:
    """A server that is watched, and a key for its administration."""
    folder = tmp_path_factory.mktemp("bad")
    settings = {
        "TALLYSTICK_DATA": str(folder / "data"),
        "TALLYSTICK_SQL": "true",
        "TALLYSTICK_READ_KEYS": f"*={KEY},*={READ_KEY},blog={BLOG_KEY}",
        "TALLYSTICK_WRITE_KEYS": f"*={KEY},*={WRITE_KEY},blog={BLOG_KEY}",
    }
    made = run_command(settings, "keys", "create", "admin", "--name", "bad input")
    found = re.search(r"ak_\S+", made)
    assert found is not None
    part = Part(("up", "--port", "0"), settings, folder / "log")
    try:
        watched = Watched(part, KEY)
        yield watched, found[0]
        watched.close()
    finally:
        part.kill()


def test_each_bad_input_has_its_answer_and_harms_nothing(server: tuple[Watched, str]) -> None:
    watched, admin = server
    wrong = []
    for case in taken():
        sent = case.sent.replace(KEY.encode(), admin.encode()) if case.admin else case.sent
        wrong += [f"{case.name}: {fault}" for fault in watched.faults(sent, case.expected, head_only=case.head_only)]
    assert not wrong, f"{len(wrong)} faults\n" + "\n".join(wrong[:30])


def taken() -> list[Case]:
    from tests.attack.http.bad_input.requests import REQUESTS  # not above: packing its bombs takes a while
    from tests.attack.http.bad_input.table import cases

    every = cases(document())
    if THOROUGH:
        return every
    always = [case for case in every if case.name in FOUND]
    return [*REQUESTS, *always, *chance().sample(every, SAMPLE)]


def test_the_table_is_whole() -> None:
    """Every input has a name of its own and reaches a route; what is expected is never an error of the server."""
    from tests.attack.http.bad_input.bodies import BODIES
    from tests.attack.http.bad_input.events import EVENTS
    from tests.attack.http.bad_input.heads import HEADS
    from tests.attack.http.bad_input.parameters import PARAMETERS
    from tests.attack.http.bad_input.requests import REQUESTS
    from tests.attack.http.bad_input.table import cases

    every = cases(document())
    tables: list[Sequence[Body | EventField | Parameter | Head]] = [BODIES, EVENTS, PARAMETERS, HEADS]
    spread = [row.name for table in tables for row in table]
    names = [*spread, *(case.name for case in REQUESTS)]
    assert len(set(names)) == len(names) > 250
    for name in spread:
        assert any(case.name.startswith(f"{name}: ") for case in every), name
    assert [case.name for case in every if case.expected[:1] not in {"2", "4"}] == []
    assert len({case.name for case in every}) == len(every) > 1_500
    assert {case.name for case in every} >= FOUND
    for path, methods in document()["paths"].items():
        if "get" in methods:
            assert any(case.name.endswith(f": GET {path}") for case in every), path


def test_an_answer_that_differs_is_found() -> None:
    """The comparison can fail: by the status, by the code, by the sentence."""
    assert not unlike("400 invalid_request: limit: too large", "400 invalid_request: too large")
    assert not unlike("200: {}", "200")
    for expected in ("401 invalid_request", "400 unauthorized", "400", "400 invalid_request: too small"):
        assert unlike("400 invalid_request: limit: too large", expected), expected


FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)")
HTML = ("<img src=x onerror=alert(1)>", '"><script>alert(1)</script>')
NAMES = (*FORMULAS, *HTML)


def test_names_that_are_formulas_or_html_stay_texts(server: tuple[Watched, str]) -> None:
    """They are stored as they are; a CSV file disarms formulas, and no answer says that it is HTML."""
    watched, _ = server
    events = [{"name": name, "user_id": name, "site_id": "shown", "properties": {name: name}} for name in NAMES]
    assert ask(watched.url, post("/v1/events", json.dumps(events).encode())).status == 202
    soon(lambda: metric(watched.url, "tallystick_queue_events") == 0, "they are stored")
    for target, kind in (
        ("/v1/events?site_id=shown", "application/json"),
        ("/v1/query?site_id=shown&breakdown=name", "application/json"),
        ("/v1/values?site_id=shown&field=user_id", "application/json"),
        ("/v1/export?site_id=shown", "application/x-ndjson"),
    ):
        answer = ask(watched.url, get(target))
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert all(json.dumps(name, ensure_ascii=False).encode() in answer.body for name in NAMES), target
    for target in ("/v1/export?site_id=shown&format=csv", "/v1/query?site_id=shown&breakdown=name&format=csv"):
        answer = ask(watched.url, get(target))
        assert answer.headers["content-type"].startswith("text/csv")
        assert "attachment" in answer.headers["content-disposition"]
        for name in FORMULAS:
            assert f"'{name}".encode() in answer.body, target
            assert not re.search(rb"(^|,)" + re.escape(name.encode()) + rb"(,|\r)", answer.body, re.M), target
