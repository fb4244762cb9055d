"""Users of each hour: how many different user ids were seen in an hour, counted by the store ahead of queries.

Hours cannot be added up, since a user may be in several. A metrics query by the hour over one site reads them where no
ids resolve to other persons; the answer is the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HourUsers:
    """The users of each hour, as of one transaction. The statement has to run in the same transaction.

    Attributes:
        rows: SELECT of `site_id`, `bucket` (a UTC hour's start), `bot` and `users`: the users all of whose events in
            this hour are bots' are counted in a row of their own.
    """

    rows: str
