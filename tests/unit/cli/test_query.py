"""`tallystick query` as a person runs it, on a real server process."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tallystick.cli import main
from tallystick.cli.ask.arguments import QueryArguments, request_body
from tallystick.cli.ask.table import number, printable
from tests.helpers.http import plain_http
from tests.servers.process import wait_until

TALLYSTICK = [sys.executable, "-c", "from tallystick.cli import main; main()"]
READ, WRITE = "read-0123456789abcdef", "write-0123456789abcdef"
EVIL = "\x1b[31m[bold]=1+1\x07"
DAY = datetime(2026, 3, 2, tzinfo=UTC)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with keys that has two days of events."""
    data = tmp_path_factory.mktemp("asked")
    keys = {"TALLYSTICK_READ_KEYS": f"*={READ}", "TALLYSTICK_WRITE_KEYS": f"*={WRITE}"}
    process = subprocess.Popen(
        [*TALLYSTICK, "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **keys},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        fill(found[0])
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def fill(url: str) -> None:
    """On 1 March 4 views and 1 sign-up, on the 2nd 8 views and 3 sign-ups; one more on another site."""
    events: list[dict[str, Any]] = []
    for day, views, signups in ((-1, 4, 1), (0, 8, 3)):
        for n, name in enumerate(["page_view"] * views + ["signup"] * signups):
            at = DAY + timedelta(days=day, minutes=n)
            source = EVIL if n == 0 else "web"
            events.append(
                {
                    "name": name,
                    "timestamp": at.isoformat(),
                    "user_id": f"u{n % 4}",
                    "source": source,
                    "properties": {"plan": "pro" if n % 2 else "free", "amount": n},
                }
            )
    events.append({"name": "page_view", "timestamp": DAY.isoformat(), "site_id": "shop"})
    with plain_http.client(url) as client:
        sent = client.post("/v1/events", json=events, headers={"X-API-Key": WRITE})
        assert sent.status_code == 202

        def stored() -> bool:
            answer = client.get("/v1/query", params={"site_id": "*"}, headers={"X-API-Key": READ})
            return bool(answer.json()["rows"] == [{"events": len(events)}])

        wait_until(stored, "the events")


@pytest.fixture
def query(server: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`tallystick query` with these arguments, asked of the server, with its key."""
    monkeypatch.setenv("TALLYSTICK_KEY", READ)

    def run(*arguments: str, url: str = server) -> Ran:
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["query", *arguments, "--url", url])
        out, err = capsysbinary.readouterr()
        return Ran(int(exit_.value.code or 0), out.decode(), err.decode())

    return run


RANGE = ["--since", "2026-03-01", "--until", "2026-03-03"]


def cells(text: str) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in text.splitlines()]


def test_a_series_has_bars(query: Command) -> None:
    ran = query(*RANGE)
    assert (ran.code, ran.err) == (0, "")
    assert cells(ran.out) == [
        ["bucket", "events", "users"],
        ["2026-03-01", "5", "4", "███████▎"],
        ["2026-03-02", "11", "4", "█" * 16],
    ]


def test_conversion_beside_the_day_before(query: Command) -> None:
    ran = query(
        "events[name=signup]",
        "events[name=page_view]",
        "--formula",
        "share: A / B * 100",
        "--compare",
        "--since",
        "2026-03-02",
        "--until",
        "2026-03-03",
        "--interval",
        "none",
    )
    titles, row, note = cells(ran.out)
    assert [title for title in titles if title not in ("before", "change")] == [
        "events[name=signup]",
        "events[name=page_view]",
        "share",
    ]
    assert row == ["3", "1", "+200.0%", "8", "4", "+100.0%", "37.5", "25", "+50.0%"]
    assert note == ["before: 2026-03-01 00:00 to 2026-03-02 00:00 UTC"]


def test_broken_down_and_written_safely(query: Command) -> None:
    """What an event is called neither steers the terminal nor is markup, and no spreadsheet computes it."""
    ran = query("events", "--by", "source", *RANGE)
    assert "\x1b" not in ran.out
    assert cells(ran.out)[1:] == [[printable(EVIL), "2", "██▎"], ["web", "14", "█" * 16]]
    ran = query("events", "--by", "source", "--top", "1", "--other", *RANGE)
    assert cells(ran.out)[1:] == [["web", "14", "█" * 16], ["(other)", "2", "██▎"]]


def test_csv_and_json_are_what_the_server_says(query: Command, server: str) -> None:
    ran = query("events", "sum:amount", "--by", "properties.plan", *RANGE, "--format", "csv")
    rows = list(csv.reader(io.StringIO(ran.out)))
    assert rows == [["properties.plan", "events", "sum(amount)"], ["free", "9", "36.0"], ["pro", "7", "29.0"]]
    ran = query("events", "--interval", "none", *RANGE, "--format", "json")
    answer = json.loads(ran.out)
    assert answer["rows"] == [{"events": 16}]
    assert answer["exact"] is True
    done = subprocess.run(
        [*TALLYSTICK, "query", "--interval", "none", *RANGE, "--format", "json", "--url", server],
        capture_output=True,
        check=True,
        env={**os.environ, "TALLYSTICK_KEY": READ},
    )
    assert json.loads(done.stdout)["rows"] == [{"events": 16, "users": 4}]


@pytest.mark.parametrize(
    ("test", "count"),
    [
        ("properties.plan=pro", 7),
        ("properties.plan!=pro", 9),
        ("properties.plan~r", 16),
        ("properties.amount>6", 4),
        ("properties.amount<1", 2),
        ("name=signup", 4),
        ("name:in:signup,other", 4),
        ("properties.amount:=:10", 1),
        ("user_id:set", 16),
        ("path=/a:b", 0),
    ],
)
def test_filters(query: Command, test: str, count: int) -> None:
    ran = query("events", "--interval", "none", *RANGE, "--filter", test)
    assert cells(ran.out) == [["events"], [str(count)]]


def test_site(query: Command) -> None:
    for more, count in (([], "16"), (["--site", "shop"], "1"), (["--site", "*"], "17")):
        assert cells(query("events", "--interval", "none", *RANGE, *more).out)[1] == [count]


FUNNEL = {"kind": "funnel", "since": "2026-03-01T00:00:00Z", "steps": [{"name": "page_view"}, {"name": "signup"}]}


def test_any_question(query: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = query(json.dumps(FUNNEL))
    assert [row[:3] for row in cells(ran.out)] == [
        ["step", "name", "users"],
        ["1", "page_view", "4"],
        ["2", "signup", "3"],
    ]
    file = tmp_path / "question.json"
    file.write_text(json.dumps(FUNNEL))
    assert query("--file", str(file)).out == ran.out
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(FUNNEL)))
    assert query("--file", "-").out == ran.out
    assert query('{"kind":"events","filter":{"any":[]}}').out == "no rows\n"
    assert json.loads(query("--json", json.dumps(FUNNEL)).out)["rows"][1]["users"] == 3  # --json is about the output
    many = query('{"kind":"events","limit":2}').out
    assert "more rows" in cells(many)[-1][0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["events", "--formula", "A / / B"], "not '/' at character 5"),
        (["events", "--formula", "A / B"], "there is no metric B"),
        (["clicks"], "metrics.0.kind: Input should be 'events'"),
        (["events[name=a"], "is not a metric such as"),
        (["events[nam=a]"], "does not have the form field:op:value"),
        (["events", "--filter", "plan=pro"], "does not have the form field:op:value"),
        (["--json", "--format", "csv"], "--json and --format csv exclude each other"),
        (["--filter", "name==signup"], "'name==signup': == is no operator; write name=signup"),
        (["events[name==signup]"], "== is no operator; write name=signup"),
        (["--filter", "properties.amount>=5"], ">= is no operator; there are = != > <"),
        (["--timezone", "Mars/Base"], "unknown time zone"),
        (["--since", "soon"], "not an ISO 8601 instant"),
        (["--top", "3"], "top needs a breakdown"),
        (["{"], "the query: it cannot be read as JSON"),
        (['{"kind":"metric"}'], "metric"),
        (["{}", "--file", "x"], "exclude each other"),
        (["{}", "--compare"], "leave out metrics and the options"),
        (["--file", "/nowhere/x.json"], "No such file"),
        (["--since", "9999-01-01", "--compare"], "lies in the future"),
    ],
)
def test_mistakes_are_one_line_and_code_2(query: Command, arguments: list[str], complaint: str) -> None:
    ran = query(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert complaint in ran.err
    assert len(ran.err.splitlines()) == 1


def test_without_a_server_it_says_how_to_start_one(query: Command) -> None:
    ran = query(url="http://127.0.0.1:9")
    assert (ran.code, ran.out) == (2, "")
    assert "tallystick up` starts one" in ran.err


def test_without_a_key_it_is_refused(query: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """G12: and the message holds none."""
    monkeypatch.setenv("TALLYSTICK_KEY", "wrong-0123456789abcdef")
    ran = query()
    assert (ran.code, ran.out) == (2, "")
    assert "key" in ran.err
    assert "0123456789" not in ran.err


def typed(**changes: Any) -> QueryArguments:
    given: dict[str, Any] = {
        "metrics": (),
        "by": (),
        "since": None,
        "until": None,
        "interval": None,
        "timezone": "UTC",
        "filters": (),
        "formulas": (),
        "compare": False,
        "top": None,
        "other": False,
        "site": None,
    }
    return QueryArguments(**{**given, **changes})


NOW = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)


def test_without_anything_the_last_seven_days_of_the_zone() -> None:
    body = request_body(typed(timezone="Europe/Berlin"), NOW)
    assert (body["kind"], body["interval"]) == ("metrics", "day")
    assert [metric["kind"] for metric in body["metrics"]] == ["events", "users"]
    assert datetime.fromisoformat(body["since"]) == datetime(2026, 3, 25, 23, tzinfo=UTC), "it is 1 April there"
    assert "site_id" not in body, "a key's own site stays its own"
    assert request_body(typed(site="*"), NOW)["site_id"] is None
    assert request_body(typed(by=["name"]), NOW)["interval"] is None


def test_a_metric_with_several_conditions() -> None:
    text = "sum:amount[name=buy][properties.plan:in:a,b]"
    [metric] = request_body(typed(metrics=[text]), NOW)["metrics"]
    assert (metric["kind"], metric["property"], metric["name"]) == ("sum", "amount", text)
    assert [test["value"] for test in metric["filter"]["all"]] == ["buy", ["a", "b"]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (2.0, "2"),
        (0.125, "0.125"),
        (1 / 3, "0.333"),
        (-1234.5, "-1,234.5"),
        (1e-9, "1.000e-09"),
        (1e300, "1.000e+300"),
        (0.0, "0"),
        (None, ""),
        ("2026", "2026"),
    ],
)
def test_numbers(value: Any, shown: str) -> None:
    assert number(value) == shown
