"""The measurements on real servers run and report what they say; what they find is for docs/build/benchmarks.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.console import Console

from tallystick.cli.bench import experiments as bench_experiments
from tallystick.cli.bench import load as bench_load
from tallystick.cli.bench.load import Subject, measure_load

QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def a_server_without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that all tests share does not fsync, which Tallystick refuses without this setting."""
    monkeypatch.setenv("TALLYSTICK_ALLOW_WEAK_DURABILITY", "true")


async def test_separate_processes_on_servers_are_measured(
    tmp_path: Path, redis_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tallystick bench --queue --store` starts ingest, work and serve, and all that was accepted is queryable."""
    monkeypatch.setattr(bench_load, "IDLE_AFTER", 0.1)
    subject = Subject(queue_url=redis_url, store_url=postgres_url)
    report = await asyncio.to_thread(measure_load, QUIET, tmp_path, subject, [100], 2_000, None)
    assert (report.queue, report.store) == ("redis", "postgresql")
    (figures,) = report.load
    assert (figures.events, figures.refused) == (2_000, 0)
    assert 0 < figures.end_to_end_per_second <= figures.accepted_per_second
    assert figures.disk_bytes_per_event is None


async def test_the_experiments_compare_two_ways_each(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"REQUESTS": 300, "ROWS": 50, "COPIED": 500, "PACED_SECONDS": 1, "RUNS": 1}.items():
        monkeypatch.setattr(bench_experiments, name, value)
    measure = bench_experiments.measure_experiments
    report = await asyncio.to_thread(measure, QUIET, tmp_path, postgres_url, 30_000)
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
