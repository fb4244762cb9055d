"""`tallystick retention`: for how long events of single sites are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

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

  tallystick retention set --site blog --days 30 --keep-rollups

  tallystick retention set --site docs --for-ever

A worker removes whole UTC days that are older, by the events' own times, with every number that they stand in. They do
not come back, except from a backup or a file. With --keep-rollups their counts by name and source stay, and how many
users each day had.

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
    for column in ("site", "events are kept", "then rollups"):
        table.add_column(column, overflow="fold")
    for rule in answer.rules:
        keeps = answer.default_keep_rollups if rule.keep_rollups is None else rule.keep_rollups
        table.add_row(escape(rule.site_id), _words(rule.days), _stay(keeps))
    others = "all others" if answer.rules else "all"
    table.add_row(others, _words(answer.default_days), _stay(answer.default_keep_rollups))
    console.for_tables().print(table)


@app.command("set", epilog=SET_EPILOG)
def set_(
    site: SiteOption,
    days: Annotated[int | None, typer.Option("--days", metavar="N", help="Days for which events are kept.")] = None,
    for_ever: Annotated[bool, typer.Option("--for-ever", help="Keep all events.")] = False,
    keep_rollups: Annotated[
        bool | None,
        typer.Option(
            "--keep-rollups/--no-keep-rollups",
            help="Whether rollups stay when their events go. Without it, the site's rule stays as it is in this.",
            show_default=False,
        ),
    ] = None,
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
        order: dict[str, Any] = {"site_id": site, "days": days, "dry_run": only_count}
        if keep_rollups is not None:
            order["keep_rollups"] = keep_rollups
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
            if (found.events or found.kept_events) and not yes and not await asyncio.to_thread(_agreed, found):
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
    if done.kept_from is not None and done.keep_rollups:
        sentence += "; rollups stay"
    if done.kept_events:
        sentence += f"; kept rollups of {done.kept_events:,} events {would or 'are '}removed"
    console.out.print(sentence)


def _agreed(found: RetentionChange) -> bool:
    kept = f"kept rollups of {found.kept_events:,} events" if found.kept_events else ""
    if not console.err.is_terminal:
        if not found.events:
            raise InvalidRequest(f"{kept} of {found.site_id} would go: add --yes to let them be removed")
        more = f", and {kept} would go" if kept else ""
        raise InvalidRequest(
            f"{found.events:,} events of {found.site_id} are older than that{more}: add --yes to let them be removed"
        )
    going = [f"{found.events:,} events of before {found.kept_from:%Y-%m-%d}"] if found.events else []
    going += [kept] if kept else []
    return typer.confirm(f"{found.site_id}: {' and '.join(going)} are removed for good. Go on?", err=True)


def _stay(keeps: bool) -> str:
    return "stay" if keeps else "go too"


def _words(days: float | None) -> str:
    if days is None:
        return "for ever"
    return "1 day" if days == 1 else f"{days:g} days"
