"""`tallystick rollups rebuild`: counts the rollups again from the raw events."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer
from rich.progress import Progress

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import call
from tallystick.model.status import RebuiltDay, RollupDays

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick rollups rebuild --url http://127.0.0.1:8000

  tallystick rollups rebuild --data /var/lib/tallystick --since 2025-11-01 --until 2025-12-01

  tallystick rollups rebuild --site shop.example

`tallystick verify` says whether rollups differ from the events. Each day is one transaction: the command may run while
events are loaded, be stopped, and be run again.
""")

app = typer.Typer(
    help="Counts per quarter hour that answer most queries: count them again from the raw events.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

DAY = ["%Y-%m-%d"]


@app.callback()
def rollups() -> None:
    """Commands for rollups."""


@app.command("rebuild", epilog=EPILOG)
def rebuild(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    since: Annotated[
        datetime | None, typer.Option(formats=DAY, metavar="DAY", help="First UTC day. Default: of the first event.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=DAY, metavar="DAY", help="UTC day, excluded. Default: after the newest event."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only this site. Default: every site.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a day instead of a sentence.")] = False,
) -> None:
    """Count the rollups again from the raw events, day by day, the oldest first.

    Needed only when `tallystick verify` finds rollups that differ: they change with the events in the same transaction.
    """

    async def request(server: ServerClient) -> list[RebuiltDay]:
        range_ = {name: day.date().isoformat() for name, day in (("since", since), ("until", until)) if day is not None}
        days = RollupDays.model_validate(await server.get("/v1/rollups/days", **range_)).days
        return await _rebuild(server, days, site, json)

    rebuilt = call(url, data, key_file, request, waits_for=None)
    if not json:
        console.out.print(_summary(rebuilt))


async def _rebuild(server: ServerClient, days: list[date], site: str | None, json: bool) -> list[RebuiltDay]:
    rebuilt: list[RebuiltDay] = []
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        task = progress.add_task("counting", total=len(days))
        for day in days:
            progress.update(task, description=f"counting {day}")
            answer = await server.post("/v1/rollups/rebuild", {"day": day.isoformat(), "site_id": site})
            rebuilt.append(RebuiltDay.model_validate(answer))
            if json:
                typer.echo(rebuilt[-1].model_dump_json())
            progress.advance(task)
    return rebuilt


def _summary(rebuilt: list[RebuiltDay]) -> str:
    if not rebuilt:
        return "there are no events in these days"
    wrong = [day for day in rebuilt if day.wrong]
    days = "1 day" if len(rebuilt) == 1 else f"{len(rebuilt):,} days"
    counted = f"{days}, {sum(day.events for day in rebuilt):,} events counted"
    if not wrong:
        return f"{counted}: every rollup was right"
    shown = ", ".join(f"{day.day} ({day.wrong:,})" for day in wrong[:10])
    more = f" and {len(wrong) - 10:,} more days" if len(wrong) > 10 else ""
    return f"{counted}; wrong rows were corrected on {shown}{more}"
