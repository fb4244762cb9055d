"""What every test starts from: no setting from the shell's environment, and no failure because a machine is slow."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

hypothesis_settings.register_profile("runnel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("runnel")


@pytest.fixture(autouse=True)
def no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests give every setting they mean; a RUNNEL_ variable of the shell's changes none of them."""
    for name in list(os.environ):
        if name.upper().startswith("RUNNEL_"):
            monkeypatch.delenv(name)
