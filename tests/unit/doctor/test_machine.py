"""What the doctor says of the machine: of real folders and limits where there are, else of what the kernel writes."""

from __future__ import annotations

import resource
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallystick.config import GIB, MIB, Settings
from tallystick.doctor import machine

MEMORY = Path("/dev/shm")
MOUNTS = """22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:26 / /srv/a\\040b rw shared:1 - nfs4 host:/x rw
31 22 0:27 / /srv/data rw master:1 - ext4 /dev/sdb1 rw
32 31 0:28 / /srv/data rw - tmpfs tmpfs rw
33 22 0:29 / /srv/datacentre rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "level"),
    [
        ("/srv", "ext4", "ok"),
        ("/srv/a b/c", "nfs4", "fail"),
        ("/srv/data/x", "tmpfs", "fail"),
        ("/srv/datacentre", "overlay", "warn"),
        ("/srv/datacentres", "ext4", "ok"),
    ],
)
def test_file_systems(tmp_path: Path, folder: str, kind: str, level: str) -> None:
    """As mountinfo names them: with blanks, one over the other, and names that begin like another."""
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert machine.kind_of(Path(folder), tmp_path / "mountinfo") == kind
    assert machine.file_system(Path(folder), kind).level == level


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no /dev/shm")
def test_a_folder_in_memory() -> None:
    found = {finding.check: finding for finding in machine.checks(Settings(data=MEMORY / "tallystick" / "data"))}
    assert found["file system"].level == "fail"
    assert "is on tmpfs, which is memory" in found["file system"].message


def test_an_unknown_file_system_is_no_fault(tmp_path: Path) -> None:
    assert machine.kind_of(tmp_path, tmp_path / "none") == ""
    assert machine.file_system(tmp_path, "").level == "ok"


def test_the_disk(tmp_path: Path) -> None:
    """Of this disk, with reserves that it has and has not."""
    usage = shutil.disk_usage(tmp_path)

    def level(reserve: int, fraction: float = 0.99) -> str:
        settings = Settings(disk_reserve_bytes=reserve, disk_reserve_fraction=fraction)
        return machine.disk(tmp_path, usage.free, usage.total, settings).level

    assert level(usage.free // 100) == "ok"
    assert level(usage.free // 2) == "warn"
    assert level(usage.free + MIB) == "fail" or usage.free + MIB > usage.total * 0.99
    assert level(0) == "warn"
    assert "there is no reserve" not in machine.disk(tmp_path, usage.free, usage.total, Settings()).message


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/a/b\n", {"a/memory.max": str(300 * MIB), "a/b/memory.max": "max"}, 300 * MIB),
        ("0::/\n", {"memory.max": str(200 * MIB)}, 200 * MIB),
        ("4:memory:/x\n3:cpu:/y\n", {"memory/x/memory.limit_in_bytes": str(100 * MIB)}, 100 * MIB),
        ("0::/gone\n", {}, None),
    ],
)
def test_the_least_limit_of_memory_counts(
    tmp_path: Path, cgroup: str, files: dict[str, str], limit: int | None
) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    found = machine.memory_limit(tmp_path / "cgroup", tmp_path / "groups")
    whole = machine.memory_limit(tmp_path / "none", tmp_path / "none")
    assert whole is not None
    assert found == (whole if limit is None else min(limit, whole))


def test_memory() -> None:
    assert machine.memory(GIB, Settings()).level == "ok"
    assert machine.memory(512 * MIB, Settings()).level == "warn"
    assert machine.memory(512 * MIB, Settings(store_memory=64 * MIB)).level == "ok"
    assert machine.memory(None, Settings()).level == "ok"


def test_descriptors() -> None:
    assert machine.descriptors(256, 256).level == "warn"
    assert machine.descriptors(65_536, 65_536).level == "ok"
    assert machine.descriptors(resource.RLIM_INFINITY, resource.RLIM_INFINITY).level == "ok"


def test_the_clock() -> None:
    assert machine.clock(datetime.now(UTC)).level == "ok"
    assert machine.clock(datetime(1970, 1, 1, tzinfo=UTC)).level == "fail"


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """The disk that it would be on is looked at."""
    found = machine.checks(Settings(data=tmp_path / "a" / "b"))
    assert all(str(tmp_path) in finding.message for finding in found if finding.check in ("disk", "file system"))
