"""How many of all cases and examples a run takes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from typing import TypeVar

THOROUGH = bool(os.environ.get("THOROUGH"))
"""Whether the run may take as long as it likes; `make faults` sets it."""

SHARE = 8
"""`make test` takes one example of so many, others in each run."""

SHARE_OF_CASES = 3
"""`make test` takes one listed case of so many, others in each run."""

T = TypeVar("T")


def some(cases: Iterable[T]) -> list[T]:
    """All of them, or a share of them where a run has to be over soon."""
    found = list(cases)
    return found if THOROUGH else random.Random().sample(found, -(-len(found) // SHARE_OF_CASES))


def examples(count: int) -> int:
    """`count`, or a share of it where a run has to be over soon."""
    return count if THOROUGH else -(-count // SHARE)
