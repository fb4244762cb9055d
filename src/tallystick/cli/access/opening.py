"""What the commands for sites, keys and accounts share: they open the database that a server uses, running or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.config import Settings
from tallystick.errors import ConfigError

if TYPE_CHECKING:
    from tallystick.access.accounts import Accounts

R = TypeVar("R")
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Data folder of the server, running or not. Default: TALLYSTICK_DATA, else ./tallystick-data. "
        "TALLYSTICK_ACCESS_URL and a TALLYSTICK_STORE_URL of PostgreSQL are used as they are.",
    ),
]
NOTICED = "a running server notices it within a second"


def with_accounts(data: Path | None, work: Callable[[Accounts], Awaitable[R]]) -> R:
    """The result of `work` on the sites, keys and accounts that the settings name.

    Raises:
        ConfigError: these settings keep none.
        Unavailable: the database cannot be reached.
    """
    settings = options.load_settings(data=data)
    options.quiet_logs(settings)

    async def opened() -> R:
        from tallystick.access import directory_of
        from tallystick.access.accounts import Accounts

        directory = directory_of(settings)
        if directory.why_none:
            raise ConfigError(directory.why_none)
        try:
            await directory.refresh()
            return await work(Accounts(directory, settings))
        finally:
            await directory.stop()

    return asyncio.run(opened())


def address_of(settings: Settings) -> str:
    """The address that a link begins with."""
    if settings.public_origin:
        return settings.public_origin
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def show_rows(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """A table, or a line that there is nothing to show."""
    if not rows:
        console.out.print("there are none")
        return
    table = console.new_table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    console.for_tables().print(table)
