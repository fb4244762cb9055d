"""The store as one caller may read it: some sites, or every site."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive

from tallystick.access.model import Reach
from tallystick.api.streaming.disconnects import while_connected
from tallystick.errors import Forbidden, InvalidRequest
from tallystick.model import query as model
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Query, Result
from tallystick.store.base import Store

ScopedQuery = TypeVar("ScopedQuery", bound=model.Scope)
R = TypeVar("R")


def of_site(query: ScopedQuery, reach: Reach) -> ScopedQuery:
    """The query, limited to a site that the caller may read. Of a caller with one site, it need not name it.

    Raises:
        Forbidden: the query names a site that the caller may not read, or every site.
        InvalidRequest: it names none, and the caller has several.
    """
    site = site_for(query, reach)
    return query if site is None else query.model_copy(update={"site_id": site})


def site_for(query: model.Scope | SqlQuery, reach: Reach) -> str | None:
    """The site to which the query is limited; None: the caller may read every site. Raises as `of_site`."""
    return None if reach.every else one_of(reach, query.site_id, named="site_id" in query.model_fields_set)


def one_of(reach: Reach, site: str | None, *, named: bool) -> str | None:
    """The site that a request is about; None: every site, which the caller's reach covers.

    Args:
        site: the site that the request has; None: every site.
        named: whether the request names it, or it is a default, in whose place the caller's only site is.

    Raises:
        Forbidden: it is a site that the caller may not read, or every site.
        InvalidRequest: none is named, and the caller has several.
    """
    if reach.every:
        return site
    if not named:
        if reach.single is None:
            raise InvalidRequest(NAME_A_SITE)
        return reach.single
    if site is None or site not in reach:
        raise Forbidden(OTHER_SITE)
    return site


NAME_A_SITE = "site_id: name one of the sites that you may see"
OTHER_SITE = "you may see one site or some, and this is about another, or about all of them"


class ScopedStore:
    """The answers of a store that a caller may read."""

    def __init__(self, store: Store, reach: Reach, receive: Receive | None = None) -> None:
        """
        Args:
            reach: the sites that the caller may read.
            receive: the channel of the request that is answered. When its client disconnects, its queries are
                cancelled. None: queries run to their end.
        """
        self._store = store
        self._reach = reach
        self._receive = receive

    async def run(self, query: Query) -> Result:
        """The result of `Store.run`, with its errors. Raises Forbidden as `of_site` does, and ClientLeft."""
        return await self._until_disconnect(self._store.run(of_site(query, self._reach)))

    def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """The chunks of `Store.export`, with its errors. Raises Forbidden as `of_site` does."""
        return self._store.export(of_site(query, self._reach))

    async def select(self, query: SqlQuery) -> Table:
        """The table of `Store.select`, sealed when the caller may not read every site. Raises as `run` does."""
        site = site_for(query, self._reach)
        own = query if site is None else query.model_copy(update={"site_id": site})
        begin = await self._store.events_from(own.site_id)
        table = await self._until_disconnect(self._store.select(own, sealed=site is not None))
        return msgspec.structs.replace(table, events_from=begin)

    async def _until_disconnect(self, work: Coroutine[Any, Any, R]) -> R:
        return await (work if self._receive is None else while_connected(self._receive, work))

    async def reachable(self) -> None:
        """Raises StoreUnavailable when the store gives no answers."""
        await self._store.receipt("0" * 16, 0)
