"""`tallystick bench` and its commands from one end to the other, with real servers and stores and few events."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tallystick.cli.bench import command as bench
from tallystick.cli.bench import dedupe as bench_dedupe
from tallystick.cli.bench import floor
from tallystick.cli.bench import load as bench_load
from tallystick.cli.bench.report import Report
from tallystick.harness.server import TALLYSTICK, ServerFailed, ServerProcess
from tests.servers.process import wait_until


@pytest.fixture(autouse=True)
def a_quick_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REQUESTS": 500, "EVENTS": 2_000, "RUNS": 1}.items():
        monkeypatch.setattr(floor, name, value)


def run(folder: Path, *arguments: str) -> Report:
    """The report of a command that has to succeed."""
    file = folder / "report.json"
    result = CliRunner().invoke(bench.app, [*arguments, "--json", str(file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(file.read_bytes(), type=Report)


def test_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_load, "IDLE_AFTER", 0.1)
    (figures,) = run(tmp_path, "--size", "100", "--events", "2000", "--scratch", str(tmp_path / "scratch")).load
    assert (figures.body_events, figures.requests, figures.events, figures.refused) == (100, 20, 2_000, 0)
    assert figures.end_to_end_per_second == pytest.approx(2_000 / figures.seconds_to_queryable)
    assert figures.accepted_per_second >= figures.end_to_end_per_second
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.max_ms
    assert figures.disk_bytes_per_event is not None
    assert figures.disk_bytes_per_event > 0
    assert list((tmp_path / "scratch").iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize("name", ["sustained", "spike"])
def test_a_scenario_with_a_server_of_its_own(tmp_path: Path, name: str) -> None:
    """Every accepted event is stored, and a query finds as many."""
    arguments = ("scenario", name, "--users", "5", "--seconds", "1", "--size", "10", "--scratch", str(tmp_path / "s"))
    (figures,) = run(tmp_path, *arguments).scenario
    assert (figures.scenario, figures.users, figures.errors) == (name, 5, {})
    assert figures.requests >= 5
    assert figures.stored == figures.events == 10 * figures.requests
    assert 0 < figures.p50_ms <= figures.p95_ms <= figures.p99_ms <= figures.max_ms
    assert list((tmp_path / "s").iterdir()) == [], "nothing is left behind"


def test_a_scenario_of_which_nothing_is_accepted_has_no_figures(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", {"TALLYSTICK_MAX_REQUEST_EVENTS": "10"}) as server:
        arguments = ("scenario", "spike", "--url", server.url, "--users", "2", "--seconds", "1", "--size", "11")
        result = CliRunner().invoke(bench.app, arguments)
    assert isinstance(result.exception, ServerFailed)
    assert "no request was accepted: {'413'" in str(result.exception)


def test_query_uses_a_kept_history_again(tmp_path: Path) -> None:
    arguments = ("query", "--data", str(tmp_path / "history"), "--events", "30000", "--runs", "1")
    report = run(tmp_path, *arguments)
    assert report.query_events == 30_000
    assert {figures.runs for figures in report.query} == {1}
    (filling,) = report.fill
    assert (filling.events, filling.server_cpu_seconds) == (30_000, None)
    assert filling.stored_cpu_seconds is not None
    assert 0 < filling.stored_cpu_seconds <= filling.cpu_seconds
    assert filling.disk_bytes is not None
    assert filling.disk_bytes > 30_000
    by_day = {figures.question: figures for figures in report.query}["events per day, 30 days"]
    assert (by_day.rows, by_day.from_rollup, by_day.target_ms) == (30, True, 10.0)
    again = run(tmp_path, *arguments, "--load", "0")
    assert [figures.rows for figures in again.query] == [figures.rows for figures in report.query]
    assert again.fill == []


def test_a_measurement_that_is_ended_ends_its_server(tmp_path: Path) -> None:
    data, log = tmp_path / "history", tmp_path / "history.log"
    measured = subprocess.Popen([*TALLYSTICK, "bench", "query", "--data", str(data), "--events", "30000"])
    wait_until(lambda: log.is_file() and b'"event": "ready"' in log.read_bytes(), "the server of the measurement")
    measured.terminate()
    assert measured.wait(600) != 0
    (server,) = {int(pid) for pid in re.findall(r'"pid": (\d+)', log.read_text())}
    assert not Path(f"/proc/{server}").exists()


def test_query_leaves_a_folder_alone_that_it_did_not_fill(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    result = CliRunner().invoke(bench.app, ["query", "--data", str(tmp_path)])
    assert result.exit_code != 0
    assert "is not empty" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_dedupe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_dedupe, "BATCHES", (500,))
    report = run(tmp_path, "dedupe", "--rows", "0.01,0.03", "--scratch", str(tmp_path / "scratch"))
    assert [(f.rows, f.batch, f.kind) for f in report.dedupe] == [
        (11_000, 500, "fresh"),
        (14_500, 500, "resent"),
        (14_500, 500, "backfill"),
        (31_000, 500, "fresh"),
        (34_500, 500, "resent"),
        (34_500, 500, "backfill"),
    ]
    assert all(0 < f.min_ms <= f.median_ms <= f.max_ms for f in report.dedupe)


def test_all_of_the_table_may_be_in_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_dedupe, "BATCHES", (500,))
    report = run(tmp_path, "dedupe", "--rows", "0.01", "--recent", "--scratch", str(tmp_path / "scratch"))
    assert [f.kind for f in report.dedupe] == ["fresh", "resent", "backfill"]


def test_rows_that_are_no_numbers_are_an_error_of_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench.app, ["dedupe", "--rows", "many"])
    assert result.exit_code == 2
    assert "1,10,50" in result.output
