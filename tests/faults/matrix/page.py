"""docs/build/fault-matrix.md, of the list of faults and of what runs have shown: `-m tests.faults.matrix.page`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.faults.matrix import record
from tests.faults.matrix.catalogue import FAULTS, ROOT, Fault, case_of, faults, promises

PAGE = ROOT / "docs" / "build" / "fault-matrix.md"
HEAD = """\
# Faults, as run

What goes wrong on purpose while events are sent and stored, how often it did in the newest run of each test, and what
the [oracle](guarantees.md#the-oracle-of-the-fault-tests) or the test said. `make faults` writes this page and
`fault-matrix.json` beside it; a row that a run did not repeat keeps its last date. `TIMES=3 make faults` repeats less
often.

*Wanted* is how often a fault is to come, *made* how often it did, by all tests of the row together. *Version* is the
code that ran, as `git rev-parse --short=8 HEAD:src` says it, with `+` if it was changed; the date is that of the
oldest run of several.
"""
COLUMNS = "| fault | promises | wanted | made | result | seconds | version | date | tests |"
RULE = "|:--|:--|--:|--:|:--|--:|:--|:--|:--|"


def text(runs: record.Runs) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, group in FAULTS.items():
        rows = [line for fault in group for line in _rows(fault, runs)]
        parts.append("\n".join([f"## {name}\n", COLUMNS, RULE, *rows]) + "\n")
    parts.append("## Missing\n")
    if lacking := [fault for fault in faults() if fault.lacks]:
        parts.append("Tested, but for:\n")
        parts.append("\n".join(f"- {fault.name}: {fault.lacks}" for fault in lacking) + "\n")
    if never := [fault for fault in faults() if not of(fault, runs)]:
        parts.append("Has a test, and no run that this page knows:\n")
        parts.append("\n".join(f"- {fault.name}" for fault in never) + "\n")
    return "\n".join(parts)


def add(runs: record.Runs) -> None:
    """Write these runs, and the page. Other tests' rows stay as they are."""
    record.write(record.read() | runs)
    PAGE.write_text(text(record.read()), "utf-8")


def of(fault: Fault, runs: record.Runs) -> record.Runs:
    """The runs of a fault's tests."""
    names = {f"tests/{name}" for name in fault.tests}
    return {test: run for test, run in runs.items() if test in names or test.partition("[")[0] in names}


def _rows(fault: Fault, runs: record.Runs) -> Iterator[str]:
    found = of(fault, runs)
    if not fault.each or not found:
        yield _row(fault, fault.name, list(found.values()))
        return
    for test, run in found.items():
        yield _row(fault, f"{fault.name}: {case_of(test).replace('-', ', ').replace('_', ' ')}", [run])


def _row(fault: Fault, name: str, runs: Sequence[record.Run]) -> str:
    files = ", ".join(sorted({f"`{test.partition('::')[0]}`" for test in fault.tests}))
    cells = [name, ", ".join(promises(fault)), f"{fault.wanted:,}"]
    if not runs:
        return "| " + " | ".join([*cells, "0", "not run", "", "", "", files]) + " |"
    versions = ", ".join(f"`{version}`" for version in sorted({run.version for run in runs}) if version)
    oldest = min(run.date for run in runs)
    failed = sum(run.result != "passed" for run in runs)
    result = f"{failed} of {len(runs)} failed" if failed else "passed"
    made = sum(run.repetitions for run in runs)
    seconds = sum(run.seconds for run in runs)
    cells += [f"{made:,}", result, f"{seconds:,.0f}", versions, oldest, files]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(text(record.read()), "utf-8")
