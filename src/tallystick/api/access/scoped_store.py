"""The store as one caller may read it: one site, or every site."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from tallystick.api.streaming.disconnects import while_connected
from tallystick.errors import Forbidden
from tallystick.model import query as model
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Query, Result
from tallystick.store.base import Store

ScopedQuery = TypeVar("ScopedQuery", bound=model.Scope)
R = TypeVar("R")


def of_site(query: ScopedQuery, site: str | None) -> ScopedQuery:
    """The query, limited to the only site that the caller may read (None: every site, so the query is not changed).

    Raises:
        Forbidden: the query names another site, or every site.
    """
    if site is None:
        return query
    _refuse_other_sites(query, site)
    return query.model_copy(update={"site_id": site})


def _refuse_other_sites(query: model.Scope | SqlQuery, site: str) -> None:
    if "site_id" in query.model_fields_set and query.site_id != site:
        raise Forbidden("the key reads one site, and this asks for another, or for all of them")


class ScopedStore:
    """The answers of a store that a caller may read: those of one site, or of every site when `site` is None."""

    def __init__(self, store: Store, site: str | None, receive: Receive | None = None) -> None:
        """
        Args:
            receive: the channel of the request that is answered. When its client disconnects, its queries are
                cancelled. None: queries run to their end.
        """
        self._store = store
        self._site = site
        self._receive = receive

    async def run(self, query: Query) -> Result:
        """The result of `Store.run`, with its errors. Raises Forbidden as `of_site` does, and ClientLeft."""
        return await self._until_disconnect(self._store.run(of_site(query, self._site)))

    def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """The chunks of `Store.export`, with its errors. Raises Forbidden as `of_site` does."""
        return self._store.export(of_site(query, self._site))

    async def select(self, query: SqlQuery) -> Table:
        """The table of `Store.select`, sealed when the caller may read one site only. Raises as `run` does."""
        if self._site is None:
            return await self._until_disconnect(self._store.select(query))
        _refuse_other_sites(query, self._site)
        own = query.model_copy(update={"site_id": self._site})
        return await self._until_disconnect(self._store.select(own, sealed=True))

    async def _until_disconnect(self, work: Coroutine[Any, Any, R]) -> R:
        return await (work if self._receive is None else while_connected(self._receive, work))

    async def reachable(self) -> None:
        """Raises StoreUnavailable when the store gives no answers."""
        await self._store.receipt("0" * 16, 0)
