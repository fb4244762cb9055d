"""What the read side of the API works with; made once by the app, handed to every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

from fastapi import Depends, Request

from tallystick.api.access import Questions
from tallystick.api.concurrency import Places
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
        started_at: when this process started; UTC.
        ready: None while requests are welcome, else one sentence why not (shutting down, …).
        vital: what has to work for requests to be welcome; None: the queue tells its depth.
        write_parquet: a file of canonical lines, or of rows, as a new Parquet file.
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
    def exports(self) -> Places:
        """Of exports, and of files while they are made and sent."""
        return Places(self.settings.export_concurrency, "exports and files", "TALLYSTICK_EXPORT_CONCURRENCY")


def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


GivenParts: TypeAlias = Annotated[Parts, Depends(_parts_of)]
"""A route's parameter of this type is the app's Parts."""


def _site_of(request: Request) -> str | None:
    site: str | None = request.state.site  # set by the gate; a route that has none fails here
    return site


def _questions_of(request: Request) -> Questions:
    return Questions(_parts_of(request).store, _site_of(request), request.receive)


GivenSite: TypeAlias = Annotated[str | None, Depends(_site_of)]
"""The only site that the caller may see; None: every site."""
GivenQuestions: TypeAlias = Annotated[Questions, Depends(_questions_of)]
"""The store's answers about what the caller may see: what routes for keys of one site ask, never `Parts.store`."""
