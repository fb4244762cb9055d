"""The share of a test's cases, and of a long file's tests, that one run takes."""

from __future__ import annotations

from itertools import product

import pytest

from tests.helpers import shares
from tests.helpers.shares import of_long_files, shared_out

CASES = [f"{test}-{kind}-{number}" for test, kind, number in product("abcdefgh", ("x", "y", "z"), range(3))]


def taken(count: int) -> list[str]:
    return shared_out(CASES, lambda case: case[0], lambda case: case[2], count)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_each_test_is_run_with_so_many_kinds_and_with_all_their_cases(count: int) -> None:
    for test in "abcdefgh":
        mine = [case for case in taken(count) if case[0] == test]
        assert len({case[2] for case in mine}) == min(count, 3)
        assert len(mine) == 3 * min(count, 3)


def test_the_same_seed_takes_the_same_and_another_one_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "SEED", "1")
    first = taken(1)
    assert taken(1) == first
    found = set()
    for seed in range(40):
        monkeypatch.setattr(shares, "SEED", str(seed))
        found |= set(taken(1))
    assert found == set(CASES)


FILES = {"long/a.py": 9, "long/b.py": 1, "c.py": 5}
TESTS = [f"{file}::test_{number}" for file, of_file in FILES.items() for number in range(of_file)]


def test_half_of_each_long_file_is_taken_and_others_with_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for seed in range(40):
        monkeypatch.setattr(shares, "SEED", str(seed))
        taken = of_long_files(TESTS, str, {"long/": 1 / 2})
        assert [sum(test.startswith(file) for test in taken) for file in FILES] == [5, 1, 5]
        assert taken == [test for test in TESTS if test in taken], "in their order"
        found |= set(taken)
    assert found == set(TESTS)
