"""A process that is killed while it brings a store to the newest schema: the next one goes on, and no event is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.migrations import migrations
from tests.faults.times import REPETITIONS, Record
from tests.helpers.old_schema import duckdb_file
from tests.helpers.samples import sample_block

ROWS = 1_000
CHILD = """
import asyncio, contextlib, sys
from pathlib import Path
from tallystick.config import Settings
from tallystick.store import make_store
from tallystick.store.duckdb import store as steps

moment = sys.argv[2]
transaction, checkpoint = steps.transaction, steps.checkpoint

def stops(reached):
    if reached == moment:
        print("within a step", flush=True)
        sys.stdin.read()

@contextlib.contextmanager
def within(connection):
    with transaction(connection):
        yield
        stops("before its commit")

def after(connection):
    stops("before its checkpoint")
    checkpoint(connection)

steps.transaction, steps.checkpoint = within, after
asyncio.run(make_store(Settings(data=Path(sys.argv[1]), disk_reserve_bytes=0)).open())
"""


def killed_within(data: Path, moment: str) -> None:
    """Kill a process in the first step of its migration."""
    command = [sys.executable, "-c", CHILD, str(data), moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert "within a step\n" in child.stdout  # after what the store logs
        child.kill()


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["before its commit", "before its checkpoint"])
async def test_killed_in_each_step_of_a_migration(tmp_path: Path, record_property: Record, moment: str) -> None:
    """G6, G11: on the schema of each older version, in its first step; the next start makes all of them."""
    newest = len(migrations("duckdb"))
    record_property(REPETITIONS, newest - 1)
    for version in range(1, newest):
        settings = Settings(data=tmp_path / str(version), disk_reserve_bytes=0)
        duckdb_file(version, settings, DuckDBStore(settings).path, ROWS)
        killed_within(settings.data, moment)
        await _is_whole(settings)


async def _is_whole(settings: Settings) -> None:
    store = DuckDBStore(settings)
    await store.open()
    assert await store.migrate() == len(migrations("duckdb"))
    assert store._writer.execute("SELECT count(*) FROM events").fetchall() == [(ROWS,)]
    assert (await store.write([sample_block(0, range(5))])).entries[0].stored == 5
    await store.close()
