"""Many short runs of the pipeline with everything going wrong, on virtual time: a seed is a run."""

from __future__ import annotations

import pytest

from tests.faults.times import REPETITIONS, Record
from tests.helpers.thorough import SEED
from tests.simulation.mutants import MUTANTS
from tests.simulation.run import Simulation, broken, simulate

RUNS = 200
RUNS_OF_FAULTS = 10_000
AT_A_TIME = 25
ENOUGH = 40
"""So many runs at most until a mutant is noticed."""


@pytest.mark.parametrize("first", range(0, RUNS, AT_A_TIME))
def test_nothing_is_lost_or_stored_twice(first: int) -> None:
    """G1 to G7, G11. Other runs each time; a number in the output is `simulate`'s seed."""
    start = int(SEED) * RUNS + first
    assert broken(range(start, start + AT_A_TIME)) == {}


@pytest.mark.faults
@pytest.mark.parametrize("first", range(0, RUNS_OF_FAULTS, 500))
def test_nothing_is_lost_or_stored_twice_in_ten_thousand_runs(first: int, record_property: Record) -> None:
    """G1 to G7, G11. Always the same ones."""
    record_property(REPETITIONS, 500)
    assert broken(range(first, first + 500)) == {}


@pytest.mark.parametrize(("mutant", "complaint"), MUTANTS.items(), ids=[mutant.__name__ for mutant in MUTANTS])
def test_a_promise_that_is_taken_out_is_missed(mutant: type[Simulation], complaint: str) -> None:
    """The runs above can fail."""
    assert any(complaint in " ".join(simulate(seed, mutant)) for seed in range(ENOUGH))


def test_a_seed_is_a_run() -> None:
    """What failed once fails again."""
    runs = [Recorded.course_of(seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


class Recorded(Simulation):
    """A run that can be compared."""

    @classmethod
    def course_of(cls, seed: int) -> list[object]:
        made: list[Recorded] = []

        class One(cls):  # type: ignore[misc, valid-type]
            def __init__(self, seed: int) -> None:
                super().__init__(seed)
                made.append(self)

        simulate(seed, One)
        (run,) = made
        return [list(run.tables.stored), list(run.tables.entries), sorted(run.tables.dead), run.ledger.accepted]
