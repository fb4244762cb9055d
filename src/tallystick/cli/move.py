"""`tallystick move`: carries a whole store into another one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tallystick.access.move import AccessMove, AccessMoved
from tallystick.cli import console, options
from tallystick.config import Settings, shown_url, url_path
from tallystick.errors import AlreadyRunning, ConfigError, TallystickError
from tallystick.store import EMBEDDED, SCHEMES, Store, make_store
from tallystick.store.move import Move, Moved, Tell, destination_settings, ingester_of

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick move --from /var/lib/tallystick --to postgresql://tallystick@db/tallystick --dry-run

  tallystick move --from /var/lib/tallystick --to @/run/secrets/store-url

A URL with a password can be seen by other users of the machine: write it into a file, and name that with @.

Stop what writes the source first: the server of a data folder, or every `tallystick work`. `tallystick ingest` may go
on accepting: events wait in the queue, and the new store knows which of its blocks it has. When the command is stopped,
start it again: it goes on, and nothing is there twice. docs/run/growing.md shows the whole way.

Exit code: 0 everything is there, 1 the two stores differ (each difference is printed), 2 it could not be moved.
""")
URL_HELP = "A store's URL, a stopped server's data folder, or @FILE: a file that has one of these."


def move(
    source: Annotated[str, typer.Option("--from", metavar="URL", help=f"The store to be read. {URL_HELP}")],
    destination: Annotated[
        str, typer.Option("--to", metavar="URL", help="The store to be filled: empty, or half filled by this command.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what there is and check that the destination may be filled.")
    ] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Carry a whole store into another one: events, persons, dead letters, reports, boards, share links, the ledger.

    So are keys and accounts that are kept beside it. The source is only read. At the end both stores are compared and
    the destination is verified.
    """
    settings = options.load_settings()
    options.quiet_logs(settings)
    reading = _settings_of(source, "--from", settings)
    writing = destination_settings(_settings_of(destination, "--to", settings))
    if ingester_of(reading) == ingester_of(writing):
        raise ConfigError("--from and --to name the same store")
    with _progress() as tell:
        moved, access = asyncio.run(_move(reading, writing, tell, dry_run))
    if as_json:
        console.show_json(msgspec.to_builtins(moved) | {"ok": moved.ok, "access": msgspec.to_builtins(access)})
    else:
        _show(moved, shown_url(reading.resolved_store_url), shown_url(writing.resolved_store_url))
        _show_access(access)
    if not moved.ok:
        raise typer.Exit(console.EXIT_DIFFERENCE)


def _settings_of(given: str, option: str, settings: Settings) -> Settings:
    """Settings with the store that an option names.

    Raises:
        ConfigError: there is no such file or folder, or it is no URL of a store.
    """
    if given.startswith("@"):
        try:
            given = Path(given[1:]).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"{option}: {given[1:]} cannot be read: {why}") from None
    if "://" not in given:
        given = f"duckdb:///{Path(given) / 'store.duckdb'}"
    scheme = urlsplit(given).scheme
    if scheme not in SCHEMES:
        raise ConfigError(f"{option}: {scheme!r} is no scheme of a store; there are {', '.join(SCHEMES)}")
    if scheme in EMBEDDED:
        path = url_path(given)
        if option == "--from" and not path.is_file():
            raise ConfigError(f"{option}: there is no store {path}")
        if not path.parent.is_dir():
            raise ConfigError(f"{option}: there is no folder {path.parent}")
    return settings.model_copy(update={"store_url": given, "sql": False})


async def _move(reading: Settings, writing: Settings, tell: Tell, dry_run: bool) -> tuple[Moved, AccessMoved]:
    """Move the store, then keys and accounts, if what there is at both ends allows both."""
    async with _opened(reading, "--from") as source, _opened(writing, "--to") as destination:
        access = AccessMove(reading, writing)
        await access.check()
        moved = await Move(source, destination, ingester_of(reading), tell).run(dry_run=dry_run)
        return moved, await access.carry(dry_run=dry_run)


@contextlib.asynccontextmanager
async def _opened(settings: Settings, option: str) -> AsyncIterator[Store]:
    """The store, its errors naming the option instead of the setting."""
    try:
        store = make_store(settings)
        await store.open()
    except AlreadyRunning:
        path = url_path(settings.resolved_store_url)
        raise AlreadyRunning(f"{option}: a running server holds {path}: stop it first") from None
    except TallystickError as error:
        if "TALLYSTICK_STORE_URL" not in error.message:
            raise
        error.args = (error.message.replace("TALLYSTICK_STORE_URL", option),)
        raise
    try:
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def _progress() -> Iterator[Tell]:
    """Shows what is being done: a bar with an estimate on a terminal, else a line for each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    hidden = not console.err.is_terminal
    said: list[str] = []
    with Progress(*columns, console=console.err, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)
            if hidden and said[-1:] != [what]:
                console.err.print(f"{what} …", markup=False)
                said.append(what)

        yield tell


def _show(moved: Moved, source: str, destination: str) -> None:
    say = console.out.print
    days, sites = _counted(moved.days, "day"), _counted(moved.sites, "site")
    held = f"{_counted(moved.events, 'event')} of {days} on {sites}"
    if moved.dry_run:
        state = "half filled by this move: it would go on" if moved.resumed else "empty"
        say(escape(f"{source} has {held}; {destination} is {state}"))
        say("this was a dry run: nothing was carried")
        return
    say(escape(f"{held} are in {destination}; {moved.carried:,} of them were carried now"))
    table = console.new_table("compared")
    for column in ("what", "source", "destination"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for both in moved.compared:
        table.add_row(both.name, f"{both.source:,}", f"{both.destination:,}")
    console.for_tables().print(table)
    for difference in moved.differences:
        say(f"[red]differs:[/] {escape(difference.check)}: {escape(difference.message)}")
    if moved.ok:
        say("[green]verified:[/] both stores have the same, and the destination's books close")


def _show_access(access: AccessMoved) -> None:
    say = console.out.print
    if access.outcome in ("carried", "would carry"):
        counted = ", ".join(_counted(access.counts[table], table[:-1]) for table in ("sites", "keys", "users"))
        what = "were carried, and are the same on both sides" if access.outcome == "carried" else "would be carried"
        say(f"keys and accounts ({counted}) {what}")
    for sentence in access.say:
        say(f"[yellow]{escape(sentence)}[/]")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
