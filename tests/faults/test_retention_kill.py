"""A process that is killed while it removes the old days of a site has removed whole steps: the books close, and the
next look goes on.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.model.query import MetricsQuery
from tallystick.store import Store, make_store
from tallystick.store.retention import Borders, Keeping
from tests.helpers.query_steps import NOON, check, make_event, put

DAY = timedelta(days=1)
BORDERS = Borders(
    NOON - timedelta(hours=12) + 2 * DAY,
    {"short": NOON - timedelta(hours=12) + 8 * DAY, "ever": None},
    Keeping(True, ("ever",)),
)

CHILD = """
import asyncio, sys
from pathlib import Path
from tallystick.config import Settings
from tallystick.store import make_store, removal
from tallystick.store.duckdb import identity
from tests.faults.test_retention_kill import BORDERS

removal.STEP_EVENTS = 40
done = identity.purge
steps = int(sys.argv[2])

def stops(db):
    global steps
    done(db)
    steps -= 1
    if steps < 0:
        print("within a step", flush=True)
        sys.stdin.read()

identity.purge = stops

async def main():
    store = make_store(Settings(data=Path(sys.argv[1]), disk_reserve_bytes=0))
    await store.open()
    await store.retire(BORDERS)

asyncio.run(main())
"""


def killed_after(data: Path, steps: int) -> None:
    """Kill a process after so many whole steps, before the commit of the next one."""
    command = [sys.executable, "-c", CHILD, str(data), str(steps)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "within a step\n"
        child.kill()


async def kept(store: Store) -> int:
    """The removed events that kept rollups stand for."""
    return sum([await store.kept_events(site) for site in ("short", "ever", "others")])


@pytest.mark.parametrize("steps", [0, 2])
async def test_killed_within(tmp_path: Path, steps: int) -> None:
    """G13, G4. What is kept of a step's events is there if these are gone, and not otherwise."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    store = make_store(settings)
    await store.open()
    events = [
        make_event(
            n,
            ["short", "ever", "others"][n % 3],
            name="identify" if n % 4 == 0 else "view",
            user_id=f"u{n % 5}",
            session_id=f"s{n % 7}",
            timestamp=NOON + timedelta(hours=n),
            properties={"anonymous_id": f"a{n % 5}"},
        )
        for n in range(240)
    ]
    await put(store, events)
    await store.close()

    killed_after(tmp_path, steps)

    store = make_store(settings)
    await store.open()
    assert await store.verify() == []
    left = sum(events for _, _, events in await store.day_events())
    query = MetricsQuery(site_id=None, breakdown=["site_id", "name"], interval="day", bots="include")
    await check(store, query, events)
    assert await kept(store) == len(events) - left
    assert (left < len(events)) == (steps > 0)
    gone = [event for event in events if (border := BORDERS.of(event.site_id)) is not None and event.timestamp < border]
    assert (await store.retire(BORDERS)).events == len(gone) - (len(events) - left) > 0
    assert await store.verify() == []
    assert sum(events for _, _, events in await store.day_events()) == len(events) - len(gone)
    await check(store, query, events)
    assert await kept(store) == len(gone)
    await store.close()
