"""Queue and store: their real durability, what waits, the books, the servers' clocks, and the last `verify`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from tallystick.config import Settings
from tallystick.doctor.verified import last_verify
from tallystick.errors import TallystickError
from tallystick.model.books import close_books, stored_beyond
from tallystick.model.status import Finding
from tallystick.queue.base import Queue
from tallystick.store.base import Store

WEAK = {"memory", "written"}
"""Levels of durability that do not survive a loss of power."""
LATE, STANDING = 60.0, 3_600.0
"""Seconds after which events that wait are late, and after which nothing is stored any more."""
FULL = 0.8
"""Part of the queue's budget from which on it is nearly used up."""
SKEW, WRONG = 1.0, 60.0
"""Seconds by which two clocks may differ, and by which one of them is wrong."""
FORGOTTEN = timedelta(days=31)
"""A `verify` longer ago does not say much."""


@runtime_checkable
class OnServer(Protocol):
    """A store on a server."""

    async def server(self) -> tuple[str, datetime]:
        """The server's name with its version, and what its clock says, UTC."""


async def checks(settings: Settings, queue: Queue, store: Store) -> list[Finding]:
    """All checks of queue and store. One that cannot be made is a finding itself."""
    found = [durability(queue.durability)]
    for name, check in (("backlog", backlog), ("books", books)):
        try:
            found.append(await check(settings, queue, store))
        except TallystickError as error:
            found.append(Finding(check=name, level="fail", message=error.public, do="see the server's log"))
    if isinstance(store, OnServer):
        try:
            before = datetime.now(UTC)
            version, now = await store.server()
            found.append(skew("store's clock", version, now, (before, datetime.now(UTC))))
        except TallystickError as error:
            found.append(Finding(check="store", level="fail", message=error.public, do="see the server's log"))
    if (damage := store.damage) is not None:
        do = "docs/run/operations.md#when-the-store-is-damaged"
        found.append(Finding(check="store", level="fail", message=damage.public, do=do))
    found.append(verified(settings))
    return found


def durability(level: str) -> Finding:
    """What a 202 has survived (G1)."""
    message = f"a 202 means: {level}"
    if level in WEAK:
        do = "use a durable queue: SQLite, or a server with the settings of docs/build/guarantees.md (G1)"
        return Finding(check="durability", level="fail", message=message, do=do)
    return Finding(check="durability", level="ok", message=message)


async def backlog(settings: Settings, queue: Queue, _: Store) -> Finding:
    """What waits in the queue, and for how long."""
    depth = await queue.depth()
    events = "an unknown number of" if depth.events is None else f"{depth.events:,}"
    message = f"{events} events wait" + (f", the oldest for {depth.oldest_age:.0f} s" if depth.oldest_age else "")
    if depth.bytes is not None and depth.bytes > FULL * settings.queue_max_bytes:
        message += f"; {depth.bytes:,} of {settings.queue_max_bytes:,} bytes of the queue's budget are used"
        do = "find out why the store does not take them, before clients get 503: the worker's log says so"
        return Finding(check="backlog", level="fail", message=message, do=do)
    age = depth.oldest_age or 0.0
    if age > LATE:
        do = "look whether a worker runs, and what its log says"
        return Finding(check="backlog", level="fail" if age > STANDING else "warn", message=message, do=do)
    return Finding(check="backlog", level="ok", message=message)


async def books(_: Settings, queue: Queue, store: Store) -> Finding:
    """Whether the books close (G4); `verify` checks more."""
    published = await queue.books()
    ledger = await store.ledger()
    totals, differences = close_books(published, ledger)
    if stored_beyond(published, ledger):  # a difference unless a second look shows that it was published since
        differences += stored_beyond(await queue.books(), ledger)
    if differences:
        do = "`tallystick verify`, and docs/run/operations.md#the-books"
        return Finding(check="books", level="fail", message=differences[0].message, do=do)
    message = f"{totals.accepted:,} events accepted, and the books close; {totals.dead:,} are dead letters"
    return Finding(check="books", level="ok", message=message)


def skew(check: str, whose: str, theirs: datetime, ours: tuple[datetime, datetime]) -> Finding:
    """Whether two clocks agree.

    Args:
        theirs: what the other clock said.
        ours: before and after it was asked: between them there is no skew that could be told.
    """
    ahead = max(0.0, (theirs - ours[1]).total_seconds())
    behind = max(0.0, (ours[0] - theirs).total_seconds())
    words = f"{ahead:.1f} s ahead of" if ahead else f"{behind:.1f} s behind" if behind else "the same as"
    message = f"{whose}: its clock is {words} this one"
    do = "let NTP keep both clocks: the dedupe window and the age of events go by them"
    if max(ahead, behind) > WRONG:
        return Finding(check=check, level="fail", message=message, do=do)
    if max(ahead, behind) > SKEW:
        return Finding(check=check, level="warn", message=message, do=do)
    return Finding(check=check, level="ok", message=message)


def verified(settings: Settings) -> Finding:
    """When `verify` was run last on this data folder."""
    last = last_verify(settings)
    if last is None:
        message = "`tallystick verify` was never run here, as far as the data folder knows"
        return Finding(check="last verify", level="warn", message=message, do="run it when there is little load")
    message = f"{last.at:%Y-%m-%d %H:%M} UTC, and it found {last.differences or 'no'} differences"
    if last.differences:
        return Finding(check="last verify", level="fail", message=message, do="docs/run/operations.md#the-books")
    if datetime.now(UTC) - last.at > FORGOTTEN:
        return Finding(check="last verify", level="warn", message=message, do="run it when there is little load")
    return Finding(check="last verify", level="ok", message=message)
