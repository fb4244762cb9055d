"""What the machine gives this process: disk, file system, memory, descriptors, clock. Reads /proc if there is one."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tallystick.config import MIB, Settings
from tallystick.model.status import Finding, Level

MOUNTS = Path("/proc/self/mountinfo")
CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
ROOM = 4
"""Free space below so many times the reserve is little."""
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "9p",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "afs",
    "lustre",
}
"""File systems on which SQLite's log and file locks do not work as they have to."""
IN_MEMORY = {"tmpfs", "ramfs"}
LAYERS = {"overlay", "aufs"}
"""File systems of containers, which end with the container."""
DESCRIPTORS = 1_024
"""With fewer descriptors than this, few clients can be connected."""
PROCESS_BYTES = 256 * MIB
"""About what a process needs beside DuckDB's memory and a batch."""
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this version was made: a clock that says so is wrong."""


def versions(found: Mapping[str, str]) -> Finding:
    """The versions, for a report of a fault."""
    named = ", ".join(f"{name} {version}" for name, version in found.items())
    return Finding(check="versions", level="ok", message=f"{named}; {platform.system()} {platform.release()}")


def checks(settings: Settings) -> list[Finding]:
    """All checks of the machine."""
    folder = _existing(settings.data)
    usage = shutil.disk_usage(folder)
    return [
        disk(folder, usage.free, usage.total, settings),
        file_system(folder, kind_of(folder, MOUNTS)),
        memory(memory_limit(CGROUP, CGROUPS), settings),
        descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE)),
        clock(datetime.now(UTC)),
    ]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def disk(folder: Path, free: int, total: int, settings: Settings) -> Finding:
    """Free space against the reserve (G5)."""
    reserve = min(settings.disk_reserve_bytes, int(total * settings.disk_reserve_fraction))
    message = f"{_size(free)} of {_size(total)} free on the disk of {folder}; the reserve is {_size(reserve)}"
    if free < reserve:
        return _finding("disk", "fail", f"{message}: nothing is taken or stored", "make room: remove other files")
    if free < ROOM * reserve:
        return _finding("disk", "warn", message, "make room before the reserve is reached")
    if reserve == 0:
        do = "set TALLYSTICK_DISK_RESERVE_BYTES and TALLYSTICK_DISK_RESERVE_FRACTION: a full disk can damage files"
        return _finding("disk", "warn", message, do)
    return _finding("disk", "ok", message)


def kind_of(folder: Path, mounts: Path) -> str:
    """The kind of the file system that a folder is on, as the kernel names it; empty: unknown."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    path, found, kind = folder.resolve(), Path(), ""
    for line in lines:
        mounted, _, after = line.partition(" - ")
        point = Path(mounted.split(" ")[4].replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= len(found.parts):  # a later mount hides an earlier one
            found, kind = point, after.split(" ")[0]
    return kind


def file_system(folder: Path, kind: str) -> Finding:
    """Whether the data folder may be on this kind of file system."""
    message = f"{folder} is on {kind or 'a file system of unknown kind'}"
    if kind in NETWORK or kind.startswith("nfs"):
        do = "put the data folder on a local disk: SQLite's log and file locks do not work over a network"
        return _finding("file system", "fail", message, do)
    if kind in IN_MEMORY:
        do = "put the data folder on a disk: a 202 does not survive a restart of the machine"
        return _finding("file system", "fail", f"{message}, which is memory", do)
    if kind in LAYERS:
        do = "mount a volume for the data folder, unless it is one: what a container writes elsewhere ends with it"
        return _finding("file system", "warn", f"{message}, a container's own layer", do)
    return _finding("file system", "ok", message)


def memory_limit(cgroup: Path, groups: Path) -> int | None:
    """Bytes that this process may use: the least of its control groups' limits and the memory; None: unknown."""
    found = [_machine_memory(), *_limits(cgroup, groups)]
    return min((limit for limit in found if limit is not None), default=None)


def _machine_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _limits(cgroup: Path, groups: Path) -> Iterable[int]:
    try:
        lines = [line.split(":", 2) for line in cgroup.read_text("utf-8").splitlines()]
    except OSError:
        return
    for _, controllers, path in lines:
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        root, file = (groups, "memory.max") if not controllers else (groups / "memory", "memory.limit_in_bytes")
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            try:
                yield int((root / group / file).read_text("utf-8"))
            except (OSError, ValueError):
                continue  # it has no limit: the file says `max`, or is not there


def memory(limit: int | None, settings: Settings) -> Finding:
    """Whether what the settings allow fits into the memory."""
    needed = settings.store_memory + settings.batch_max_bytes + PROCESS_BYTES
    if limit is None:
        return _finding("memory", "ok", f"the settings need about {_size(needed)}; how much there may be is unknown")
    message = f"the settings need about {_size(needed)} of the {_size(limit)} that this process may use"
    if needed > limit:
        do = "lower TALLYSTICK_STORE_MEMORY, or allow more memory: the system may kill the process"
        return _finding("memory", "warn", message, do)
    return _finding("memory", "ok", message)


def descriptors(soft: int, hard: int) -> Finding:
    """How many files and connections may be open."""
    if soft == resource.RLIM_INFINITY:
        return _finding("descriptors", "ok", "this process may open any number of files and connections")
    message = f"this process may open {soft:,} files and connections"
    if soft < DESCRIPTORS:
        do = "raise the limit: `ulimit -Hn`, or LimitNOFILE= in systemd"
        return _finding("descriptors", "warn", message, do)
    return _finding("descriptors", "ok", message)


def clock(now: datetime) -> Finding:
    """Whether the clock can be right. Skew against others is checked where both are known."""
    message = f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC"
    if now < EARLIEST:
        do = "set the clock, and let NTP keep it: events get their time of arrival from it"
        return _finding("clock", "fail", f"{message}, which is before this version was made", do)
    if not time.get_clock_info("monotonic").monotonic:
        return _finding("clock", "warn", f"{message}; the system has no monotonic clock", "time-outs may be wrong")
    return _finding("clock", "ok", message)


def _finding(check: str, level: Level, message: str, do: str = "") -> Finding:
    return Finding(check=check, level=level, message=message, do=do)


def _size(number: int) -> str:
    """Bytes for people."""
    for unit, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:,} bytes"
