"""A process that is killed while it takes an import back leaves books that close, and the rest is taken back later."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from tallystick.config import Settings
from tallystick.store import make_store
from tests.helpers.query_steps import NOON, make_event, put

DAYS = 40
CHILD = """
import asyncio, sys
from pathlib import Path
from tallystick.config import Settings
from tallystick.store import make_store, removal as steps
from tallystick.store.duckdb import removal

steps.STEP_EVENTS = 1
remove, calls = removal.remove_selected, 0

def stops(*given):
    global calls
    calls += 1
    remove(*given)
    if calls == int(sys.argv[2]):
        print("within a step", flush=True)
        sys.stdin.read()

removal.remove_selected = stops

async def main():
    store = make_store(Settings(data=Path(sys.argv[1]), disk_reserve_bytes=0))
    await store.open()
    await store.undo_import("wrong")

asyncio.run(main())
"""


def killed_within(data: Path, step: int) -> None:
    """Kill a process after the work of this step, before its commit."""
    command = [sys.executable, "-c", CHILD, str(data), str(step)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "within a step\n"
        child.kill()


async def test_killed_within_a_step(tmp_path: Path) -> None:
    """G3, G4."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    store = make_store(settings)
    await store.open()
    wrong = [
        make_event(
            n,
            "default",
            name="identify",
            user_id=f"u{n % 7}",
            session_id=f"s{n % 5}",
            timestamp=NOON + timedelta(days=n % DAYS),
            properties={"$import": "wrong", "anonymous_id": f"a{n}"},
        )
        for n in range(400)
    ]
    right = [make_event(1000 + n, "default", name="view", user_id=f"a{n}", timestamp=NOON) for n in range(50)]
    await put(store, [*wrong, *right])
    await store.close()
    killed_within(tmp_path, DAYS // 2)
    store = make_store(settings)
    await store.open()
    assert await store.verify() == []
    [left] = await store.imports("wrong")
    assert left.events == 400 - 10 * (DAYS // 2 - 1)
    assert await store.undo_import("wrong") == left.events
    assert await store.verify() == []
    assert (await store.imports("wrong"), sum(one.events for one in await store.removals("wrong"))) == ([], 400)
    await store.close()
