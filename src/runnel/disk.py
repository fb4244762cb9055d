"""The disk reserve (G5): a part of the disk that Runnel leaves free, so that a full disk is a 503 and not a wreck."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from runnel.config import Settings

CHECK_EVERY = 0.25
"""Seconds for which one look at the file system is believed."""


class DiskGuard:
    """Answers whether the file system of `folder` is down to its reserve, at most one system call per CHECK_EVERY."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._bytes = settings.disk_reserve_bytes
        self._fraction = settings.disk_reserve_fraction
        self._checked = float("-inf")
        self._low = False

    def low(self) -> bool:
        """True while less than the reserve is free."""
        now = time.monotonic()
        if now - self._checked >= CHECK_EVERY:
            usage = shutil.disk_usage(self._folder)
            self._low = usage.free < min(self._bytes, int(usage.total * self._fraction))
            self._checked = now
        return self._low
