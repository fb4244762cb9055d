"""docs/build/fault-matrix.md, of the list of faults and of what runs have shown: `-m tests.faults.matrix.page`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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


class Row(NamedTuple):
    """A line of a table: a fault, or one case of it, and the runs of its tests."""

    fault: Fault
    name: str
    runs: Sequence[record.Run]

    @property
    def made(self) -> int:
        return sum(run.repetitions for run in self.runs)

    @property
    def failed(self) -> int:
        return sum(run.result != "passed" for run in self.runs)


def text(runs: record.Runs) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, group in FAULTS.items():
        lines = [_line(row) for fault in group for row in _rows(fault, runs)]
        parts.append("\n".join([f"## {name}\n", COLUMNS, RULE, *lines]) + "\n")
    return "\n".join([*parts, "## Missing\n", *_missing(runs)])


def _missing(runs: record.Runs) -> Iterator[str]:
    """What the tables do not show, a paragraph and a list each."""
    rows = [row for fault in faults() for row in _rows(fault, runs)]
    kinds = {
        "Tested, but for:": [f"{fault.name}: {fault.lacks}" for fault in faults() if fault.lacks],
        "Has a test, and no run that this page knows:": [row.name for row in rows if not row.runs],
        "A run failed:": [f"{row.name}: {row.failed} of {len(row.runs)}" for row in rows if row.failed],
        "Came less often than it is to:": [
            f"{row.name}: {row.made:,} of {row.fault.wanted:,}" for row in rows if 0 < row.made < row.fault.wanted
        ],
    }
    for kind, lines in kinds.items():
        if lines:
            yield f"{kind}\n"
            yield "\n".join(f"- {line}" for line in lines) + "\n"
    if not any(kinds.values()):
        yield "Nothing: each fault came as often as it is to, and its tests passed.\n"


def add(runs: record.Runs) -> None:
    """Write these runs, and the page. Other tests' rows stay as they are."""
    record.write(record.read() | runs)
    PAGE.write_text(text(record.read()), "utf-8")


def of(fault: Fault, runs: record.Runs) -> record.Runs:
    """The runs of a fault's tests."""
    names = {f"tests/{name}" for name in fault.tests}
    return {test: run for test, run in runs.items() if test in names or test.partition("[")[0] in names}


def _rows(fault: Fault, runs: record.Runs) -> Iterator[Row]:
    found = of(fault, runs)
    if not fault.each or not found:
        yield Row(fault, fault.name, list(found.values()))
        return
    for test, run in found.items():
        yield Row(fault, f"{fault.name}: {case_of(test).replace('-', ', ').replace('_', ' ')}", [run])


def _line(row: Row) -> str:
    fault, runs = row.fault, row.runs
    files = ", ".join(sorted({f"`{test.partition('::')[0]}`" for test in fault.tests}))
    cells = [row.name, ", ".join(promises(fault)), f"{fault.wanted:,}"]
    if not runs:
        return "| " + " | ".join([*cells, "0", "not run", "", "", "", files]) + " |"
    versions = ", ".join(f"`{version}`" for version in sorted({run.version for run in runs}) if version)
    oldest = min(run.date for run in runs)
    result = f"{row.failed} of {len(runs)} failed" if row.failed else "passed"
    seconds = sum(run.seconds for run in runs)
    cells += [f"{row.made:,}", result, f"{seconds:,.0f}", versions, oldest, files]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(text(record.read()), "utf-8")
