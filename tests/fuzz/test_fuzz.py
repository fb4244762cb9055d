"""The fuzz targets: with what they begin with and what was found in each run, and for ten minutes in `make faults`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.ingest.decode import _decode_fast
from tests.fuzz.targets import NOW, SETTINGS, TARGETS, decode, seeds
from tests.helpers.thorough import some

FOUND = Path(__file__).with_name("found")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))
"""For each target."""


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    """They are accepted or refused; so the fuzzers begin with inputs without a fault."""
    given = list(seeds(target))
    assert len(given) > 20
    for seed in some(given):
        TARGETS[target](seed)


FILES = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in sorted(FOUND.glob("*/*"))]


@pytest.mark.parametrize("path", FILES)
def test_what_was_found(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_a_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The targets can fail: here the fast way of decoding takes every body as one event of another name."""
    right = decode_fast()
    monkeypatch.setattr("tests.fuzz.targets._decode_fast", lambda *given: right)
    with pytest.raises(AssertionError, match="the two ways differ"):
        decode(b"\0" + b'{"name":"other","event_id":"0b9c1f1e-3f64-4f0e-9f5c-6f5b6a6d2c11"}')


def decode_fast() -> object:
    return _decode_fast(b'{"name":"a"}', NOW, SETTINGS, False)


@pytest.mark.faults
@pytest.mark.parametrize("target", TARGETS)
def test_guided_by_coverage(target: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip(
            "there is no atheris: `scripts/install fuzz` installs it on Linux (x86-64) with Python 3.11 to 3.13"
        )
    command = [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(SECONDS), "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    kept = [path.read_bytes()[:300] for path in tmp_path.iterdir()]
    assert done.returncode == 0, f"{kept}\n{(done.stdout + done.stderr)[-3_000:]}"
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert executed is not None, done.stderr[-1_000:]
    assert int(executed[1]) > 20 * SECONDS, "so few inputs prove little"
    print(f"{target}: {executed[1]} inputs in {SECONDS} s")
