"""`tallystick query`: runs a query on a running server and prints the answer as a table, CSV or JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tallystick.cli import console, options
from tallystick.cli.ask.arguments import QueryArguments, request_body
from tallystick.cli.ask.table import show, tell_beginning
from tallystick.cli.client import Answer, ServerClient
from tallystick.config import SERVER
from tallystick.errors import ConfigError

Format = Literal["table", "csv", "excel", "json"]
IntervalText = Literal["minute", "hour", "day", "week", "month", "none"]

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick query

  tallystick query users --by source --top 5 --since 30d --compare

  tallystick query sum:amount events --interval week --since 2026-01-01 --timezone Europe/Berlin --filter name=purchase

  tallystick query 'events\\[name=signup]' 'events\\[name=page_view]' --formula 'conversion: A / B * 100'

  tallystick query '{"kind": "funnel", "steps": \\[{"name": "page_view"}, {"name": "signup"}]}'

  tallystick query --file query.json --format csv > answer.csv

A metric is events, users, sessions, events_per_user, last_received, or one of sum, avg, min, max, median, p90, p95 with
a colon and a property. Conditions of its own follow in brackets. A condition is field=value, with = != > < or
~ (contains) and a field such as name, path or properties.plan; or field:op:value as in the API.
""")


def query(
    metrics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[METRIC]...",
            help="What to count, by default events users; or one whole query as JSON, as POST /v1/query takes it.",
        ),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="FIELD", help="Break down by a field; up to three.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=1000, help="With --by: the largest groups by the first metric.")
    ] = None,
    other: Annotated[bool, typer.Option("--other", help="With --top: one more row for all other groups.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="A date, an ISO 8601 time, or 24h, 7d. Default: the last 7 days."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Excluded. Default, and for `now`: no end.")
    ] = None,
    interval: Annotated[IntervalText | None, typer.Option("--interval", help="Default: day; with --by: none.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="IANA name, for days and times.")] = "UTC",
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="TEST", help="Only events that pass; repeatable.")
    ] = None,
    formulas: Annotated[
        list[str] | None,
        typer.Option("--formula", metavar="FORMULA", help="A is the first metric: 'A / B' or 'name: A / B'."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Show the values of the previous period, too.")] = False,
    site: Annotated[
        str | None, typer.Option("--site", help="* is every site. Default: the site of the key, else default.")
    ] = None,
    bots: Annotated[bool, typer.Option("--bots", help="Count the events of bots, too.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The query from a file; - is standard input.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How the answer is printed.")] = "table",
    as_json: options.JsonOption = False,
    url: options.UrlOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """Query a running server: events and users over time, broken down, compared; or any query as JSON."""
    arguments = QueryArguments(
        metrics or (),
        by or (),
        since,
        until,
        interval,
        timezone,
        filters or (),
        formulas or (),
        compare,
        top,
        other,
        site,
        bots,
    )
    format_ = console.form_of(format_, as_json)
    text = next((metric for metric in arguments.metrics if metric.lstrip().startswith("{")), None)
    whole = text is not None or file is not None
    body = _given_query(text, file, arguments) if whole else request_body(arguments, datetime.now(UTC))
    settings = options.load_settings(key_file=key_file)
    server = ServerClient(options.server_of(url, None, settings) or SERVER, key=settings.client_key())
    with console.waiting("waiting for the answer"):
        answer = asyncio.run(_ask(server, body, format_ if format_ in ("csv", "excel") else None))
    if format_ == "table":
        show(json.loads(answer.body), body.get("kind") if isinstance(body, dict) else None, console.out)
        return
    tell_beginning(answer)
    console.write_bytes(answer.body if answer.body.endswith(b"\n") else answer.body + b"\n")


async def _ask(server: ServerClient, body: Any, form: str | None) -> Answer:
    async with server:
        return await server.post_json("/v1/query", body, **({"format": form} if form else {}))


def _given_query(text: str | None, file: Path | None, arguments: QueryArguments) -> Any:
    """The query that is given as JSON, or in --file. Raises ConfigError."""
    if text is not None and file is not None:
        raise ConfigError("a query as JSON and --file exclude each other")
    if arguments != QueryArguments(
        [text] if text else (), (), None, None, None, "UTC", (), (), False, None, False, None
    ):
        raise ConfigError("a query as JSON is the whole query: leave out metrics and the options about them")
    name = "the query" if file is None else f"--file {file}"
    try:
        if file is not None:
            text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        return json.loads(text or "")
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: it cannot be read as JSON: {error}") from error
