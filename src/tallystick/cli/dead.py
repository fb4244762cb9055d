"""`tallystick dead`: lists, shows, replays and drops events that the store could not take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import call
from tallystick.errors import ConfigError
from tallystick.model.status import DeadLetterDetail, DeadLetterList, DropReport, NotDone, ReplayReport

PAGE = 1_000
"""Dead letters that one request lists, replays or drops."""

app = typer.Typer(
    help="Events that the store could not take: list, show, replay, drop.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Ids = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers as `tallystick dead list` shows them.")
]
All = Annotated[bool, typer.Option("--all", help="All dead letters, instead of single ones.")]


@app.command("list", epilog="[bold]Example[/bold]\n\n  tallystick dead list --url http://127.0.0.1:8000 --state all")
def list_(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    state: Annotated[
        Literal["dead", "replayed", "dropped", "erased", "all"], typer.Option(help="Which of them to show.")
    ] = "dead",
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="How many to show at most.")] = 100,
    after: Annotated[int, typer.Option(min=0, help="Only numbers greater than this, for the next page.")] = 0,
    as_json: options.JsonOption = False,
) -> None:
    """List dead letters: number, time, reason, and how often storing was tried."""

    async def request(server: ServerClient) -> DeadLetterList:
        return DeadLetterList.model_validate(await server.get("/v1/dead", state=state, limit=limit, after=after))

    found = call(url, data, key_file, request)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    if not found.dead:
        console.out.print("there are none")
        return
    table = console.new_table()
    for column in ("id", "since", "state", "code", "reason", "events", "attempts"):
        table.add_column(column, overflow="fold", justify="right" if column in ("id", "events", "attempts") else "left")
    for letter in found.dead:
        since = letter.dead_at.isoformat(sep=" ", timespec="seconds")
        cells = (letter.id, since, letter.state, letter.code, letter.reason, letter.events, letter.attempts)
        table.add_row(*(escape(str(cell)) for cell in cells))
    console.for_tables().print(table)
    if found.next_after is not None:
        console.out.print(f"more: --after {found.next_after}")


@app.command("show", epilog="[bold]Example[/bold]\n\n  tallystick dead show 17 --data /var/lib/tallystick")
def show(
    letter_id: Annotated[
        int, typer.Argument(metavar="ID", min=0, help="Its number, as `tallystick dead list` shows it.")
    ],
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show one dead letter with its original bytes."""

    async def request(server: ServerClient) -> DeadLetterDetail:
        return DeadLetterDetail.model_validate(await server.get(f"/v1/dead/{letter_id}"))

    found = call(url, data, key_file, request)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    for name in ("id", "state", "code", "reason", "events", "attempts", "dead_at", "receipt", "index", "encoding"):
        console.out.print(f"[bold]{name:>9}[/]  {escape(str(getattr(found, name)))}")
    typer.echo(found.original.rstrip("\n"))


@app.command(
    "replay",
    epilog="[bold]Examples[/bold]\n\n  tallystick dead replay --all\n\n  tallystick dead show 17 | tail -1 > fixed.json"
    "\n\n  tallystick dead replay 17 --corrected fixed.json",
)
def replay(
    ids: Ids = None,
    all_: All = False,
    corrected: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With a single number: the corrected event, in the form `show` prints."),
    ] = None,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Put dead letters into the queue again, as they are or corrected; none is stored twice.

    With the folder of a stopped server, they wait in the queue until the server runs again.
    """
    text = None
    if corrected is not None:
        if not ids or len(ids) != 1:
            raise ConfigError("--corrected needs exactly one number")
        try:
            text = corrected.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--corrected: {corrected} cannot be read: {error}") from error

    async def request(server: ServerClient) -> tuple[int, list[NotDone]]:
        done, refused = 0, []
        for some in await _pages(server, ids, all_):
            left = list(some)
            while left:
                body = {"ids": left} if text is None else {"ids": left, "original": text}
                report = ReplayReport.model_validate(await server.post("/v1/dead/replay", body))
                done += len(report.replayed)
                left = [note.id for note in report.not_replayed if note.code == "too_many"]
                refused += [note for note in report.not_replayed if note.code != "too_many"]
        return done, refused

    _report("replayed", call(url, data, key_file, request), as_json)


@app.command("drop", epilog="[bold]Example[/bold]\n\n  tallystick dead drop 17 18 19")
def drop(
    ids: Ids = None,
    all_: All = False,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Drop dead letters. They stay listed as dropped, and the books still count them."""

    async def request(server: ServerClient) -> tuple[int, list[NotDone]]:
        done, refused = 0, []
        for some in await _pages(server, ids, all_):
            report = DropReport.model_validate(await server.post("/v1/dead/drop", {"ids": list(some)}))
            done += len(report.dropped)
            refused += report.not_dropped
        return done, refused

    _report("dropped", call(url, data, key_file, request), as_json)


async def _pages(server: ServerClient, ids: Sequence[int] | None, all_: bool) -> list[list[int]]:
    """The numbers of the chosen dead letters, split into lists for one request each."""
    if bool(ids) == all_:
        raise ConfigError("name the dead letters by their numbers, or all of them with --all")
    chosen = list(ids or ())
    after = 0
    while all_:
        page = DeadLetterList.model_validate(await server.get("/v1/dead", state="dead", limit=PAGE, after=after))
        chosen += [letter.id for letter in page.dead]
        if page.next_after is None:
            break
        after = page.next_after
    return [chosen[start : start + PAGE] for start in range(0, len(chosen), PAGE)]


def _report(verb: str, outcome: tuple[int, list[NotDone]], as_json: bool) -> None:
    done, refused = outcome
    if as_json:
        console.show_json({verb: done, f"not_{verb}": [note.model_dump(mode="json") for note in refused]})
        if refused:
            raise typer.Exit(console.EXIT_DIFFERENCE)
        return
    console.out.print(f"{done:,} {verb}")
    for note in refused:
        console.err.print(f"  [yellow]{note.id}: {escape(note.message)}[/]")
    if refused:
        raise typer.Exit(console.EXIT_DIFFERENCE)
