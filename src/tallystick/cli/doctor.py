"""`tallystick doctor`: what is not as it should be, and what to change."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import typer
from rich.markup import escape

from tallystick import __version__, queue
from tallystick.access import make_access_store, why_none
from tallystick.api.routes.health import versions
from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import open_store, require_folder
from tallystick.config import Settings
from tallystick.doctor.accounts import Held
from tallystick.doctor.examine import LEVELS, checkup_of, examine, unreachable
from tallystick.doctor.running import skew
from tallystick.errors import AlreadyRunning, TallystickError
from tallystick.model.status import Checkup, Finding

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick doctor

  tallystick doctor --data /var/lib/tallystick --json

A running server looks at itself: its own settings, machine, queue and store. With --data this command looks at the
folder of a stopped one, with the settings of this shell.

Exit code: 0 all is well, 1 there are warnings, 2 something is wrong, or it could not look.
""")
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Look at settings, machine, queue and store, and say what to change."""
    settings = options.load_settings(data=data, key_file=key_file)
    options.quiet_logs(settings)
    chosen = options.server_of(url, data, settings)
    with console.waiting("looking"):
        found = asyncio.run(_of_folder(settings) if chosen is None else _of_server(chosen, settings))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(found)
    raise typer.Exit(LEVELS.index(found.level))


async def _of_server(url: str, settings: Settings) -> Checkup:
    """What the server says of itself, and how it differs from this command."""
    async with ServerClient(url, key=settings.client_key()) as server:
        before = datetime.now(UTC)
        found = Checkup.model_validate(await server.get("/v1/doctor"))
        after = datetime.now(UTC)
    theirs = found.versions.get("tallystick", "")
    more = [skew("server's clock", f"the server of {url}", found.now, (before, after))]
    if theirs != __version__:
        message = f"the server is Tallystick {theirs}, this command {__version__}"
        more.append(Finding(check="this command", level="warn", message=message, do="use the command of the server"))
    return checkup_of([*found.findings, *more], found.versions)


async def _of_folder(settings: Settings) -> Checkup:
    """What is to be seen from here, also when queue or store cannot be opened.

    Raises:
        AlreadyRunning: a server uses the folder, and can be asked itself.
        ConfigError: there is no such folder.
    """
    require_folder(queue.is_embedded(settings), settings.resolved_queue_url)
    held = await _held(settings)
    try:
        async with open_store(settings) as store:
            waiting = queue.make_queue(settings)
            await waiting.open()
            try:
                return await examine(settings, waiting, store, versions(), held)
            finally:
                await waiting.close()
    except AlreadyRunning:
        raise
    except TallystickError as error:
        return unreachable(settings, versions(), held, error)


async def _held(settings: Settings) -> Held:
    """What is kept of keys and accounts, or why it cannot be read."""
    if why_none(settings):
        return None
    try:
        store = make_access_store(settings)
        await store.open()
        try:
            return await store.snapshot() if await store.exists() else None
        finally:
            await store.close()
    except TallystickError as error:
        return error


def _show(found: Checkup) -> None:
    table = console.new_table()
    for column in ("", "check", "what is so"):
        table.add_column(column, overflow="fold")
    for finding in found.findings:
        colour = COLOURS[finding.level]
        message = escape(finding.message) + (f"\n[bold]→ {escape(finding.do)}[/]" if finding.do else "")
        table.add_row(f"[{colour}]{finding.level}[/]", escape(finding.check), message)
    console.for_tables().print(table)
