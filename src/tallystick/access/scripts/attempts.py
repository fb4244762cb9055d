"""Attempts to log in, which are counted against guessing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tallystick.access.scripts.common import Script, Step
from tallystick.analysis.buckets import instant_of, micros

FORGET_AFTER = timedelta(hours=1)
"""After so long without an attempt, a subject's failures count no more."""
LONGEST_WAIT = timedelta(minutes=5)


def wait_after(failures: int, free: int) -> timedelta:
    """How long a subject waits after so many failures in a row: a second, doubled with each further one."""
    beyond = failures - free
    return timedelta(0) if beyond < 0 else min(LONGEST_WAIT, timedelta(seconds=2 ** min(beyond, 20)))


def attempt(free: Mapping[str, int], now: datetime) -> Script[float]:
    yield Step("lock_state")
    yield Step("delete_old_attempts", (micros(now - FORGET_AFTER),))
    counted: dict[str, int] = {}
    wait = timedelta(0)
    for subject, without_wait in free.items():
        rows = yield Step("attempts", (subject,))
        failures = int(rows[0][0]) if rows else 0
        if rows:
            wait = max(wait, instant_of(rows[0][1]) + wait_after(failures, without_wait) - now)
        counted[subject] = failures + 1
    if wait > timedelta(0):
        return wait.total_seconds()
    for subject, failures in counted.items():
        yield Step("delete_attempts", (subject,))
        yield Step("insert_attempts", (subject, failures, micros(now)))
    return 0.0


def succeeded(account: str, address: str, user_id: str, now: datetime) -> Script[None]:
    yield Step("bump")  # the time of the last login is shown
    yield Step("delete_attempts", (account,))
    yield Step("give_back_attempt", (address,))
    yield Step("touch_login", (user_id, micros(now)))
