"""Where every test starts: no setting of the shell's, no failure because a machine is slow; and in which process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

hypothesis_settings.register_profile("tallystick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("tallystick")

UMASK = os.umask(0o022)
os.umask(UMASK)

ONE_PROCESS = (
    "tests/attack/",
    "tests/browser/",
    "tests/conformance/analyses/test_sql",
    "tests/dialects/",
    "tests/unit/",
    "tests/api/test_flights.py",
    "tests/api/test_schemathesis.py",
)
"""Files whose tests share what takes long to start: one process runs a whole file of these."""
FIRST = {
    "tests/faults/": "faults",
    "tests/api/test_flights.py": "faults",
    "tests/unit/cli/test_backup.py": "processes",
    "tests/unit/process/test_processes": "processes",
}
"""Tests that wait more than they compute, so that others run beside them: each of these groups has a process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with FIRST."""
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(FIRST)))


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Which tests go to the same process. (`--dist loadgroup` of xdist 3.8 groups nothing with pytest 9.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        for beginning, group in FIRST.items():
            if file.startswith(beginning):
                return group
        if file.startswith(ONE_PROCESS):
            return file
        if "[rabbitmq" in nodeid or file == "tests/conformance/queue/test_queue_rabbitmq.py":
            return "rabbitmq"  # the one node of these tests takes long to start
        return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    return Together(config, log)


@pytest.fixture(autouse=True)
def no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests give every setting they mean; a TALLYSTICK_ variable of the shell's changes none of them."""
    for name in list(os.environ):
        if name.upper().startswith("TALLYSTICK_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_umask_from_a_command() -> Iterator[None]:
    """A command keeps its files private for the rest of its process, which here is that of the other tests too."""
    os.umask(UMASK)
    yield
    os.umask(UMASK)
