"""The examination as a whole: which checks there are, and in which order they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tallystick.config import Settings
from tallystick.doctor import accounts, configured, machine, quotas, running
from tallystick.doctor.accounts import Held
from tallystick.errors import TallystickError
from tallystick.model.status import Checkup, Finding, Level
from tallystick.queue.base import Queue
from tallystick.store.base import Store
from tallystick.store.waiting import in_thread

LEVELS: Sequence[Level] = ("ok", "warn", "fail")
"""From good to bad."""


def checkup_of(findings: list[Finding], versions: Mapping[str, str]) -> Checkup:
    """The findings with the worst of their levels."""
    level = max((finding.level for finding in findings), key=LEVELS.index)
    return Checkup(level=level, now=datetime.now(UTC), versions=dict(versions), findings=findings)


async def examine(settings: Settings, queue: Queue, store: Store, versions: Mapping[str, str], held: Held) -> Checkup:
    """Everything that this process can see, of its machine, its settings, its accounts, its queue and its store."""
    findings = await in_thread(of_this_process, settings, versions, held)
    return checkup_of([*findings, *await running.checks(settings, queue, store)], versions)


def of_this_process(settings: Settings, versions: Mapping[str, str], held: Held) -> list[Finding]:
    """What is to be seen without queue and store. Blocks."""
    kept = accounts.checks(settings, held, datetime.now(UTC))
    found = [machine.versions(versions), *machine.checks(settings), *configured.checks(settings, held), *kept]
    return [*found, *quotas.checks(settings)]


def unreachable(settings: Settings, versions: Mapping[str, str], held: Held, error: TallystickError) -> Checkup:
    """What is to be seen when queue or store cannot be opened, for that reason."""
    opening = Finding(check="queue and store", level="fail", message=error.whole, do="see the message")
    return checkup_of([*of_this_process(settings, versions, held), opening], versions)
