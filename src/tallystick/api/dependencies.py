"""What the read routes work with: the parts of a running Tallystick, and FastAPI dependencies that hand them out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeAlias

import structlog
from fastapi import Depends, Request

from tallystick.access.accounts import Accounts
from tallystick.access.model import Caller, Reach
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.api.streaming.concurrency import ConcurrencyLimit
from tallystick.config import Settings
from tallystick.errors import Unavailable
from tallystick.metrics import Metrics
from tallystick.queue.base import Queue
from tallystick.store.base import Store

if TYPE_CHECKING:
    from tallystick.access.oidc import Provider  # its packages may be missing

log = structlog.get_logger(__name__)

Republish: TypeAlias = Callable[[bytes, int, str], Awaitable[str]]
"""`(canonical lines, count, request id)` → receipt, durable; raises QueueFull, QueueUnavailable, Unavailable."""


class WriteParquet(Protocol):
    """`tallystick.store.duckdb.parquet.write_parquet`. Blocks."""

    def __call__(
        self,
        lines: Path,
        target: Path,
        columns: Sequence[tuple[str, str]] = (),
        facts: Mapping[str, str] | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class Parts:
    """The opened parts of a running Tallystick.

    Attributes:
        republish: puts events into the queue as an ingester does; used to replay dead letters.
        started_at: when this process started, in UTC.
        ready: returns None while requests are welcome, else one sentence that says why not (shutting down, …).
        write_parquet: writes a file of canonical lines, or of rows, as a new Parquet file.
        vital: raises a TallystickError while requests cannot be served; None: the queue's `depth` is used.
        accounts: keys and accounts that are made while the server runs; None: there are none.
        provider: the OpenID provider with which persons log in; None: there is none.
    """

    settings: Settings
    store: Store
    queue: Queue
    republish: Republish
    metrics: Metrics
    started_at: datetime
    ready: Callable[[], str | None]
    write_parquet: WriteParquet
    vital: Callable[[], Awaitable[object]] | None = None
    accounts: Accounts | None = None
    provider: Provider | None = None

    @cached_property
    def exports(self) -> ConcurrencyLimit:
        """The limit on exports, and on files while they are written and sent."""
        return ConcurrencyLimit(self.settings.export_concurrency, "exports and files", "TALLYSTICK_EXPORT_CONCURRENCY")


def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


GivenParts: TypeAlias = Annotated[Parts, Depends(_parts_of)]
"""A route's parameter of this type is the app's Parts."""


def _reach_of(request: Request) -> Reach:
    reach: Reach = request.state.reach  # set by the gate; fails on a route that the gate does not guard
    return reach


def _caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _scoped_store_of(request: Request) -> ScopedStore:
    return ScopedStore(_parts_of(request).store, _reach_of(request), request.receive)


class Audit:
    """Writes what a caller does with stored events into the audit log, where there is one."""

    def __init__(self, accounts: Accounts | None, caller: Caller) -> None:
        self._accounts = accounts
        self._caller = caller

    async def note(self, action: str, subject: str, site_id: str | None = None, **details: int) -> None:
        """Called after the act, which stays done: a log that cannot be written is said in the server's log.

        Args:
            subject: what it was done to, such as an import's id. Never an id of a user, which an erasure has to find.
        """
        if self._accounts is None or not self._accounts.directory.in_use:
            return
        try:
            await self._accounts.directory.store.note(action, subject, self._caller.actor, site_id, details)
        except Unavailable as error:
            who, why = self._caller.actor.name, error.whole
            log.error("the audit log cannot be written", action=action, subject=subject, actor=who, error=why)


def _audit_of(request: Request) -> Audit:
    return Audit(_parts_of(request).accounts, _caller_of(request))


GivenAudit: TypeAlias = Annotated[Audit, Depends(_audit_of)]
"""A route's parameter of this type takes down what the route did."""
GivenReach: TypeAlias = Annotated[Reach, Depends(_reach_of)]
"""The sites on which the caller has the route's permission."""
GivenCaller: TypeAlias = Annotated[Caller, Depends(_caller_of)]
"""Who sent the request."""
GivenScopedStore: TypeAlias = Annotated[ScopedStore, Depends(_scoped_store_of)]
"""The store, limited to what the caller may read. Routes of `Access.SITE` use this, never `Parts.store`."""
