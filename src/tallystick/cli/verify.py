"""`tallystick verify`: checks that no event was lost or counted twice."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

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
COLUMNS = ("accepted", "stored", "duplicates", "dead", "queued")


def verify(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Check that no event was lost or counted twice.

    Accepted events must equal stored + duplicates + dead + queued; no block may be missing from a sequence; the
    rollups must equal the raw events.
    """
    options.refuse_url_with_data(url, data)
    found = asyncio.run(_verify(url, options.load_settings(data=data, key_file=key_file)))
    if json:
        typer.echo(found.model_dump_json())
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(console.EXIT_DIFFERENCE)


async def _verify(url: str | None, settings: Settings) -> Verification:
    async with server_or_folder(url, settings) as server:
        with console.err.status("counting every event"):
            return Verification.model_validate(await server.get("/v1/verify"))


def _show(found: Verification) -> None:
    books = Table(title="events", title_justify="left")
    for column in COLUMNS:
        books.add_column(column, justify="right")
    books.add_row(*(f"{getattr(found.ledger, column):,}" for column in COLUMNS))
    console.out.print(books)
    if found.ledger.conflicts:
        console.out.print(
            f"{found.ledger.conflicts:,} of the duplicates had another payload than the event stored first"
        )
    if found.ok:
        console.out.print("[green]the books close:[/] nothing is missing, nothing was counted twice")
        return
    differences = Table(title=f"differences: {len(found.differences)}", title_justify="left", title_style="bold red")
    differences.add_column("check")
    differences.add_column("what differs", overflow="fold")
    for difference in found.differences:
        differences.add_row(escape(difference.check), escape(difference.message))
    console.out.print(differences)
