"""`tallystick erase` and `tallystick erasures`: removes a person, and lists the receipts."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import call, drained_server
from tallystick.config import Settings
from tallystick.errors import InvalidRequest
from tallystick.keys import EVERY_SITE
from tallystick.model.event import DEFAULT_SITE
from tallystick.model.status import Erased, ErasureList, PersonCounts

HOURS = 6 * 3600.0
"""Seconds for which the command waits until many events are removed."""

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick erase --user ann --dry-run

  tallystick erase --user ann --site shop --yes --url http://127.0.0.1:8000

It removes the events of all ids that were joined to the given one, their dead letters' bytes, and everything that
follows from them. What is sent again, replayed or imported later is not stored if it was received or happened before;
with --block nothing of these ids is stored any more. The receipt, which names nobody, is printed and kept. Backups,
exports and a browser's own storage are not touched.

Exit code: 0 done, 1 not confirmed, 2 it could not be done.
""")
RECEIPTS_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick erasures

  tallystick erasures --site shop --user ann

With --user only the receipts of that id, as it was given when it was erased: its keyed hash is looked for.
""")


def erase(
    user: Annotated[str, typer.Option("--user", metavar="ID", help="Any id of the person, as it was sent.")],
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="The site of the id.")] = DEFAULT_SITE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    block: Annotated[bool, typer.Option("--block", help="Store no event of these ids any more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Erase a person: all events of all joined ids, for good. Counts first, then asks."""
    settings = options.load_settings(data=data, key_file=key_file)
    chosen = options.server_of(url, data, settings)
    done = asyncio.run(_erase(chosen, settings, {"user_id": user, "site_id": site, "block": block}, dry_run, yes))
    if done is None:
        console.out.print("nothing was removed")
        raise typer.Exit(console.EXIT_DIFFERENCE)
    if as_json:
        typer.echo(done.model_dump_json())
        return
    if done.receipt is None:
        _show(done.found, "would be removed")
        return
    _show(done.found, "removed")
    typer.echo(done.receipt.model_dump_json(indent=2))


async def _erase(
    url: str | None, settings: Settings, order: dict[str, object], dry_run: bool, yes: bool
) -> Erased | None:
    """The result; None: it was not confirmed."""
    async with drained_server(url, settings) as server:
        with console.waiting("counting"):
            answer = await server.post_patiently("/v1/erase", {**order, "dry_run": True}, HOURS)
        found = Erased.model_validate_json(answer)
        if dry_run:
            return found
        if not yes and not await asyncio.to_thread(_agreed, found.found, str(order["user_id"])):
            return None
        with console.waiting(f"removing {found.found.events:,} events"):
            answer = await server.post_patiently("/v1/erase", order, HOURS)
        return Erased.model_validate_json(answer)


def _agreed(found: PersonCounts, user: str) -> bool:
    if not console.err.is_terminal:
        raise InvalidRequest(f"{found.events:,} events are {user}'s: add --yes to remove them")
    _show(found, "will be removed", to_errors=True)
    return typer.confirm(f"Erase {user} for good?", err=True)


def _show(found: PersonCounts, words: str, *, to_errors: bool = False) -> None:
    table = console.new_table(words)
    for column in ("ids", "events", "sessions", "dead letters", "first", "last"):
        table.add_column(column, justify="left" if column in ("first", "last") else "right")
    counts = (found.ids, found.events, found.sessions, found.dead_letters)
    times = ("" if at is None else f"{at:%Y-%m-%d %H:%M}" for at in (found.first, found.last))
    table.add_row(*(f"{count:,}" for count in counts), *times)
    (console.err if to_errors else console.for_tables()).print(table)


def erasures(
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="The site; * is every site.")] = EVERY_SITE,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Only this id's; needs --site.")] = None,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """List the receipts of erased persons, the last one first."""

    async def request(server: ServerClient) -> ErasureList:
        named = {} if user is None else {"user_id": user}
        return ErasureList.model_validate(await server.get("/v1/erasures", site_id=site, **named))

    answer = call(url, data, key_file, request)
    if as_json:
        typer.echo(answer.model_dump_json())
        return
    if not answer.erasures:
        console.out.print("there are none")
        return
    table = console.new_table()
    for column in ("erased", "site", "hash", "ids", "events", "dead letters", "blocked", "id"):
        numbers = ("ids", "events", "dead letters")
        table.add_column(column, overflow="fold", justify="right" if column in numbers else "left")
    for one in answer.erasures:
        counts = (one.removed.ids, one.removed.events, one.removed.dead_letters)
        cells = (f"{one.erased_at:%Y-%m-%d %H:%M}", one.site_id, one.user_hash, *(f"{count:,}" for count in counts))
        table.add_row(*(escape(cell) for cell in (*cells, "yes" if one.blocked else "no", one.id)))
    console.for_tables().print(table)
