"""`tallystick report` and `tallystick share`: saved reports and the links to boards; list, look, ask, revoke."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tallystick.cli import console
from tallystick.cli.ask.table import PIPED_WIDTH
from tallystick.cli.ask.table import show as show_answer
from tallystick.cli.folder import somewhere
from tallystick.cli.server import Server
from tallystick.errors import ConfigError
from tallystick.model.library import BoardList, Report, ReportList, ShareList

R = TypeVar("R")
Format = Literal["table", "csv", "json", "parquet"]
ReportId = Annotated[str, typer.Argument(metavar="ID", help="Its id, as `tallystick report list` shows it.")]
SiteOption = Annotated[
    str | None, typer.Option("--site", metavar="SITE", help="Only this site's; * those of every site together.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the JSON that the server answered.")]

app = typer.Typer(help="Saved reports: list, look, ask.", no_args_is_help=True, rich_markup_mode="rich")
shares = typer.Typer(help="Links that show a board: list, revoke.", no_args_is_help=True, rich_markup_mode="rich")


@app.command("list", epilog="[bold]Example[/bold]\n\n  tallystick report list --url http://127.0.0.1:8000")
def list_(
    url: console.UrlOption = None,
    data: console.DataOption = None,
    key_file: console.KeyFileOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which reports are saved, the oldest first."""

    async def ask(server: Server) -> Any:
        return await server.get("/v1/reports", **({} if site is None else {"site_id": site}))

    answer = _at(url, data, key_file, ask)
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    found = ReportList.model_validate(answer).reports
    rows = [
        (one.id, one.name, _site(one.site_id), str(one.question.get("kind")), one.range, one.timezone) for one in found
    ]
    _table(("id", "name", "site", "kind", "range", "time zone"), rows)


@app.command("show", epilog="[bold]Example[/bold]\n\n  tallystick report show k3v9x2m7p0qa")
def show(
    report_id: ReportId,
    url: console.UrlOption = None,
    data: console.DataOption = None,
    key_file: console.KeyFileOption = None,
) -> None:
    """Print a report as JSON, in the form in which POST /v1/reports takes it, and with what the server added."""

    async def ask(server: Server) -> Any:
        return await server.get(f"/v1/reports/{_id(report_id)}")

    typer.echo(json.dumps(_at(url, data, key_file, ask), ensure_ascii=False, indent=2))


@app.command(
    "run",
    epilog="[bold]Examples[/bold]\n\n  tallystick report run k3v9x2m7p0qa --range 30d"
    "\n\n  tallystick report run k3v9x2m7p0qa --format csv > signups.csv",
)
def run(
    report_id: ReportId,
    range_: Annotated[
        str | None,
        typer.Option("--range", metavar="RANGE", help="Instead of its own: 7d, month, 2026-01-01/2026-01-31, …."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Instead of its own: an IANA name.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How the answer is printed.")] = "table",
    url: console.UrlOption = None,
    data: console.DataOption = None,
    key_file: console.KeyFileOption = None,
) -> None:
    """Ask a report's question for its range, and print the answer."""
    if format_ == "parquet" and sys.stdout.isatty():
        raise ConfigError("--format parquet: the terminal cannot show it; send it to a file with > name.parquet")
    order = {name: value for name, value in (("range", range_), ("timezone", timezone)) if value is not None}
    form = {} if format_ in ("table", "json") else {"format": format_}

    async def ask(server: Server) -> tuple[Report, bytes]:
        path = f"/v1/reports/{_id(report_id)}"
        report = Report.model_validate(await server.get(path))
        return report, await server.post_json(f"{path}/run", order, **form)

    report, answer = _at(url, data, key_file, ask)
    if format_ != "table":
        sys.stdout.buffer.write(answer if form else answer + b"\n")
        sys.stdout.buffer.flush()
        return
    found = json.loads(answer)
    ends = [found["since"] or "the first event", found["until"] or "now"]
    console.out.print(f"[bold]{escape(report.name)}[/]  {escape(_site(report.site_id))}, {' to '.join(ends)}")
    show_answer(found, str(report.question.get("kind")), console.out)


@shares.command("list", epilog="[bold]Example[/bold]\n\n  tallystick share list --url http://127.0.0.1:8000")
def list_shares(
    url: console.UrlOption = None,
    data: console.DataOption = None,
    key_file: console.KeyFileOption = None,
    site: SiteOption = None,
) -> None:
    """Show the share links of all boards. Their tokens are known to nobody but who has them."""

    async def ask(server: Server) -> list[tuple[str, ...]]:
        chosen = {} if site is None else {"site_id": site}
        rows: list[tuple[str, ...]] = []
        for board in BoardList.model_validate(await server.get("/v1/boards", **chosen)).boards:
            links = ShareList.model_validate(await server.get(f"/v1/boards/{board.id}/shares")).shares
            for link in links:
                moments = map(_moment, (link.created_at, link.expires_at, link.last_used_at))
                rows.append((link.id, link.name, board.name, _site(board.site_id), *moments))
        return rows

    _table(("id", "for", "board", "site", "made (UTC)", "expires", "last used"), _at(url, data, key_file, ask))


@shares.command("revoke", epilog="[bold]Example[/bold]\n\n  tallystick share revoke y7jwxc65v1j1")
def revoke(
    share_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `tallystick share list` shows it.")],
    url: console.UrlOption = None,
    data: console.DataOption = None,
    key_file: console.KeyFileOption = None,
) -> None:
    """Revoke a share link: from now on it shows nothing."""

    async def ask(server: Server) -> None:
        await server.delete(f"/v1/shares/{_id(share_id)}")

    _at(url, data, key_file, ask)
    console.out.print("revoked")


def _at(url: str | None, data: Path | None, key_file: str | None, ask: Callable[[Server], Awaitable[R]]) -> R:
    """What `ask(server)` returns, at the running server or in the folder."""
    console.one_place(url, data)
    settings = console.load_settings(data=data, key_file=key_file)

    async def asked() -> R:
        async with somewhere(url, settings) as server:
            return await ask(server)

    return asyncio.run(asked())


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        console.out.print("there are none")
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*map(escape, row))
    out = console.out
    (out if out.is_terminal else Console(file=sys.stdout, width=PIPED_WIDTH, highlight=False)).print(table)


def _id(text: str) -> str:
    """An id as it may stand in a path. Raises ConfigError."""
    if not text.isascii() or not text.isalnum():
        raise ConfigError(f"{text!r} is no id: see the first column of the list")
    return text


def _site(site_id: str | None) -> str:
    return "* (every site)" if site_id is None else site_id


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
