"""`tallystick query`, `sql` and `report run` say from when there are events where retention kept rollups of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tallystick.harness.server import ServerProcess
from tests.helpers.commands import end_command
from tests.servers.process import wait_until

SETTINGS = {
    "TALLYSTICK_RETENTION_DAYS": "10",
    "TALLYSTICK_RETENTION_ROLLUPS": "true",
    "TALLYSTICK_MAINTAIN_EVERY": "0.2",
    "TALLYSTICK_SQL": "true",
}
OLD = datetime.now(UTC) - timedelta(days=40)
BY_PATH = {"kind": "metrics", "breakdown": ["path"]}
NOTE = f"events of before {OLD + timedelta(days=1):%Y-%m-%d} (UTC) were removed: "
FIGURES = NOTE + "figures that kept rollups do not have begin there\n"
IN_SQL = NOTE + "SQL does not have their kept rollups\n"
FIRST = f"{OLD - timedelta(days=1):%Y-%m-%d}"
"""A midnight, from which on the rollup answers."""
STATEMENT = "SELECT count(*) AS n FROM events"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of a server with one old and one new event, of which the old one is gone; and a report's id."""
    with ServerProcess(tmp_path_factory.mktemp("removed") / "data", SETTINGS) as process:
        with closing(process.api()) as api:
            for moment in (OLD, datetime.now(UTC)):
                api.post("/v1/events", {"name": "view", "path": "/a", "timestamp": moment.isoformat()})
            wait_until(lambda: "events_from" in api.post("/v1/query", BY_PATH), "the old event is gone")
            report = {"name": "By path", "question": BY_PATH, "range": "90d", "timezone": "UTC", "site_id": "default"}
            report_id: str = api.post("/v1/reports", report)["id"]
        yield process.url, report_id


def ran(server: tuple[str, str], *arguments: str) -> tuple[str, str]:
    """What a command writes to standard output and to standard error."""
    code, out, err = end_command({}, *arguments, "--url", server[0])
    assert code == 0, err
    return out, err


def test_below_a_table(server: tuple[str, str]) -> None:
    assert ran(server, "query", "events", "--by", "path", "--since", "90d")[0].endswith(f"\n{FIGURES}")
    assert ran(server, "report", "run", server[1])[0].endswith(f"\n{FIGURES}")
    assert ran(server, "sql", STATEMENT)[0].endswith(f"\n{IN_SQL}")
    for whole in (["query", "events", "--since", FIRST], ["query", "events", "--by", "path", "--since", "5d"]):
        assert "removed" not in ran(server, *whole)[0]


def test_beside_a_file(server: tuple[str, str]) -> None:
    """On standard error: standard output is the file."""
    csv = ("--format", "csv")
    for command, note in (
        (["query", "events", "--by", "path", "--since", "90d"], FIGURES),
        (["report", "run", server[1]], FIGURES),
        (["sql", STATEMENT], IN_SQL),
    ):
        out, err = ran(server, *command, *csv)
        assert re.fullmatch(r"(path,events|n)\r\n(/a,)?1\r\n", out)
        assert err == note
    assert ran(server, "query", "events", "--interval", "none", "--since", FIRST, *csv) == ("events\r\n2\r\n", "")
