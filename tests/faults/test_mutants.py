"""Quick tests can fail: with one promise taken out of a copy of the product's source, the test that holds it is red.

The copy is found before the installed package, since it is on PYTHONPATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers.scratch import scratch_folder

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]
FAILED, PASSED = 1, 0
"""Exit codes of pytest; another one means that it did not run the test."""


class Mutant(NamedTuple):
    """A promise that is taken out.

    Attributes:
        file: below src/tallystick.
        found, put: a part of that file, which is there once, and what takes its place.
        test: the quick test that has to notice, below tests/.
        complaint: what it says then.
    """

    file: str
    found: str
    put: str
    test: str
    complaint: str


ON_FILES = "[sqlite-duckdb]"
MUTANTS = {
    "the fsync before the 202": Mutant(
        "queue/sqlite/opening.py",
        '"journal_mode=WAL", "synchronous=FULL"',
        '"journal_mode=WAL", "synchronous=OFF"',
        "unit/queue/test_sqlite_fsync.py::test_publish_returns_after_an_fsync_of_the_log",
        "assert [] == ['queue.sqlite-wal']",
    ),
    "commit, then acknowledge": Mutant(
        "worker/worker.py",
        """\
        try:
            stuck = await self._store_in_portions(batch.blocks)
        except BaseException:
            await batch.nack()
            raise
        await batch.ack(but=stuck)
""",
        """\
        await batch.ack()
        stuck = await self._store_in_portions(batch.blocks)
""",
        f"conformance/pipeline/test_pipeline.py::test_stopping_while_the_store_is_away_gives_the_blocks_back{ON_FILES}",
        "assert [] == [0, 1, 2",
    ),
    "the dedupe of events": Mutant(
        "store/duckdb/sql/load.sql",
        "DELETE FROM incoming WHERE rowid IN (SELECT row FROM duplicates);",
        "DELETE FROM incoming WHERE false;",
        f"conformance/pipeline/test_pipeline.py::test_sent_again_later{ON_FILES}",
        "assert [1, 2, 2, 3] == [1, 2, 3]",
    ),
    "the ledger of blocks": Mutant(
        "store/duckdb/load.py",
        'known = set(self._db.execute(SQL["known_blocks"], bounds).fetchall())',
        'known = set(self._db.execute(SQL["known_blocks"], bounds).fetchall()[:0])',
        f"conformance/pipeline/test_pipeline.py::test_killed_between_commit_and_acknowledgement{ON_FILES}",
        "assert differences == []",
    ),
    "the reserve of the disk": Mutant(
        "disk.py",
        "self._low = usage.free < min(self._bytes, int(usage.total * self._fraction))",
        "self._low = usage.free < 0",
        "conformance/queue/test_queue_full.py::test_the_disk_reserve_is_not_used[sqlite]",
        "DID NOT RAISE QueueFull",
    ),
}


@pytest.fixture
def source() -> Iterator[Path]:
    """A folder that holds a copy of the package."""
    with scratch_folder("mutant", in_memory=True) as folder:
        shutil.copytree(ROOT / "src" / "tallystick", folder / "tallystick", ignore=shutil.ignore_patterns("*.pyc"))
        yield folder


def run(source: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """These tests, with the package of that folder."""
    environment = {**os.environ, "PYTHONPATH": str(source), "THOROUGH": "1"}
    found = [sys.executable, "-c", "import tallystick; print(tallystick.__file__)"]
    where = subprocess.run(found, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert Path(where.strip()) == source / "tallystick" / "__init__.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_tests_pass_with_every_promise(source: Path) -> None:
    """Without this, the tests below would prove nothing."""
    done = run(source, [mutant.test for mutant in MUTANTS.values()])
    assert done.returncode == PASSED, done.stdout[-3_000:] + done.stderr
    assert f"{len(MUTANTS)} passed" in done.stdout


@pytest.mark.parametrize("promise", MUTANTS)
def test_a_promise_that_is_taken_out_turns_its_test_red(source: Path, promise: str) -> None:
    """The fsync, the order of commit and acknowledgement, the dedupe, the ledger, the reserve."""
    mutant = MUTANTS[promise]
    path = source / "tallystick" / mutant.file
    text = path.read_text("utf-8")
    assert text.count(mutant.found) == 1, f"{mutant.file} has changed: name what to take out"
    path.write_text(text.replace(mutant.found, mutant.put), "utf-8")
    done = run(source, [mutant.test])
    assert done.returncode == FAILED, done.stdout[-3_000:] + done.stderr
    assert mutant.complaint in done.stdout
