"""Remembers for which users `people` has a row, so that most events of a batch need no look at that table.

A row of `people` is only removed with its events, by retention or when an import is taken back. Both are recorded in
the store, and another server has another start. So an unchanged `State` proves that the rows are still there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from tallystick.store.postgres.encode import Quarter, Seen, instant

State = tuple[object, ...]
"""What changes whenever rows of `people` may be gone."""
REMEMBERED = 200_000
"""Most users remembered, some 30 MB: those of the quarter hours that were written last."""


class PeopleRows(msgspec.Struct, frozen=True):
    """Rows for the table `people` in order: a list for each column of the users, and of the quarter hours they name.

    Attributes:
        quarters: for each user the number of its quarter hour, from 1.
    """

    quarters: list[int]
    users: list[str]
    bots: list[bool]
    sites: list[str]
    buckets: list[datetime]


class SeenUsers:
    """Which rows of `people` this process has seen committed."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._count = 0
        self._state: State = ()
        self._quarters: OrderedDict[Quarter, Seen] = OrderedDict()

    def unknown(self, state: State, seen: Mapping[Quarter, Seen]) -> dict[Quarter, Seen]:
        """The users whose rows may be missing. A row of a user who is no bot stands for the user's bot events, too."""
        if state != self._state:
            self._state, self._count = state, 0
            self._quarters.clear()
        missing: dict[Quarter, Seen] = {}
        for quarter, of_quarter in seen.items():
            known = self._quarters.get(quarter)
            if known is None:
                missing[quarter] = of_quarter
                continue
            self._quarters.move_to_end(quarter)
            users = of_quarter.users - known.users
            bots = of_quarter.bots - known.users - known.bots
            if users or bots:
                missing[quarter] = Seen(users, bots)
        return missing

    def add(self, state: State, stored: Mapping[Quarter, Seen]) -> None:
        """Remember rows that are committed. `state` is that of the transaction that found or wrote them."""
        if state != self._state:
            return
        for quarter, of_quarter in stored.items():
            known = self._quarters.setdefault(quarter, Seen(set(), set()))
            before = len(known.users) + len(known.bots)
            known.users.update(of_quarter.users)
            known.bots.update(of_quarter.bots)
            self._count += len(known.users) + len(known.bots) - before
        while self._count > self._most:
            _, gone = self._quarters.popitem(last=False)
            self._count -= len(gone.users) + len(gone.bots)


def people_rows(seen: Mapping[Quarter, Seen]) -> PeopleRows:
    """The rows of these users, ascending by site, quarter hour and user, as the index is."""
    rows = PeopleRows([], [], [], [], [])
    for number, (site, bucket) in enumerate(sorted(seen), 1):
        rows.sites.append(site)
        rows.buckets.append(instant(bucket))
        of_quarter = seen[site, bucket]
        for group, bot in ((of_quarter.users, False), (of_quarter.bots, True)):
            rows.users.extend(sorted(group))
            rows.quarters.extend([number] * len(group))
            rows.bots.extend([bot] * len(group))
    return rows
