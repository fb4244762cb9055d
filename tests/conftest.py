"""Where every test starts: no setting of the shell's, no failure because a machine is slow; and in which process."""

from __future__ import annotations

import gc
import os
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tallystick.cli import console
from tests.helpers import empty_store
from tests.helpers.compiled import compile_share
from tests.helpers.shares import of_long_files
from tests.helpers.thorough import SEED, THOROUGH
from tests.servers import forked

console.SILENT_SECONDS = 3_600.0  # what a command says on a slow machine is no part of what tests compare

hypothesis_settings.register_profile("tallystick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("tallystick")

if not THOROUGH:
    forked.install()
    empty_store.install()

UMASK = os.umask(0o022)
os.umask(UMASK)

ONE_PROCESS = (
    "tests/attack/",
    "tests/conformance/analyses/test_sql",
    "tests/dialects/",
    "tests/conformance/store/test_postgres_connection.py",
    "tests/docs/test_commands.py",
    "tests/docs/test_install_snippets.py",
    "tests/outside/",
    "tests/packaging/test_packages.py",
    "tests/unit/",
    "tests/api/test_flights.py",
    "tests/api/test_schemathesis.py",
)
"""Files whose tests share what takes long to start: one process runs a whole file of these."""
ONE_PROCESS_FOR_ALL = ("tests/attack/asking/",)
"""Folders whose files share it: one process runs all of them."""
BROWSERS = 2
"""How many processes run the browser's tests, each with Chromium and a server with a shop's past."""
CLICKHOUSES = 2
"""How many processes start a ClickHouse for the tests of every store."""
FIRST = {
    "tests/faults/": "faults",
    "tests/api/test_flights.py": "faults",
    "tests/unit/cli/test_backup.py": "processes",
    "tests/unit/process/test_processes": "processes",
}
"""Tests that wait more than they compute, so that others run beside them: each of these groups has a process."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """SEED decides what Hypothesis draws, too, before its plugin reads the option."""
    if not THOROUGH and config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = SEED
    process = getattr(config, "workerinput", None)  # one of pytest-xdist's
    if process is not None:
        compile_share(config, int(process["workerid"].removeprefix("gw")), process["workercount"])


SHARES = {
    "tests/attack/": 1 / 2,
    "tests/browser/dashboard/": 1 / 3,
    "tests/conformance/": 1 / 3,
    "tests/outside/": 1 / 2,
}
"""Of each file of these folders a run of all tests takes so many, others after each change; `make faults` takes all."""


@pytest.hookimpl(trylast=True)  # each folder has left out what it does not run
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begins with FIRST, and leaves a share of the long folders out, unless somebody asks for these tests."""
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(FIRST)))
    if THOROUGH or config.option.keyword or [Path(named).resolve() for named in config.args] != [Path(__file__).parent]:
        return
    taken = set(of_long_files(items, lambda item: item.nodeid, SHARES))
    config.hook.pytest_deselected(items=[item for item in items if item not in taken])
    items[:] = [item for item in items if item in taken]


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """What is collected stays: looking for garbage in it again and again takes as long as collecting it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """All tests are kept until the end: no garbage collection looks at them again."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Which tests go to the same process. (`--dist loadgroup` of xdist 3.8 groups nothing with pytest 9.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The name of the tests that one process runs together with this one; its own id: there are none."""
    file = nodeid.partition("::")[0]
    for beginning, group in FIRST.items():
        if file.startswith(beginning):
            return group
    for folder in ONE_PROCESS_FOR_ALL:
        if file.startswith(folder):
            return folder
    if file.startswith("tests/browser/"):
        return f"browser {_one_of(BROWSERS, file)}"
    if file.startswith(("tests/conformance/", "tests/outside/")) and (group := _group_by_server(nodeid)):
        return group
    return file if file.startswith(ONE_PROCESS) else nodeid


def _group_by_server(nodeid: str) -> str:
    """The group of the tests of a server that takes long to start; empty: the test needs none of these."""
    file, _, case = nodeid.partition("[")
    if "rabbitmq" in case or "test_queue_rabbitmq" in file:
        return "rabbitmq"
    if "kafka" in case or "test_queue_kafka" in file:
        return "kafka"
    if "sharded" in case or "test_clickhouse_shards" in file:
        return "sharded"
    if "clickhouse" in case or "test_clickhouse_" in file:
        return f"clickhouse {_one_of(CLICKHOUSES, file.partition('::')[0])}"
    return ""


def _one_of(count: int, name: str) -> int:
    """A number below `count`, for the same name the same one in every process."""
    return zlib.crc32(name.encode()) % count


def pytest_report_header() -> str:
    return (
        "cases: all"
        if THOROUGH
        else f"cases: some, others after each change of the code; SEED={SEED} takes these again"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end too how to repeat a failure, where the beginning is far away."""
    if not THOROUGH and terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"The same cases again: SEED={SEED} make test")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    return Together(config, log)


@pytest.fixture(autouse=True)
def no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests give every setting they mean; a TALLYSTICK_ variable of the shell's changes none of them."""
    for name in list(os.environ):
        if name.upper().startswith("TALLYSTICK_"):
            monkeypatch.delenv(name)


@pytest.fixture
def started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what a command imports: theirs are no forks of a process that has imported everything."""
    monkeypatch.setattr(subprocess, "Popen", forked.Started)


@pytest.fixture(autouse=True)
def no_umask_from_a_command() -> Iterator[None]:
    """A command keeps its files private for the rest of its process, which here is that of the other tests too."""
    os.umask(UMASK)
    yield
    os.umask(UMASK)
