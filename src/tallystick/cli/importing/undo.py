"""`tallystick import --list` and `--undo`: which imports are stored, and takes one back."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import typer
from rich.markup import escape

from tallystick.cli import console
from tallystick.cli.client import Refused, ServerClient
from tallystick.cli.target import drained_server, server_or_folder
from tallystick.config import Settings
from tallystick.errors import ConfigError, InvalidRequest, Unavailable
from tallystick.invocation import invocation
from tallystick.model.status import ImportList, ImportStatus, ImportUndone

IMPORT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
HOURS = 6 * 3600.0
"""Seconds for which a command waits until many events are removed."""


def list_imports(url: str | None, settings: Settings, as_json: bool = False) -> None:
    """Print what is stored of each import."""

    async def request() -> ImportList:
        async with server_or_folder(url, settings) as server:
            return ImportList.model_validate(await server.get("/v1/imports"))

    with console.waiting("waiting for the answer"):
        answer = asyncio.run(request())
    if as_json:
        typer.echo(answer.model_dump_json())
        return
    found = answer.imports
    if not found:
        console.out.print("there are none")
        return
    table = console.new_table()
    for column in ("id", "site", "events", "first", "last", "imported"):
        table.add_column(column, overflow="fold", justify="right" if column == "events" else "left")
    for part in found:
        times = (f"{moment:%Y-%m-%d %H:%M}" for moment in (part.first, part.last, part.began))
        table.add_row(*(escape(cell) for cell in (part.import_id, part.site_id, f"{part.events:,}", *times)))
    console.for_tables().print(table)


def undo(
    import_id: str, site: str | None, yes: bool, url: str | None, settings: Settings, as_json: bool = False
) -> None:
    """Count the events of an import, ask, and remove them.

    Raises:
        ConfigError: this is no import's id.
        InvalidRequest: there is no terminal to ask at, and `yes` is not given.
    """
    if not IMPORT_ID.fullmatch(import_id):
        raise ConfigError(f"--undo: {import_id!r} is not an import's id; --list shows them")

    async def request() -> int | None:
        async with drained_server(url, settings) as server:
            path = f"/v1/imports/{import_id}"
            named = {} if site is None else {"site_id": site}
            answer = await server.delete(path, patience=HOURS, dry_run="true", **named)
            found = ImportUndone.model_validate_json(answer)
            if not found.events or not await asyncio.to_thread(_agreed, found.events, import_id, yes):
                return 0 if not found.events else None
            with console.waiting(f"removing {found.events:,} events"):
                answer = await server.delete(path, patience=HOURS, **named)
            return ImportUndone.model_validate_json(answer).events

    events = asyncio.run(request())
    if as_json:
        console.show_json({"import_id": import_id, "events": events or 0})
        if events is None:
            raise typer.Exit(console.EXIT_DIFFERENCE)
        return
    if events is None:
        console.out.print("nothing was removed")
        raise typer.Exit(console.EXIT_DIFFERENCE)
    console.out.print(f"{events:,} events of the import {import_id} removed; the same file can be imported again")


def _agreed(events: int, import_id: str, yes: bool) -> bool:
    if yes:
        return True
    if not console.err.is_terminal:
        raise InvalidRequest(f"{events:,} events came with the import {import_id}: add --yes to remove them")
    return typer.confirm(f"Remove {events:,} events of the import {import_id}?", err=True)


async def times_undone(server: ServerClient, import_id: str) -> int | None:
    """How often events of an import were taken back; None: the server does not tell, such as to a write key."""
    try:
        answer = await server.get(f"/v1/imports/{import_id}", removed_only="true")
    except (Refused, Unavailable):
        return None
    return len(ImportStatus.model_validate(answer).removed)


def undo_command(import_id: str, url: str | None, data: Path | None) -> str:
    """The command that takes an import back."""
    where = "" if url is None and data is None else f" --url {url}" if url is not None else f" --data {data}"
    return f"{invocation()} import --undo {import_id}{where}"
