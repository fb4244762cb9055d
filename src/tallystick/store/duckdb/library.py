"""The library in DuckDB's file. Changes run on the store's writing thread, so that none meets another transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from tallystick.store import library as rules
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.library import SQL, Document, Kind, Script, Share

R = TypeVar("R")
Run = Callable[[Callable[[Connection], Any]], Awaitable[Any]]
"""Runs a call in a thread with a connection of that thread's, and maps the driver's errors."""


class DuckDBLibrary:
    """`Library` on DuckDB; `ask` never waits for a batch, `change` waits for the one that is being written."""

    def __init__(self, ask: Run, change: Run) -> None:
        self._ask = ask
        self._change = change

    async def documents(self, kind: Kind, site: str | None = None) -> Sequence[Document]:
        return await _run(self._ask, rules.documents(kind, site))

    async def document(self, kind: Kind, id_: str) -> Document | None:
        return await _run(self._ask, rules.document(kind, id_))

    async def add(self, document: Document) -> None:
        await _run(self._change, rules.add(document))

    async def replace(self, document: Document, version: datetime) -> Document:
        return await _run(self._change, rules.replace(document, version))

    async def remove(self, kind: Kind, id_: str) -> None:
        await _run(self._change, rules.remove(kind, id_))

    async def shares(self, board_id: str) -> Sequence[Share]:
        return await _run(self._ask, rules.shares(board_id))

    async def share(self, id_: str) -> Share | None:
        return await _run(self._ask, rules.share(id_))

    async def add_share(self, share: Share) -> None:
        await _run(self._change, rules.add_share(share))

    async def touch_share(self, id_: str, now: datetime) -> None:
        await _run(self._change, rules.touch_share(id_, now))

    async def remove_share(self, id_: str) -> None:
        await _run(self._change, rules.remove_share(id_))


async def _run(run: Run, script: Script[R]) -> R:
    result: R = await run(lambda connection: _in_transaction(connection, script))
    return result


def _in_transaction(connection: Connection, script: Script[R]) -> R:
    with transaction(connection):
        try:
            asked = next(script)
            while True:
                rows = connection.execute(SQL[asked.statement], list(asked.params)).fetchall()
                asked = script.send(rows)
        except StopIteration as done:
            result: R = done.value
            return result
