"""Users as numbers: events in which `user_id` is a small whole number, for questions that only tell users apart.

To find, group and join millions of events by a number takes two thirds of what their texts take, and where a database
knows the range of the numbers it needs no hashing. How a store numbers users is its own business.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UserNumbers:
    """What a store has numbered, as of one transaction, in which the question has to run.

    Attributes:
        tables: common tables that the parts read.
        parts: relations named `events` that together have every event, with the columns of that table: `user_id` is the
            user's number, `sent_id` the id. The first part is the one of which the database knows the numbers' range.
        times: SELECT of `site_id`, `name`, `user_id` (the number), `first` and `more`: each event of a user once,
            one of the times of a row. None: there is no such thing.
        users: a relation of `user_id` and `number`, one row for each user who has a number there.
    """

    tables: tuple[str, ...]
    parts: tuple[str, ...]
    times: str | None = None
    users: str = "user_numbers"
