"""The oracle of every fault test: what the client knows, what the server has, and whether both agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 3
"""How many ids a finding names."""


class ClientLedger:
    """Event ids by the answer that the client got. An id is in one of both sets, or was never sent.

    Attributes:
        accepted: ids that got a success, at the first try or at a later one.
        unknown: ids that were sent and got no answer, or an answer that leaves it open.
    """

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self.unknown: set[str] = set()

    def sent(self, ids: Iterable[str]) -> None:
        """Bytes with these ids may have reached the server: from now on all is possible."""
        self.unknown.update(id_ for id_ in ids if id_ not in self.accepted)

    def succeeded(self, ids: Iterable[str]) -> None:
        """A success for these ids has arrived."""
        for id_ in ids:
            self.unknown.discard(id_)
            self.accepted.add(id_)


@dataclass
class Outcome:
    """What the server has after the faults have stopped.

    Attributes:
        stored: how often each event id is in the store.
        dead: ids among the dead letters.
        queued: events still queued when the time to drain was over.
        differences: what `verify` found.
        fresh_seconds: how long a new event took to become queryable; None: it did not within the time it has.
    """

    stored: Counter[str] = field(default_factory=Counter)
    dead: set[str] = field(default_factory=set)
    queued: int = 0
    differences: list[str] = field(default_factory=list)
    fresh_seconds: float | None = None


def findings(client: ClientLedger, server: Outcome) -> list[str]:
    """One sentence for each promise that was broken; empty when all were kept."""
    lost = client.accepted - server.stored.keys() - server.dead
    twice = {id_ for id_, times in server.stored.items() if times > 1}
    foreign = server.stored.keys() - client.accepted - client.unknown
    found = [
        _named(lost, "got a success and are neither stored nor dead (G1, G3)"),
        _named(twice, "are stored more than once (G2)"),
        _named(foreign, "are stored and were never sent"),
        f"{server.queued} events are still queued (G11)" if server.queued else "",
        *(f"verify: {difference} (G4)" for difference in server.differences),
        "" if server.fresh_seconds is not None else "a fresh event did not become queryable (G11)",
    ]
    return [sentence for sentence in found if sentence]


def _named(ids: set[str], complaint: str) -> str:
    return f"{len(ids)} ids {complaint}: {', '.join(sorted(ids)[:SHOWN])}" if ids else ""
