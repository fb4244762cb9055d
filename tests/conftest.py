"""What every test starts from: no setting from the shell's environment, and no failure because a machine is slow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

hypothesis_settings.register_profile("runnel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("runnel")

TOGETHER = [Path(__file__).parent / name for name in ("browser", "dialects")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module that starts one server for its tests runs in one process: each of xdist's would start its own."""
    for item in items:
        if any(folder in item.path.parents for folder in TOGETHER):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(autouse=True)
def no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests give every setting they mean; a RUNNEL_ variable of the shell's changes none of them."""
    for name in list(os.environ):
        if name.upper().startswith("RUNNEL_"):
            monkeypatch.delenv(name)
