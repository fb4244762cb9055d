"""Queries without the events of bots: those whose property `$bot` is true.

Rollups, the session index and user times know which of their rows stand for events of bots, so the condition is no
reason to read events: see `is_no_bot`.
"""

from __future__ import annotations

from typing import TypeVar

from tallystick.model.query import AllOf, Condition, Filter, Query, Scope

Q = TypeVar("Q", bound=Scope)

BOT_SITES = "SELECT site_id FROM bot_sites"
"""The sites that may have events of bots."""
BOT_FIELD = "properties.$bot"
NO_BOT_ROW = "NOT bot"
"""The condition in a table whose rows stand for several events: not all of the row's events are bots'."""
_NO_BOT = Condition(field=BOT_FIELD, op="!=", value=True)


def is_no_bot(filter_: Filter | None) -> bool:
    """Whether a filter leaves out the events of bots and no others."""
    if isinstance(filter_, AllOf):
        return bool(filter_.all) and all(is_no_bot(part) for part in filter_.all)
    return isinstance(filter_, Condition) and filter_.value is True and filter_ == _NO_BOT


def without_bots(query: Query, may_have: bool) -> Query:
    """The query with a condition in the place of `bots: "exclude"`.

    Args:
        may_have: whether its sites may have events of bots. Without them the query stays as it is.
    """
    if query.bots != "exclude":
        return query
    if not may_have:
        return query.model_copy(update={"bots": None})
    both = _NO_BOT if query.filter is None else AllOf(all=[_NO_BOT, query.filter])
    return query.model_copy(update={"bots": None, "filter": both})


def as_asked(query: Q) -> Q:
    """The query without what `without_bots` did to it: the same for all pages, whatever was stored since."""
    asked = query.filter
    if asked == _NO_BOT:
        asked = None
    elif isinstance(asked, AllOf) and len(asked.all) == 2 and asked.all[0] == _NO_BOT:
        asked = asked.all[1]
    return query.model_copy(update={"bots": None, "filter": asked})
