"""The index of recent ids: sorted 64-bit hashes that prove most events new without reading the table.

A hash that is not in the index was not stored within the window. A hash that is in it is only a suspect, which SQL
compares exactly. So a collision costs a comparison, never an event. Hashes are kept as sorted runs in the order of
arrival; small neighbours are merged. Large runs are in unlinked memory-mapped files, so that a busy window takes page
cache and not memory. The index is not persisted: after a restart it is built from the table.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

RUN_MAX = 4 * 1024 * 1024
"""Most hashes of a run (32 MiB); larger runs would be dropped too late."""
MAPPED_MIN = 512 * 1024
"""Runs of at least so many hashes (4 MiB) are moved to a mapped file."""


@dataclass(frozen=True, slots=True)
class _Run:
    hashes: Hashes
    newest: int
    """When its youngest event arrived, in microseconds since 1970."""
    map: mmap.mmap | None = None


class RecentIds:
    """The identities that may have been stored within the window."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run.hashes) for run in self._runs)

    def add(self, ascending: Hashes, newest: int) -> None:
        """Add hashes; `newest` is when the youngest one arrived, in microseconds since 1970."""
        if not len(ascending):
            return
        merged = ascending
        while self._runs and len(self._runs[-1].hashes) <= 2 * len(merged):
            if len(self._runs[-1].hashes) + len(merged) > RUN_MAX:
                break
            before = self._runs.pop()
            merged = np.concatenate((before.hashes, merged))
            merged.sort(kind="stable")  # timsort: two sorted runs are merged in linear time
            newest = max(newest, before.newest)
        self._runs.append(self._run(merged, newest))

    def _run(self, hashes: Hashes, newest: int) -> _Run:
        if len(hashes) < MAPPED_MIN:
            return _Run(hashes, newest)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            hashes.tofile(file)
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _Run(np.frombuffer(mapped, np.uint64), newest, mapped)

    def suspects(self, ascending: Hashes) -> NDArray[np.bool_]:
        """For each of these hashes, whether it is in the index."""
        found = np.zeros(len(ascending), np.bool_)
        for run in self._runs:
            positions = np.searchsorted(run.hashes, ascending)  # fast because both are sorted
            positions[positions == len(run.hashes)] = 0
            found |= run.hashes[positions] == ascending
            if run.map is not None:
                with contextlib.suppress(AttributeError, OSError):  # pages go back to the page cache
                    run.map.madvise(mmap.MADV_DONTNEED)
        return found

    def forget(self, before: int) -> None:
        """Drop runs whose youngest event arrived before this (microseconds since 1970)."""
        self._runs = [run for run in self._runs if run.newest >= before]
