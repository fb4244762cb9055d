"""Servers whose fsyncs are slow or fail in the kernel's eyes: `strace` in front of the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tallystick.harness.server import TALLYSTICK
from tests.servers.process import needed

STORE_FILES = ("store.duckdb", "store.duckdb.wal")
"""What DuckDB syncs."""
INJECTED = "(INJECTED)"


def traced(injection: str, data: Path, trace: Path, files: Sequence[str] = ()) -> tuple[str, ...]:
    """The command of a server whose fsyncs, all or those of some files in its folder, are as `injection` says.

    It is to be ended by kill -9: another signal ends strace and leaves the server alone.

    Args:
        injection: as strace's `inject=fsync,fdatasync:`, such as `delay_exit=500000` (microseconds) or
            `error=EIO:when=9`, which counts for each thread by itself.
        trace: where strace writes each call; INJECTED is beside those that were changed.
    """
    calls = "fsync,fdatasync"
    options = ["-f", "-o", str(trace), "-e", f"trace={calls}", "-e", f"inject={calls}:{injection}"]
    paths = [option for file in files for option in ("-P", str(data / file))]
    return (str(needed("strace", "strace")), *options, *paths, *TALLYSTICK)
