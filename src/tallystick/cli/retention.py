"""`tallystick retention`: for how long events of single sites are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import call, server_or_folder
from tallystick.errors import InvalidRequest
from tallystick.keys import EVERY_SITE
from tallystick.model.status import RetentionChange, RetentionRules

app = typer.Typer(
    help="For how long events of single sites are kept: show, set, clear.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

SET_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick retention set --site shop --days 90 --dry-run

  tallystick retention set --site shop --days 90 --yes --url http://127.0.0.1:8000

  tallystick retention set --site docs --for-ever

A worker removes whole UTC days that are older, by the events' own times, with every number that they stand in. They do
not come back, except from a backup or a file.

Exit code: 0 done, 1 not confirmed, 2 it could not be done.
""")
CLEAR_EPILOG = console.paragraphs("""
[bold]Example[/bold]

  tallystick retention clear --site shop

TALLYSTICK_RETENTION_DAYS counts for the site again.

Exit code: 0 done, 1 not confirmed, 2 it could not be done.
""")

SiteOption = Annotated[str, typer.Option("--site", metavar="SITE", help="The site.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Change = Callable[[ServerClient, bool], Awaitable[RetentionChange]]
"""Changes a rule; with True it only counts what that would remove."""


@app.callback()
def retention() -> None:
    """For how long events of single sites are kept: show, set, clear."""


@app.command("show", epilog="[bold]Example[/bold]\n\n  tallystick retention show --url http://127.0.0.1:8000")
def show(
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="The site; * is every site.")] = EVERY_SITE,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show for how long events are kept: the default, and the sites with a rule of their own."""

    async def request(server: ServerClient) -> RetentionRules:
        named = {} if site == EVERY_SITE else {"site_id": site}
        return RetentionRules.model_validate(await server.get("/v1/retention", **named))

    answer = call(url, data, key_file, request)
    if as_json:
        typer.echo(answer.model_dump_json())
        return
    table = console.new_table()
    for column in ("site", "events are kept"):
        table.add_column(column, overflow="fold")
    for rule in answer.rules:
        table.add_row(escape(rule.site_id), _words(rule.days))
    table.add_row("all others" if answer.rules else "all", _words(answer.default_days))
    console.for_tables().print(table)


@app.command("set", epilog=SET_EPILOG)
def set_(
    site: SiteOption,
    days: Annotated[int | None, typer.Option("--days", metavar="N", help="Days for which events are kept.")] = None,
    for_ever: Annotated[bool, typer.Option("--for-ever", help="Keep all events.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Set for how long events of a site are kept. Counts first what that removes, then asks."""
    if (days is None) != for_ever:
        raise InvalidRequest("give either --days or --for-ever")

    async def change(server: ServerClient, only_count: bool) -> RetentionChange:
        order = {"site_id": site, "days": days, "dry_run": only_count}
        return RetentionChange.model_validate(await server.post("/v1/retention", order))

    _do(change, dry_run, yes, as_json, url, data, key_file)


@app.command("clear", epilog=CLEAR_EPILOG)
def clear(
    site: SiteOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Delete a site's rule, so that the default counts for it again. Counts first what that removes, then asks."""

    async def change(server: ServerClient, only_count: bool) -> RetentionChange:
        answer = await server.delete("/v1/retention", site_id=site, dry_run=str(only_count).lower())
        return RetentionChange.model_validate_json(answer)

    _do(change, dry_run, yes, as_json, url, data, key_file)


def _do(
    change: Change,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    url: str | None,
    data: Path | None,
    key_file: str | None,
) -> None:
    settings = options.load_settings(data=data, key_file=key_file)
    chosen = options.server_of(url, data, settings)

    async def changing() -> RetentionChange | None:
        async with server_or_folder(chosen, settings) as server:
            with console.waiting("counting"):
                found = await change(server, True)
            if dry_run:
                return found
            if found.events and not yes and not await asyncio.to_thread(_agreed, found):
                return None
            return await change(server, False)

    done = asyncio.run(changing())
    if done is None:
        console.out.print("nothing was changed")
        raise typer.Exit(console.EXIT_DIFFERENCE)
    if as_json:
        typer.echo(done.model_dump_json())
        return
    would = "would be " if done.dry_run else ""
    sentence = f"{escape(done.site_id)}: events {would or 'are '}kept {_words(done.days)}"
    if done.kept_from is not None:
        sentence += f"; {done.events:,} of before {done.kept_from:%Y-%m-%d} "
        sentence += "would be removed" if done.dry_run else "are removed by a worker with its next housekeeping"
    console.out.print(sentence)


def _agreed(found: RetentionChange) -> bool:
    if not console.err.is_terminal:
        raise InvalidRequest(
            f"{found.events:,} events of {found.site_id} are older than that: add --yes to let them be removed"
        )
    return typer.confirm(
        f"{found.events:,} events of {found.site_id} of before {found.kept_from:%Y-%m-%d} are removed for good. Go on?",
        err=True,
    )


def _words(days: float | None) -> str:
    if days is None:
        return "for ever"
    return "1 day" if days == 1 else f"{days:g} days"
