"""`tallystick bench scale`: its order of steps, its sums, and whose processor time it takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tallystick.cli.bench import command as bench
from tallystick.cli.bench.report import CpuFigures, Report, ScaleFigures, machine
from tallystick.cli.bench.scale.measure import Plan
from tallystick.cli.bench.scale.tables import ratios, scale_rows
from tallystick.cli.bench.tables import markdown, sheets
from tallystick.errors import ConfigError
from tallystick.harness.neighbours import Neighbours, on_this_machine, servers
from tests.servers.process import wait_until


def step(processes: int, turn: int, cpu: tuple[float, float, float | None, float | None]) -> ScaleFigures:
    """A step of 1,000,000 events: accepted after 4 s, stored after 10."""
    return ScaleFigures(
        processes=processes,
        round=turn,
        events=1_000_000,
        body_events=1_000,
        connections=4 * processes,
        seconds_to_accepted=4.0 + turn * 2,
        seconds_to_stored=10.0,
        refused=turn,
        cpu=CpuFigures(*cpu),
        ingest_peak_bytes=(100 + turn) << 20,
    )


STEPS = [step(1, 0, (1, 2, 3, 4)), step(4, 0, (2, 2, 3, 5)), step(4, 1, (2, 2, 3, 5)), step(1, 1, (3, 2, 3, 4))]


# --- what is measured -----------------------------------------------------------------------------------------------


def test_every_second_round_is_in_reverse_order() -> None:
    plan = Plan("redis://a", "postgresql://b", [1, 2, 4], 2, 1_000, 100)
    assert plan.steps() == [(0, 1), (0, 2), (0, 4), (1, 4), (1, 2), (1, 1)]


def test_what_grows_evenly_costs_no_number_of_processes_more() -> None:
    """A table that makes each step a second dearer than the last gives a ratio of 1."""
    plan = Plan("redis://a", "postgresql://b", [1, 2, 4], 2, 1_000, 100)
    figures = [step(number, turn, (1, 1, 1, 1.0 + at)) for at, (turn, number) in enumerate(plan.steps())]
    assert ratios(scale_rows(figures)) == (1, 1, 1, 1, 1)


def test_all_rounds_of_a_number_are_one_row() -> None:
    one, four = scale_rows(STEPS)
    assert (one.processes, one.rounds, one.events, one.refused) == (1, 2, 2_000_000, 1)
    assert one.accepted_per_second == 200_000
    assert one.stored_per_second == 100_000
    assert one.cpu_seconds == (4, 4, 6, 8)
    assert one.cpu_us == (2, 2, 3, 4)
    assert (one.whole_us, four.whole_us) == (11, 12)
    assert ratios([one, four]) == pytest.approx((1, 1, 1, 1.25, 12 / 11))


def test_what_is_not_known_is_not_added_up() -> None:
    (row,) = scale_rows([step(1, 0, (1, 2, None, 4))])
    assert row.cpu_us == (1, 2, None, 4)
    assert row.whole_us is None
    assert ratios([row]) == (1, 1, None, 1, None)


def test_the_tables() -> None:
    report = Report(machine(Path()), scale=STEPS, queue="kafka", store="clickhouse")
    throughput, seconds, each = sheets(report)
    assert throughput.rows[1] == ["4", "2", "2,000,000", "200,000", "100,000", "1", "101", "–"]
    assert seconds.rows == [["1", "4.0", "4.0", "6.0", "8.0"], ["4", "4.0", "4.0", "6.0", "10.0"]]
    assert each.rows[-1] == ["4 ÷ 1", "1.00", "1.00", "1.00", "1.25", "1.09"]
    assert "| 4 ÷ 1 | 1.00 | 1.00 | 1.00 | 1.25 | 1.09 |" in markdown(report)


# --- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", ["one", "0", "1,,2", "1,65", "-1", ""])
def test_numbers_that_are_none_are_an_error_of_usage(processes: str) -> None:
    result = CliRunner().invoke(bench.app, ["scale", "--processes", processes])
    assert result.exit_code == 2
    assert "1,2,4" in result.output


@pytest.mark.parametrize(
    ("queue", "store"), [("", "postgresql://b/c"), ("redis://a", ""), ("memory://", "duckdb:///x")]
)
def test_what_lives_in_one_process_cannot_be_shared(tmp_path: Path, queue: str, store: str) -> None:
    arguments = ["scale", "--queue", queue, "--store", store, "--scratch", str(tmp_path)]
    result = CliRunner().invoke(bench.app, arguments)
    assert isinstance(result.exception, ConfigError)
    assert "--queue kafka://" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


# --- servers on this machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("kafka://user:a%2Fb@one:9092,two,[::1]:19092/topic", [("one", 9092), ("two", 9092), ("::1", 19092)]),
        ("clickhouse://u:p@127.0.0.1:8124/database", [("127.0.0.1", 8124)]),
        ("clickhouses://host/database", [("host", 8443)]),
        ("redis://localhost/0", [("localhost", 6379)]),
        ("postgresql://tallystick@127.0.0.1/bench", [("127.0.0.1", 5432)]),
        ("", []),
        ("sqlite:///file", []),
    ],
)
def test_the_servers_of_a_url(url: str, found: list[tuple[str, int]]) -> None:
    assert servers(url) == found


@pytest.fixture
def neighbour() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process of which a child computes, and the port on which the process listens."""
    code = (
        "import socket, subprocess, sys\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])\n"
        "print(listener.getsockname()[1], flush=True)\n"
        "try:\n"
        "    sys.stdin.read()\n"
        "finally:\n"
        "    child.kill()\n"
        "    child.wait()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.communicate()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_a_server_is_found_by_its_port_and_counted_with_its_children(
    neighbour: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = neighbour
    found = on_this_machine(f"redis://127.0.0.1:{port}/0")
    assert found == {process.pid}
    server = Neighbours(found)
    wait_until(lambda: (server.cpu_seconds() or 0) >= 0.2, "the child's processor time")


@needs_proc
def test_a_server_that_is_gone_has_no_time(neighbour: tuple[subprocess.Popen[bytes], int]) -> None:
    process, _ = neighbour
    server = Neighbours([process.pid])
    assert server.cpu_seconds() is not None
    process.communicate()
    assert server.cpu_seconds() is None


def test_what_is_elsewhere_is_not_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert on_this_machine(f"redis://192.0.2.1:{port}/0") == frozenset()
    assert on_this_machine("") == frozenset()
    assert Neighbours([]).cpu_seconds() is None


@needs_proc
def test_own_time_is_that_of_the_clock() -> None:
    """The unit is seconds: what computes for some time by its own clock has taken that much."""
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    used = Neighbours([process.pid]).cpu_seconds()
    process.communicate(b"\n")
    assert used is not None
    assert 0.5 - 2 / os.sysconf("SC_CLK_TCK") <= used < 5
