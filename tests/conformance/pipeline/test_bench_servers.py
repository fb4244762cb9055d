"""The measurements on real servers run and report what they say; what they find is for docs/build/benchmarks.md."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from rich.console import Console

from tallystick.cli.bench import experiments as bench_experiments
from tallystick.cli.bench import floor
from tallystick.cli.bench import load as bench_load
from tallystick.cli.bench.load import Subject, measure_load
from tallystick.cli.bench.scale.measure import Plan, measure_scale
from tallystick.harness import neighbours

QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def a_server_without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that all tests share does not fsync, which Tallystick refuses without this setting."""
    monkeypatch.setenv("TALLYSTICK_ALLOW_WEAK_DURABILITY", "true")
    for name, value in {"REQUESTS": 500, "EVENTS": 2_000, "RUNS": 1}.items():
        monkeypatch.setattr(floor, name, value)


@pytest.mark.parametrize("queue", ["redis", pytest.param("kafka", marks=pytest.mark.faults)])
async def test_separate_processes_on_servers_are_measured(
    request: pytest.FixtureRequest, tmp_path: Path, queue: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tallystick bench --queue --store` starts ingest, work and serve, and all that was accepted is queryable."""
    monkeypatch.setattr(bench_load, "IDLE_AFTER", 0.1)
    subject = Subject(queue_url=request.getfixturevalue(f"{queue}_url"), store_url=postgres_url)
    report = await asyncio.to_thread(measure_load, QUIET, tmp_path, subject, [100], 2_000, None)
    assert (report.queue, report.store) == (queue, "postgresql")
    (figures,) = report.load
    assert (figures.events, figures.refused) == (2_000, 0)
    assert 0 < figures.end_to_end_per_second <= figures.accepted_per_second
    assert figures.disk_bytes_per_event is None


@pytest.mark.parametrize("queue", ["redis", pytest.param("kafka", marks=pytest.mark.faults)])
async def test_an_embedded_store_beside_a_queue_on_a_server_is_measured_with_each_size(
    request: pytest.FixtureRequest, tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue's books count what the first size sent, and close with the second one, too."""
    monkeypatch.setattr(bench_load, "IDLE_AFTER", 0.1)
    subject = Subject(queue_url=request.getfixturevalue(f"{queue}_url"))
    report = await asyncio.to_thread(measure_load, QUIET, tmp_path, subject, [100, 10], 2_000, None)
    assert (report.queue, report.store) == (queue, "duckdb")
    assert [(figures.body_events, figures.events, figures.refused) for figures in report.load] == [
        (100, 2_000, 0),
        (10, 2_000, 0),
    ]
    assert os.listdir(tmp_path) == [], "the data folder was left behind"


@pytest.mark.parametrize(
    ("queue", "store"), [("redis", "postgres"), pytest.param("kafka", "clickhouse", marks=pytest.mark.faults)]
)
async def test_more_processes_are_compared_by_their_processor_time(
    request: pytest.FixtureRequest, tmp_path: Path, queue: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tallystick bench scale`: each step's books close, and servers that tests started are found by their ports."""
    monkeypatch.setattr(neighbours, "REST_TIMEOUT", 1.0)
    queue_url, store_url = request.getfixturevalue(f"{queue}_url"), request.getfixturevalue(f"{store}_url")
    if queue == "kafka":
        queue_url = queue_url.replace("partitions=1", "partitions=2")
    plan = Plan(queue_url, store_url, [1, 2], 1, 2_000, 100)
    report = await asyncio.to_thread(measure_scale, QUIET, tmp_path, plan)
    assert [(f.processes, f.events, f.connections, f.refused) for f in report.scale] == [
        (1, 2_000, 16, 0),
        (2, 4_000, 32, 0),
    ]
    for figures in report.scale:
        assert min(figures.seconds_to_accepted, figures.seconds_to_stored) > 0
        for seconds in (figures.cpu.ingest, figures.cpu.work, figures.cpu.queue, figures.cpu.store):
            assert seconds is not None
            assert seconds >= 0
    assert sum(figures.cpu.ingest or 0 for figures in report.scale) > 0
    assert os.listdir(tmp_path) == [], "the data folder was left behind"


async def test_the_experiments_compare_two_ways_each(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"REQUESTS": 300, "ROWS": 50, "COPIED": 500, "PACED_SECONDS": 1, "RUNS": 1}.items():
        monkeypatch.setattr(bench_experiments, name, value)
    measure = bench_experiments.measure_experiments
    report = await asyncio.to_thread(measure, QUIET, tmp_path, postgres_url, 10_000)
    ways = {(figures.experiment, figures.way) for figures in report.experiments}
    assert ways == {
        ("partitions", "flat table"),
        ("partitions", "partitioned table"),
        ("copy", "INSERT, each row committed"),
        ("copy", "INSERT, 1,000 rows a transaction"),
        ("copy", "COPY"),
        ("queue", "through the queue"),
        ("queue", "straight into the store"),
    }
    assert all(figures.value > 0 for figures in report.experiments)
