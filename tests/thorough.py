"""How much of what could be tested a run takes."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("THOROUGH"))
"""Whether the run may take as long as it likes; `make faults` sets it."""

SHARE = 5
"""`make test` takes one example of so many, others in each run."""


def examples(count: int) -> int:
    """`count`, or a share of it where a run has to be over soon."""
    return count if THOROUGH else -(-count // SHARE)
