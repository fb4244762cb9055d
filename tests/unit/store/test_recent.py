"""The index of recent ids: it may suspect too much, but it never calls a stored id new (G2)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.store.duckdb import recent
from tallystick.store.duckdb.recent import RecentIds

hashes = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 50), max_size=60)


def ascending(values: list[int]) -> recent.Hashes:
    return np.sort(np.array(values, np.uint64))


@given(batches=st.lists(hashes, max_size=12), asked=hashes)
def test_knows_exactly_what_was_added(batches: list[list[int]], asked: list[int]) -> None:
    """G2: however the runs were merged."""
    index = RecentIds(Path("unused"))
    for number, batch in enumerate(batches):
        index.add(ascending(batch), number)
    wanted = ascending(asked)
    added = {value for batch in batches for value in batch}
    assert index.suspects(wanted).tolist() == [int(value) in added for value in wanted]
    assert len(index) == sum(map(len, batches))


def test_large_runs_live_in_files_and_answer_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs over the limit are mapped, small ones are not, and no file is left in the folder."""
    monkeypatch.setattr(recent, "MAPPED_MIN", 1_000)
    index = RecentIds(tmp_path)
    rng = np.random.default_rng(7)
    values = rng.integers(0, 2**63, 5_000, dtype=np.uint64)
    for part in np.split(values, 10):
        index.add(np.sort(part), 1)
    assert any(run.map is not None for run in index._runs)
    assert index.suspects(np.sort(values)).all()
    assert not index.suspects(np.sort(values) + np.uint64(1)).any()
    assert list(tmp_path.iterdir()) == []


def test_runs_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that never ended would never be forgotten."""
    monkeypatch.setattr(recent, "RUN_MAX", 100)
    index = RecentIds(tmp_path)
    for start in range(0, 1_000, 50):
        index.add(np.arange(start, start + 50, dtype=np.uint64), start)
    assert max(len(run.hashes) for run in index._runs) == 100
    assert len(index._runs) == 10


def test_what_is_older_than_the_window_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only as whole runs, and only when their youngest is old."""
    monkeypatch.setattr(recent, "RUN_MAX", 2)
    index = RecentIds(tmp_path)
    index.add(ascending([1, 2]), 10)
    index.add(ascending([3, 4]), 20)
    index.forget(20)
    assert index.suspects(ascending([1, 2, 3, 4])).tolist() == [False, False, True, True]
