"""The library in DuckDB's file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.library import SQL, Library, Script

R = TypeVar("R")
Run = Callable[[Callable[[Connection], Any]], Awaitable[Any]]
"""Runs a function in a thread, with a connection that this thread alone uses, and maps the driver's errors."""


class DuckDBLibrary(Library):
    """`Library` on DuckDB."""

    def __init__(self, read: Run, change: Run) -> None:
        """Make a library.

        Args:
            read: never waits for a batch.
            change: runs on the store's writing thread, so it waits for the batch that is being written, and no change
                conflicts with another transaction.
        """
        self._run_read = read
        self._run_change = change

    async def _read(self, begin: Callable[[], Script[R]]) -> R:
        result: R = await self._run_read(lambda connection: _in_transaction(connection, begin()))
        return result

    async def _change(self, script: Script[R]) -> R:
        result: R = await self._run_change(lambda connection: _in_transaction(connection, script))
        return result


def _in_transaction(connection: Connection, script: Script[R]) -> R:
    with transaction(connection):
        try:
            step = next(script)
            while True:
                rows = connection.execute(SQL[step.statement], list(step.params)).fetchall()
                step = script.send(rows)
        except StopIteration as done:
            result: R = done.value
            return result
