"""`tallystick verify`: checks that no event was lost or counted twice."""

from __future__ import annotations

import asyncio

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.target import server_or_folder
from tallystick.config import Settings
from tallystick.model.status import Verification

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick verify --url http://127.0.0.1:8000

  tallystick verify --data /var/lib/tallystick

Exit code: 0 everything agrees, 1 something differs (each difference is printed), 2 it could not be checked.
""")
COLUMNS = ("accepted", "stored", "duplicates", "dead", "erased", "queued")


def verify(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Check that no event was lost or counted twice.

    Accepted events must equal stored + duplicates + dead + erased + queued; no block may be missing from a
    sequence; the rollups must equal the raw events.
    """
    settings = options.load_settings(data=data, key_file=key_file)
    found = asyncio.run(_verify(options.server_of(url, data, settings), settings))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(console.EXIT_DIFFERENCE)


async def _verify(url: str | None, settings: Settings) -> Verification:
    async with server_or_folder(url, settings) as server:
        with console.waiting("counting every event"):
            return Verification.model_validate(await server.get("/v1/verify"))


def _show(found: Verification) -> None:
    books = console.new_table("events")
    for column in COLUMNS:
        books.add_column(column, justify="right")
    books.add_row(*(f"{getattr(found.ledger, column):,}" for column in COLUMNS))
    console.for_tables().print(books)
    if found.ledger.conflicts:
        console.out.print(
            f"{found.ledger.conflicts:,} of the duplicates had another payload than the event stored first"
        )
    if found.ok:
        console.out.print("[green]the books close:[/] nothing is missing, nothing was counted twice")
        return
    differences = console.new_table(f"differences: {len(found.differences)}", "bold red")
    differences.add_column("check")
    differences.add_column("what differs", overflow="fold")
    for difference in found.differences:
        differences.add_row(escape(difference.check), escape(difference.message))
    console.for_tables().print(differences)
