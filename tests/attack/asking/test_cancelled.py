"""Requests that are cut at random moments, on every route: nothing of them is left, and each route answers as before.

Two exports that were cut ended all queries until a restart, while /readyz said 200.
"""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

from tests.attack.asking.asked_server import Asked, Request, eventually
from tests.helpers.thorough import THOROUGH, chance, some

CUTS = 8
"""Of each request, and as many again of heavy ones: some seven hundred for each store. `make test` takes a share."""
AT_ONCE = 6
HEAVY = re.compile(r"export|format|live|verify|backup|person-data|/v1/sql")
REFUSING = re.compile(r" /v1/(admin|account|session|invitations|backup)")
"""Routes that refuse these requests: a key of the settings manages no accounts, a store on a server has no backup."""
ANSWERED, REFUSED = {200, 201, 202, 404, 409}, {204, 400, 401, 403, 415}
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


def _statuses(asked: Asked, requests: list[Request]) -> dict[str, int]:
    """Each asked once the one before has ended: of one key only so many exports run at a time."""
    found = {}
    for request in requests:
        found[request.name] = asked.status(request)
        if HEAVY.search(request.name):
            eventually(asked.at_rest, f"the end of {request.name}")
    return found


def test_nothing_is_left_of_requests_that_were_cut(asked: Asked) -> None:
    """G5, G11: of a turn, a connection, a transaction, a listener, a file or a descriptor."""
    requests = asked.requests()
    eventually(asked.at_rest, "rest")
    before = _statuses(asked, requests)
    wrong = {
        name: status
        for name, status in before.items()
        if status not in (ANSWERED | REFUSED if REFUSING.search(name) else ANSWERED)
    }
    assert wrong == {}
    eventually(lambda: not _left(asked, asked.descriptors()), "rest")
    descriptors = asked.descriptors()
    heavy = [request for request in requests if HEAVY.search(request.name)]
    chosen = [*requests, *heavy] * CUTS if THOROUGH else [*some(requests), *some(heavy)] * 2
    chance().shuffle(chosen)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pair: _cut(asked, pair[1], str(pair[0])), enumerate(chosen)))
    assert asked.ready()
    eventually(lambda: not _left(asked, descriptors), f"rest after {len(chosen)} cuts: {_left(asked, descriptors)}")
    after = _statuses(asked, requests)
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
    eventually(lambda: asked.transactions() == "", "the end of its transaction")
