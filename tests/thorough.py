"""How many examples a property test takes."""

from __future__ import annotations

import os

SHARE = 3
"""`make test` takes one example of so many, others in each run. `make faults` sets THOROUGH and takes all."""


def examples(count: int) -> int:
    """`count`, or a share of it where a run has to be over soon."""
    return count if os.environ.get("THOROUGH") else -(-count // SHARE)
