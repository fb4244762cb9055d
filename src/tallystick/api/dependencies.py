"""What the read routes work with: the parts of a running Tallystick, and FastAPI dependencies that hand them out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

from fastapi import Depends, Request

from tallystick.api.access.scoped_store import ScopedStore
from tallystick.api.streaming.concurrency import ConcurrencyLimit
from tallystick.config import Settings
from tallystick.metrics import Metrics
from tallystick.queue.base import Queue
from tallystick.store.base import Store

Republish: TypeAlias = Callable[[bytes, int, str], Awaitable[str]]
"""`(canonical lines, count, request id)` → receipt, durable; raises QueueFull, QueueUnavailable, Unavailable."""


class WriteParquet(Protocol):
    """`tallystick.store.duckdb.parquet.write_parquet`. Blocks."""

    def __call__(self, lines: Path, target: Path, columns: Sequence[tuple[str, str]] = ()) -> None: ...


@dataclass(frozen=True)
class Parts:
    """The opened parts of a running Tallystick.

    Attributes:
        republish: puts events into the queue as an ingester does; used to replay dead letters.
        started_at: when this process started, in UTC.
        ready: returns None while requests are welcome, else one sentence that says why not (shutting down, …).
        write_parquet: writes a file of canonical lines, or of rows, as a new Parquet file.
        vital: raises a TallystickError while requests cannot be served; None: the queue's `depth` is used.
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

    @cached_property
    def exports(self) -> ConcurrencyLimit:
        """The limit on exports, and on files while they are written and sent."""
        return ConcurrencyLimit(self.settings.export_concurrency, "exports and files", "TALLYSTICK_EXPORT_CONCURRENCY")


def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


GivenParts: TypeAlias = Annotated[Parts, Depends(_parts_of)]
"""A route's parameter of this type is the app's Parts."""


def _site_of(request: Request) -> str | None:
    site: str | None = request.state.site  # set by the gate; fails on a route that the gate does not guard
    return site


def _scoped_store_of(request: Request) -> ScopedStore:
    return ScopedStore(_parts_of(request).store, _site_of(request), request.receive)


GivenSite: TypeAlias = Annotated[str | None, Depends(_site_of)]
"""The only site that the caller may read; None: every site."""
GivenScopedStore: TypeAlias = Annotated[ScopedStore, Depends(_scoped_store_of)]
"""The store, limited to what the caller may read. Routes of `Access.SITE` use this, never `Parts.store`."""
