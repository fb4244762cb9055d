"""The disk reserve (G5)."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tallystick.config import GIB, MIB, Settings
from tallystick.disk import CHECK_EVERY, DiskGuard


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Disk:
    """A file system of a given size, and a clock."""

    def __init__(self, total: int, free: int) -> None:
        self.total, self.free = total, free
        self.now = 0.0
        self.looks = 0

    def usage(self, _folder: Path) -> Usage:
        self.looks += 1
        return Usage(self.total, self.total - self.free, self.free)


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk of 100 GiB, half full: 5 % of it are more than 256 MiB, so the bytes count."""
    return _replace_disk(monkeypatch, Disk(100 * GIB, 50 * GIB))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk of 1 GiB, half full: 5 % of it are less than 256 MiB, so the fraction counts."""
    return _replace_disk(monkeypatch, Disk(GIB, GIB // 2))


def _replace_disk(monkeypatch: pytest.MonkeyPatch, replacement: Disk) -> Disk:
    monkeypatch.setattr(shutil, "disk_usage", replacement.usage)
    monkeypatch.setattr(time, "monotonic", lambda: replacement.now)
    return replacement


def low_after(disk: Disk, guard: DiskGuard, free: int) -> bool:
    disk.now += CHECK_EVERY
    disk.free = free
    return guard.low()


def test_on_a_big_disk_the_reserve_is_in_bytes(big: Disk, tmp_path: Path) -> None:
    """G5: 256 MiB stay free."""
    guard = DiskGuard(tmp_path, Settings())

    assert not low_after(big, guard, 256 * MIB)
    assert low_after(big, guard, 256 * MIB - 1)


def test_on_a_small_disk_the_reserve_is_a_fraction(small: Disk, tmp_path: Path) -> None:
    """G5: 5 % stay free."""
    guard = DiskGuard(tmp_path, Settings())

    assert not low_after(small, guard, GIB // 20)
    assert low_after(small, guard, GIB // 20 - 1)


def test_it_recovers_by_itself(big: Disk, tmp_path: Path) -> None:
    """G5: as soon as there is space again."""
    guard = DiskGuard(tmp_path, Settings())

    assert low_after(big, guard, 0)
    assert not low_after(big, guard, GIB)


def test_no_reserve_when_none_is_set(big: Disk, tmp_path: Path) -> None:
    assert not low_after(big, DiskGuard(tmp_path, Settings(disk_reserve_bytes=0)), 0)


def test_the_file_system_is_asked_at_most_once_per_interval(big: Disk, tmp_path: Path) -> None:
    guard = DiskGuard(tmp_path, Settings())

    guard.low()
    big.now += CHECK_EVERY * 0.99
    guard.low()
    assert big.looks == 1
    big.now += CHECK_EVERY * 0.01
    guard.low()
    assert big.looks == 2


def test_the_real_file_system_can_be_asked(tmp_path: Path) -> None:
    everything = shutil.disk_usage(tmp_path).total

    assert DiskGuard(tmp_path, Settings(disk_reserve_bytes=10 * everything, disk_reserve_fraction=0.999999)).low()
