"""How often a fault test repeats its fault: `TIMES=2 make faults` is a short run of everything."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

TIMES = int(os.environ.get("TIMES", "20"))

Record: TypeAlias = Callable[[str, object], None]
"""pytest's `record_property`. What a test records as REPETITIONS is in its row of docs/build/fault-matrix.md."""
REPETITIONS = "repetitions"
