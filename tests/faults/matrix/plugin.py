"""Writes what a run of fault tests has shown: `pytest -p tests.faults.matrix.plugin`, which `make faults` says."""

from __future__ import annotations

import pytest

from tests.faults.matrix import page, record
from tests.faults.matrix.catalogue import fault_of
from tests.faults.times import REPETITIONS


class Recorder:
    """Collects the runs of tests that belong to a fault."""

    def __init__(self) -> None:
        self.runs: record.Runs = {}
        self._version, self._date = record.version(), record.today()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if fault_of(report.nodeid) is None or report.skipped:
            return
        if report.when == "call" or report.failed:
            times = dict(report.user_properties).get(REPETITIONS, 1)
            assert isinstance(times, int)
            run = record.Run(report.outcome, times, round(report.duration, 1), self._version, self._date)
            self.runs[report.nodeid] = run
            page.add(self.runs)  # after each test: a run that is broken off leaves what it has shown


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # of pytest-xdist's processes the one that hears of all tests
        config.pluginmanager.register(Recorder())
