"""How many of all cases and examples a run takes, and which: `SEED`, which each run shows, takes them again."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

THOROUGH = bool(os.environ.get("THOROUGH"))
"""Whether the run may take as long as it likes; `make faults` sets it."""


def seed_of_code() -> str:
    """A number from the Python files of src and tests: a run of the same code takes the same cases on every machine."""
    top = Path(__file__).parents[2]
    content = hashlib.sha256()
    for file in sorted(file for folder in ("src", "tests") for file in (top / folder).rglob("*.py")):
        content.update(file.read_bytes())
    return str(int.from_bytes(content.digest()[:4], "big"))


SEED = os.environ.get("SEED") or seed_of_code()
"""Which cases the run takes: others after each change of the code, or those of a number that `SEED` gives."""
os.environ["SEED"] = SEED  # the processes that a run starts inherit it

SHARE = 12
"""`make test` takes one example of so many."""

SHARE_OF_CASES = 5
"""`make test` takes one listed case of so many, others after each change."""

T = TypeVar("T")


def chance() -> random.Random:
    """The random numbers of the test that runs, which `SEED` and its name decide: alone it draws the same again."""
    return _of(os.environ.get("PYTEST_CURRENT_TEST", ""))


@lru_cache(maxsize=1)
def _of(test: str) -> random.Random:
    return random.Random(f"{SEED} {test}")


def some(cases: Iterable[T]) -> list[T]:
    """All of them, or a share of them where a run has to be over soon; where the test fails, its output names them."""
    found = list(cases)
    if THOROUGH:
        return found
    chosen = chance().sample(found, -(-len(found) // SHARE_OF_CASES))
    print(f"SEED={SEED} takes {len(chosen)} of {len(found)} cases: {repr(chosen)[:2_000]}")
    return chosen


def examples(count: int) -> int:
    """`count`, or a share of it where a run has to be over soon."""
    return count if THOROUGH else -(-count // SHARE)
