"""The soak's judgement of what it measured, and a minute of it; an hour is `make faults-soak`."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.faults.flatness import MIB, Line, Sample, as_csv, as_svg, lines
from tests.faults.soak import Soaked, judge, report, soak, write_report


def line(change: float, *, points: int = 100, noise: float = 10.0, peaks: int = 0) -> Line:
    """A line around 100 that changes by so much, with noise and single peaks."""
    chance = random.Random(1)
    values = [100 + change * number / points + chance.uniform(-5, 5) for number in range(points)]
    for at in range(peaks):
        values[at * 7] += 1_000
    return Line("size", [(5.0 * number, value) for number, value in enumerate(values)], noise)


@pytest.mark.parametrize(("change", "level"), [(0.0, True), (10.0, True), (-80.0, True), (40.0, False), (300.0, False)])
def test_a_line_that_grows_is_found(change: float, level: bool) -> None:
    found = line(change)
    assert found.change == pytest.approx(change, abs=8)
    assert (not found.complaint) == level


def test_single_peaks_are_no_growth() -> None:
    assert not line(0.0, peaks=10).complaint


def test_few_measurements_prove_nothing() -> None:
    assert "too few" in line(0.0, points=8).complaint
    assert "too few" in Line("size", [], 1.0).complaint


def samples(count: int) -> list[Sample]:
    """Ten of each twelve are calm; in the others memory is far off."""
    return [
        Sample(5.0 * n, n % 12 < 10, (200 if n % 12 < 10 else 900) * MIB, 30, 0.5, 0.01, 0.02, 0.03, None)
        for n in range(count)
    ]


def test_only_what_is_measured_without_a_fault_counts() -> None:
    drawn = {one.title: one for one in lines(samples(120))}
    memory = drawn["resident memory, MiB"]
    assert len(memory.points) == 100
    assert (memory.median, memory.complaint) == (200.0, "")
    assert "too few" in drawn["queries, 99th percentile, ms"].complaint


def test_the_report_has_a_picture_and_all_that_is_wrong(tmp_path: Path) -> None:
    seen = Soaked(seconds=600, faults=[(20.0, "up is killed"), (40.0, "up <hangs>")], samples=samples(120))
    seen.problems = ["3 ids are gone"]
    write_report(seen, tmp_path, "Soak & more")
    text = (tmp_path / "report.md").read_text()
    assert "up is killed ×1" in text
    assert "**3 ids are gone**" in text
    picture = ElementTree.fromstring((tmp_path / "soak.svg").read_text())
    circles = list(picture.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == sum(len(one.points) for one in lines(samples(120))) == 500
    assert len((tmp_path / "samples.csv").read_text().splitlines()) == 121
    assert "Nothing was lost" in report(Soaked(samples=samples(12)), "x")
    assert ElementTree.fromstring(as_svg([], [], "nothing")) is not None
    assert as_csv([]).startswith("at,calm,")


def test_latencies_are_not_judged_on_a_busy_machine() -> None:
    for load, found in ((0.5, ["accepting, median, ms"]), (1_000.0, [])):
        rising = [Sample(5.0 * n, True, 200 * MIB, 30, load, 0.01 + n / 100, 0.02, 0.03, 0.04) for n in range(60)]
        seen = Soaked(samples=rising)
        judge(seen)
        assert [problem.split(":")[0] for problem in seen.problems] == found
        assert len(seen.problems) + len(seen.unjudged) == 1
    leaking = Soaked(
        samples=[Sample(5.0 * n, True, n * 20 * MIB, 30, 1_000.0, 0.01, 0.02, 0.03, 0.04) for n in range(60)]
    )
    judge(leaking)
    assert [problem.split(":")[0] for problem in leaking.problems] == ["resident memory, MiB"]


@pytest.mark.faults
@pytest.mark.parametrize("kills", [True, False], ids=["kills", "no kills"])
def test_a_minute_on_the_embedded_servers(kills: bool) -> None:
    """G1, G2, G4: too short for a statement about growth, which is left out."""
    seen = soak("", "", 60.0, seed=1, kills=kills, every=10.0)
    assert [problem for problem in seen.problems if "over the run" not in problem and "too few" not in problem] == []
    assert len(seen.faults) >= 2
    assert seen.answered > 20
    assert seen.queried > 20
