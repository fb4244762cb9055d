"""Which backends `make test` runs a test on: not on all, and on others after each change; `make faults` takes all."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
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
