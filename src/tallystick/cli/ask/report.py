"""`tallystick report` lists, shows and runs saved reports; `tallystick share` lists and revokes links to boards."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.ask.table import show as show_answer
from tallystick.cli.ask.table import tell_beginning
from tallystick.cli.client import Answer, ServerClient
from tallystick.cli.target import call
from tallystick.errors import ConfigError
from tallystick.model.library import Board, BoardList, Report, ReportList, ShareList, ShareSummary

Format = Literal["table", "csv", "excel", "json", "parquet"]
ReportId = Annotated[str, typer.Argument(metavar="ID", help="Its id, as `tallystick report list` shows it.")]
SiteOption = Annotated[
    str | None, typer.Option("--site", metavar="SITE", help="Only this site; *: what belongs to every site together.")
]

app = typer.Typer(help="Saved reports: list, show, run.", no_args_is_help=True, rich_markup_mode="rich")
shares = typer.Typer(help="Links that show a board: list, revoke.", no_args_is_help=True, rich_markup_mode="rich")


@app.command("list", epilog="[bold]Example[/bold]\n\n  tallystick report list --url http://127.0.0.1:8000")
def list_(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    site: SiteOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """List saved reports, the oldest first."""

    async def request(server: ServerClient) -> Any:
        return await server.get("/v1/reports", **({} if site is None else {"site_id": site}))

    answer = call(url, data, key_file, request)
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
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """Print a report as JSON: the fields that POST /v1/reports takes, and those that the server adds."""

    async def request(server: ServerClient) -> Any:
        return await server.get(f"/v1/reports/{_id(report_id)}")

    typer.echo(json.dumps(call(url, data, key_file, request), ensure_ascii=False, indent=2))


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
    as_json: options.JsonOption = False,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """Run a report's query for its range, and print the answer."""
    format_ = console.form_of(format_, as_json)
    if format_ == "parquet" and sys.stdout.isatty():
        raise ConfigError("--format parquet: a terminal cannot show it; write it to a file with > name.parquet")
    order = {name: value for name, value in (("range", range_), ("timezone", timezone)) if value is not None}
    form = {} if format_ in ("table", "json") else {"format": format_}

    async def request(server: ServerClient) -> tuple[Report, Answer]:
        path = f"/v1/reports/{_id(report_id)}"
        report = Report.model_validate(await server.get(path))
        return report, await server.post_json(f"{path}/run", order, **form)

    report, answer = call(url, data, key_file, request)
    if format_ != "table":
        tell_beginning(answer)
        console.write_bytes(answer.body if form else answer.body + b"\n")
        return
    found = json.loads(answer.body)
    ends = [found["since"] or "the first event", found["until"] or "now"]
    console.out.print(f"[bold]{escape(report.name)}[/]  {escape(_site(report.site_id))}, {' to '.join(ends)}")
    show_answer(found, str(report.question.get("kind")), console.out)


@shares.command("list", epilog="[bold]Example[/bold]\n\n  tallystick share list --url http://127.0.0.1:8000")
def list_shares(
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    site: SiteOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """List the share links of all boards. Tokens are not shown: the server does not keep them."""

    async def request(server: ServerClient) -> list[tuple[Board, ShareSummary]]:
        chosen = {} if site is None else {"site_id": site}
        found: list[tuple[Board, ShareSummary]] = []
        for board in BoardList.model_validate(await server.get("/v1/boards", **chosen)).boards:
            links = ShareList.model_validate(await server.get(f"/v1/boards/{board.id}/shares")).shares
            found += [(board, link) for link in links]
        return found

    found = call(url, data, key_file, request)
    if as_json:
        board_of = [{"board_id": board.id, "board": board.name, "site_id": board.site_id} for board, _ in found]
        shared = [link.model_dump(mode="json") for _, link in found]
        console.show_json({"shares": [one | of for one, of in zip(shared, board_of, strict=True)]})
        return
    rows = []
    for board, link in found:
        moments = map(_moment, (link.created_at, link.expires_at, link.last_used_at))
        rows.append((link.id, link.name, board.name, _site(board.site_id), *moments))
    _table(("id", "for", "board", "site", "made (UTC)", "expires", "last used"), rows)


@shares.command("revoke", epilog="[bold]Example[/bold]\n\n  tallystick share revoke y7jwxc65v1j1")
def revoke(
    share_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `tallystick share list` shows it.")],
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Revoke a share link: from now on it shows nothing."""

    async def request(server: ServerClient) -> None:
        await server.delete(f"/v1/shares/{_id(share_id)}")

    call(url, data, key_file, request)
    if as_json:
        console.show_json({"revoked": share_id})
    else:
        console.out.print("revoked")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        console.out.print("there are none")
        return
    table = console.new_table()
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*map(escape, row))
    console.for_tables().print(table)


def _id(text: str) -> str:
    """The id, checked so that it can be part of a path. Raises ConfigError."""
    if not text.isascii() or not text.isalnum():
        raise ConfigError(f"{text!r} is not an id: see the first column of the list")
    return text


def _site(site_id: str | None) -> str:
    return "* (every site)" if site_id is None else site_id


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
