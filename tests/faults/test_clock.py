"""A clock that jumps by an hour and back while the server runs and when it starts; and the end of 32-bit seconds."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.harness.server import TALLYSTICK
from tests.faults.disk_faults import DiskRun
from tests.faults.oracle import findings
from tests.faults.times import REPETITIONS, TIMES, Record
from tests.servers.process import needed

pytestmark = pytest.mark.faults
LIBRARY = "libfaketimeMT.so.1"
JUMPS = ("+1h", "-1h", "+0")
BORDER = "@2038-01-19 03:13:57"
"""Ten seconds before a signed count of seconds in 32 bits ends. The clock goes on from there with each start."""
LONG = 300.0


def command(clock: Path) -> tuple[str, ...]:
    """A server whose time is what `clock` says: an offset, or the time at its start. Monotonic time stays."""
    needed("faketime", "faketime")
    places = [(folder, below) for folder in ("/usr/lib", "/usr/local/lib") for below in ("faketime", "*/faketime")]
    found = [path for folder, below in places for path in Path(folder).glob(f"{below}/{LIBRARY}")]
    if not found:
        pytest.skip(f"faketime: there is no {LIBRARY} here")
    given = {
        "TZ": "UTC",
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return ("env", *(f"{name}={value}" for name, value in given.items()), *TALLYSTICK)


async def test_a_clock_that_jumps(tmp_path: Path, record_property: Record) -> None:
    """G2, G9: an hour ahead, an hour back, and right again; each time under load, and then over a kill -9."""
    record_property(REPETITIONS, TIMES)
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    run = DiskRun(tmp_path, seed=31)

    async def jumps() -> None:
        await run.start(command(clock))
        for _ in range(TIMES):
            for jump in JUMPS:
                clock.write_text(f"{jump}\n")
                await run.answers(10)
                run.clients.pause()
                await asyncio.to_thread(run.server.kill)
                await run.start(command(clock))
                await run.answers(5)

    outcome = await run.run(jumps)
    assert findings(run.clients.ledger, outcome) == []


async def test_the_end_of_32_bit_seconds(tmp_path: Path) -> None:
    """G2, G9, G10: it passes under load; afterwards events are stored, queried and exported with their times."""
    clock = tmp_path / "clock"
    clock.write_text(f"{BORDER}\n")
    run = DiskRun(tmp_path, seed=32)

    async def passes() -> None:
        await run.start(command(clock))
        await run.answers(20)
        async with asyncio.timeout(LONG):
            while await asyncio.to_thread(loaded_at, run) < "2038-01-19T03:14:10":  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        await run.answers(20)

    outcome = await run.run(passes)
    assert findings(run.clients.ledger, outcome) == []


def loaded_at(run: DiskRun) -> str:
    """When the newest batch was stored, by the server's clock."""
    with closing(run.server.api()) as api:
        return str(api.query(kind="events", limit=1)["freshness"]["loaded_at"] or "")
