"""Formulas, metrics with filters and comparison over HTTP, and what keys of one site see of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.http.keyed import KEYS, SHOP, opened
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.samples import NOON, block_of, sample_event

HOUR: dict[str, Any] = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T13:00:00Z"}
BEFORE = {"since": "2026-03-01T11:00:00Z", "until": "2026-03-01T12:00:00Z"}
SIGNUPS = {"kind": "events", "name": "signups", "filter": {"field": "name", "op": "=", "value": "signup"}}


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[ReadSide]:
    """Eight views and two sign-ups at noon, four views and one sign-up in the hour before."""
    views = [sample_event(n, timestamp=NOON + timedelta(minutes=n)) for n in range(8)]
    views += [sample_event(20 + n, timestamp=NOON - timedelta(minutes=n + 1)) for n in range(4)]
    minutes = enumerate((1, 2, -9))
    signups = [sample_event(40 + n, name="signup", timestamp=NOON + timedelta(minutes=at)) for n, at in minutes]
    async with open_read_side(tmp_path) as opened_side:
        await opened_side.store_blocks([block_of(0, views + signups)])
        yield opened_side


async def test_a_conversion_beside_that_of_the_hour_before(side: ReadSide) -> None:
    answer = await side.post(
        "/v1/query",
        {
            "kind": "metrics",
            **HOUR,
            "compare": "previous",
            "metrics": [SIGNUPS, {"kind": "events"}],
            "formulas": [{"name": "share", "expression": "A / B * 100"}, {"expression": "A / (B - B)"}],
        },
    )
    assert answer["rows"] == [
        {
            "signups": 2,
            "events": 10,
            "share": 20.0,
            "A / (B - B)": None,
            "previous": {"signups": 1, "events": 5, "share": 20.0, "A / (B - B)": None},
        }
    ]
    assert (answer["previous"], answer["from_rollup"]) == (BEFORE, True)


async def test_another_period_of_ones_own(side: ReadSide) -> None:
    question = {"kind": "metrics", **HOUR, "interval": "hour"}
    answer = await side.post("/v1/query", {**question, "compare": {**HOUR, "until": "2026-03-01T12:01:00+00:00"}})
    [row] = answer["rows"]
    assert row["previous"] == {"bucket": "2026-03-01T12:00:00+00:00", "events": 1, "complete": False}
    assert "previous" not in await side.post("/v1/query", question)


async def test_sessions_are_compared_by_either_route(side: ReadSide) -> None:
    question = {**HOUR, "compare": "previous", "metrics": ["sessions", "events"]}
    answers = [
        await side.post("/v1/query", {"kind": "sessions", **question}),
        await side.post("/v1/query/sessions", question),
    ]
    [now], [before] = [
        (await side.post("/v1/query/sessions", {**question, "compare": None, **period}))["rows"]
        for period in (HOUR, BEFORE)
    ]
    assert before["sessions"] > now["sessions"] > 0, "some began before the hour"
    for answer in answers:
        assert (answer["rows"], answer["previous"]) == ([now | {"previous": before}], BEFORE)


async def test_get_query_compares_and_computes(side: ReadSide) -> None:
    got = await side.get(
        "/v1/query",
        metric=["events", "users"],
        formula=["per user: A / B", "A + B"],
        compare="previous",
        interval="hour",
        since=HOUR["since"],
        until=HOUR["until"],
    )
    posted = await side.post(
        "/v1/query",
        {
            "kind": "metrics",
            **HOUR,
            "metrics": [{"kind": "events"}, {"kind": "users"}],
            "compare": "previous",
            "formulas": [{"name": "per user", "expression": "A / B"}, {"expression": "A + B"}],
            "interval": "hour",
        },
    )
    assert got["rows"] == posted["rows"]
    assert list(got["rows"][0]["previous"]) == ["bucket", "events", "users", "per user", "A + B", "complete"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"compare": "previous"}, "compare needs since: all time has no period before it"),
        ({"compare": "next"}, "compare: Input should be 'previous'"),
        ({"compare": {"since": HOUR["since"]}}, "compare.until: this field is required"),
        (
            {"formulas": [{"expression": "A / / B"}]},
            "formulas.0.expression: the formula 'A / / B' cannot be read: expected a number, the letter of a metric, "
            "- or (, not '/' at character 5",
        ),
        ({"formulas": [{"expression": "A / B"}]}, "formula 'A / B': there is no metric B, the last one is A"),
        ({"metrics": [{}, {"filter": None}]}, "'events' is there twice: give it another name"),
    ],
)
async def test_what_is_wrong_is_said(side: ReadSide, body: dict[str, Any], sentence: str) -> None:
    answer = await side.client.post("/v1/query", json={"kind": "metrics", **body})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert answer.json()["error"]["message"].endswith(sentence)


async def test_a_file_has_the_other_period_as_columns(side: ReadSide) -> None:
    question = {"kind": "metrics", **HOUR, "compare": "previous", "metrics": [SIGNUPS], "interval": "hour"}
    answer = await side.client.post("/v1/query?format=csv", json=question)
    assert answer.text.splitlines() == [
        "bucket,signups,complete,previous.bucket,previous.signups,previous.complete",
        "2026-03-01T12:00:00+00:00,2,true,2026-03-01T11:00:00+00:00,1,true",
    ]


async def test_a_key_of_one_site_sees_that_site_alone(tmp_path: Path) -> None:
    """G12: in the other period and through a metric's own filter, too."""
    other = {"field": "site_id", "op": "=", "value": "blog"}
    asked: dict[str, Any] = {
        "kind": "metrics",
        **HOUR,
        "compare": "previous",
        "breakdown": ["site_id"],
        "top": 5,
        "metrics": [{}, {"name": "blog", "filter": other}],
    }
    async with opened(tmp_path, **KEYS) as side:
        await side.send(
            *(
                {"name": "n", "site_id": site, "timestamp": f"2026-03-01T{hour}:30:00Z"}
                for site in ("shop", "blog")
                for hour in (11, 12)
            )
        )
        await side.tallystick.drained()
        rows = (await side.query(SHOP, **asked)).json()["rows"]
        assert rows == [{"site_id": "shop", "events": 1, "blog": 0, "previous": {"events": 1, "blog": 0}}]
        for site in ("blog", None):
            assert (await side.query(SHOP, **asked, site_id=site)).status_code == 403
