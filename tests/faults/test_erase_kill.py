"""A process that is killed while it erases a person has erased nothing: the books close, and the next call does it."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.store import make_store
from tests.helpers.query_steps import NOON, make_event, put

CHILD = """
import asyncio, sys
from pathlib import Path
from tallystick.config import Settings
from tallystick.store import make_store
from tallystick.store.duckdb import erasure

done = getattr(erasure, sys.argv[2])

def stops(*given):
    found = done(*given)
    print("within the erasure", flush=True)
    sys.stdin.read()
    return found

setattr(erasure, sys.argv[2], stops)

async def main():
    store = make_store(Settings(data=Path(sys.argv[1]), disk_reserve_bytes=0))
    await store.open()
    await store.erase("default", "u1")

asyncio.run(main())
"""


def killed_after(data: Path, part: str) -> None:
    """Kill a process after this part of an erasure, before its commit."""
    command = [sys.executable, "-c", CHILD, str(data), part]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "within the erasure\n"
        child.kill()


@pytest.mark.parametrize("part", ["_remove_events", "_enter"])
async def test_killed_within(tmp_path: Path, part: str) -> None:
    """G13, G4."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    store = make_store(settings)
    await store.open()
    events = [
        make_event(
            n,
            "default",
            name="identify" if n % 3 else "view",
            user_id=f"u{n % 5}",
            session_id=f"s{n % 7}",
            timestamp=NOON + timedelta(hours=n),
            properties={"anonymous_id": f"a{n % 5}"},
        )
        for n in range(400)
    ]
    await put(store, events)
    await store.close()
    killed_after(tmp_path, part)
    store = make_store(settings)
    await store.open()
    assert await store.verify() == []
    assert (await store.erasures(), (await store.person_found("default", "a1")).events) == ([], 80)
    assert (await store.erase("default", "a1")).found.events == 80
    assert await store.verify() == []
    assert len(await store.erasures()) == 1
    await store.close()
