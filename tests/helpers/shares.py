"""What a run leaves out so as to be over soon: backends of a test, tests of long files; others after each change."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from tests.helpers.thorough import SEED

T = TypeVar("T")


def shared_out(
    cases: Sequence[T], test_of: Callable[[T], str], kind_of: Callable[[T], Hashable], count: int
) -> list[T]:
    """Of each test the cases of `count` kinds, which `SEED` and the test's name decide.

    Args:
        test_of: which test a case belongs to.
        kind_of: what a case is run with.
    """
    kinds: dict[str, list[Hashable]] = {}
    for case in cases:
        of_test = kinds.setdefault(test_of(case), [])
        if (kind := kind_of(case)) not in of_test:
            of_test.append(kind)
    taken = {
        (test, kind)
        for test, of_test in kinds.items()
        for kind in random.Random(f"{SEED} {test}").sample(of_test, min(count, len(of_test)))
    }
    return [case for case in cases if (test_of(case), kind_of(case)) in taken]


def of_long_files(tests: Sequence[T], id_of: Callable[[T], str], shares: Mapping[str, float]) -> list[T]:
    """The tests without those that this run leaves out of the files in the folders of `shares`; never a whole file.

    Args:
        id_of: the test's node id: its file, `::`, its name.
        shares: for each beginning of a path which share of a file's tests is taken, at most 1.
    """
    files: dict[str, list[T]] = {}
    for test in tests:
        files.setdefault(id_of(test).partition("::")[0], []).append(test)
    left_out: set[str] = set()
    for file, of_file in files.items():
        share = next((share for beginning, share in shares.items() if file.startswith(beginning)), 1)
        fewer = random.Random(f"{SEED} {file}").sample(of_file, int(len(of_file) * (1 - share)))
        left_out.update(map(id_of, fewer))
    return [test for test in tests if id_of(test) not in left_out]
