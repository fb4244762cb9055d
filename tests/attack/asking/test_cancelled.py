"""Requests that are cut at random moments, on every route: nothing of them is left, and each route answers as before.

Two exports that were cut ended all queries until a restart, while /readyz said 200.
"""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

from tests.attack.asking.asked_server import Asked, Request, eventually
from tests.helpers.thorough import THOROUGH, some

CUTS = 8
"""Of each request, and as many again of heavy ones: some seven hundred for each store. `make test` takes a share."""
AT_ONCE = 6
SPARE = 12
"""Descriptors that the process may open in addition: PostgreSQL connections that its pools make when they need them."""


def _cut(asked: Asked, request: Request, seed: str) -> None:
    chance = random.Random(seed)
    after = chance.choice([0.0, 0.001, 0.005, 0.02, 0.1, 0.3]) * (1 + chance.random())
    read = chance.choice([0, 0, 1, 10_000, 300_000])
    most = chance.choice([None, None, None, chance.randrange(1, len(request.data))])
    asked.cut(request, after, read, chance.random() < 0.5, most)


def _left(asked: Asked, before: int) -> list[str]:
    found = [] if asked.at_rest() else ["a turn, an export or a listener"]
    found += asked.scratch()
    found += asked.transactions().splitlines()
    after = asked.descriptors()
    return found + ([f"{after - before} descriptors"] if after > before + SPARE else [])


def test_nothing_is_left_of_requests_that_were_cut(asked: Asked) -> None:
    """G5, G11: of a turn, a connection, a transaction, a listener, a file or a descriptor."""
    requests = asked.requests()
    before = {request.name: asked.status(request) for request in requests}
    assert set(before.values()) <= {200, 201, 202, 404, 409}, before
    eventually(lambda: not _left(asked, asked.descriptors()), "rest")
    descriptors = asked.descriptors()
    heavy = [request for request in requests if re.search(r"export|format|live|verify|/v1/sql", request.name)]
    chosen = [*requests, *heavy] * CUTS if THOROUGH else [*some(requests), *some(heavy)] * 2
    random.shuffle(chosen)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pair: _cut(asked, pair[1], str(pair[0])), enumerate(chosen)))
    assert asked.ready()
    eventually(lambda: not _left(asked, descriptors), f"rest after {len(chosen)} cuts: {_left(asked, descriptors)}")
    after = {request.name: asked.status(request) for request in requests}
    assert after == before
    assert asked.ready()
    assert "Traceback" not in asked.part.output


def test_two_exports_that_are_cut_do_not_end_all_questions(asked: Asked) -> None:
    export = asked.request("GET", "/v1/export", "format=ndjson&site_id=shop")
    with ThreadPoolExecutor(4) as pool:  # while one of them is being read from the store
        list(pool.map(lambda moment: asked.cut(export, 0.004 * moment, 0, True), range(12)))
    assert asked.count("blog") == 20
    eventually(asked.at_rest, "rest")


def test_a_question_ends_with_its_client(asked: Asked) -> None:
    """It would hold its key's turns for as long as it takes."""
    sql = '{"sql": "SELECT count(*) FROM events AS a, events AS b WHERE a.path || b.name = a.name"}'
    statement = asked.request("POST", "/v1/sql", "", sql)
    asked.cut(statement, 0.5, 0, False)
    eventually(asked.at_rest, "an end of the statement", 10.0)
    assert asked.transactions() == ""
