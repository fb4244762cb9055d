"""Threads for work that no request waits for: loading, housekeeping, queries. They give way to the others.

On Linux each thread has a priority of its own, and one that is started by such a thread has it too, as DuckDB's are. A
process may always lower it. Elsewhere these threads are like the others.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICE = 5
"""What is added to the process's nice value: with the cores in use, such a thread gets a third of what another gets."""


def give_way() -> None:
    """Lower the priority of the thread that calls, for good."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, own + NICE)


def background_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool of threads that give way."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=give_way)
