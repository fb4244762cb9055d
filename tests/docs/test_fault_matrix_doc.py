"""docs/build/fault-matrix.md: each fault test has a row, each row a test, and the page says what runs have shown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from tests.faults.matrix import page, plugin, record
from tests.faults.matrix.catalogue import FAULTS, NO_FAULTS, ROOT, fault_of, faults, functions, promises
from tests.faults.times import REPETITIONS

ROWS = sorted({test for fault in faults() for test in fault.tests})
ABOUT_TESTS = "Whether the tests can fail"
"""The group whose tests keep no promise themselves."""
KILLS = "tests/faults/test_kill.py::test_twenty_kills_lose_nothing_and_store_nothing_twice"
WIRE = "tests/faults/test_wire_faults.py::test_each_fault_of_a_wire[redis-black_hole]"
Outcome: TypeAlias = Literal["passed", "failed", "skipped"]
Phase: TypeAlias = Literal["setup", "call", "teardown"]


def fault_files() -> list[str]:
    """Those with tests of faults, below tests/."""
    folders = (ROOT / "tests" / name for name in ("faults", "simulation"))
    found = sorted(str(path.relative_to(ROOT / "tests")) for folder in folders for path in folder.glob("test_*.py"))
    return [file for file in found if file not in NO_FAULTS]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test(row: str) -> None:
    file, _, name = row.partition("[")[0].partition("::")
    assert name in functions(file)


@pytest.mark.parametrize("file", fault_files())
def test_a_long_test_has_a_row(file: str) -> None:
    known = {row.partition("[")[0] for row in ROWS}
    assert [name for name, (_, long) in functions(file).items() if long and f"{file}::{name}" not in known] == []


def test_no_test_has_two_rows() -> None:
    tests = [test for fault in faults() for test in fault.tests]
    assert len(tests) == len(set(tests))


@pytest.mark.parametrize("group", [group for group in FAULTS if group != ABOUT_TESTS])
def test_a_row_keeps_promises(group: str) -> None:
    assert [fault.name for fault in FAULTS[group] if not promises(fault)] == []


def test_a_run_that_is_kept_has_its_row() -> None:
    assert [test for test in record.read() if fault_of(test) is None] == []


def test_the_page_is_what_runs_wrote() -> None:
    """Where this fails: `python -m tests.faults.matrix.page` writes it again."""
    assert page.PAGE.read_text("utf-8") == page.text(record.read())


def report(test: str, outcome: Outcome, when: Phase = "call", times: int | None = None) -> pytest.TestReport:
    properties = [] if times is None else [(REPETITIONS, times)]
    where = (test, 1, test)
    return pytest.TestReport(test, where, {}, outcome, None, when, duration=1.23, user_properties=properties)


def test_a_run_writes_its_rows_and_leaves_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was skipped or is no fault stays out; what failed says so."""
    file, doc = tmp_path / "matrix.json", tmp_path / "matrix.md"
    monkeypatch.setattr(record, "read", lambda read=record.read: read(file))
    monkeypatch.setattr(record, "write", lambda runs, write=record.write: write(runs, file))
    monkeypatch.setattr(page, "PAGE", doc)
    first = plugin.Recorder()
    first.pytest_runtest_logreport(report(KILLS, "passed", times=20))
    first.pytest_runtest_logreport(report(WIRE, "failed", times=3))
    first.pytest_runtest_logreport(report("tests/unit/test_keys.py::test_any", "passed"))
    before = record.read()
    assert {test: (run.result, run.repetitions) for test, run in before.items()} == {
        KILLS: ("passed", 20),
        WIRE: ("failed", 3),
    }
    second = plugin.Recorder()
    second.pytest_runtest_logreport(report(KILLS, "skipped"))
    second.pytest_runtest_logreport(report(WIRE, "passed", times=4))
    second.pytest_runtest_logreport(report(WIRE, "passed", when="teardown"))
    assert record.read()[KILLS] == before[KILLS]
    lines = doc.read_text("utf-8").splitlines()
    [row] = [line for line in lines if ": redis, black hole |" in line]
    assert "| 20 | 4 | passed | 1 |" in row
    assert "- a wire: redis, black hole: 4 of 20" in lines


def test_the_page_says_what_is_missing() -> None:
    """In this order: never run, failed, came too seldom. A run that did neither is not named."""
    runs = {KILLS: record.run("failed", 122, 1.0), WIRE: record.run("passed", 20, 1.0)}
    missing = page.text(runs).partition("## Missing\n")[2]
    never, failed = missing.partition("A run failed:")[::2]
    assert "- the only Kafka broker is killed\n" in never
    assert failed == "\n\n- the process that takes events is killed: 1 of 1\n"
    assert "black hole" not in missing


def test_the_page_says_that_nothing_is_missing() -> None:
    runs = {f"tests/{test}": record.run("passed", 10_000, 1.0) for test in ROWS}
    assert page.text(runs).endswith("Nothing: each fault came as often as it is to, and its tests passed.\n")
