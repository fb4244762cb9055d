"""`tallystick query`: a question to a running server, its answer as a table, CSV or JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tallystick.cli import console
from tallystick.cli.ask.arguments import Typed, question_of
from tallystick.cli.ask.table import show
from tallystick.cli.server import Server
from tallystick.errors import ConfigError, Unavailable

Format = Literal["table", "csv", "json"]
IntervalText = Literal["minute", "hour", "day", "week", "month", "none"]

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick query

  tallystick query users --by source --top 5 --since 30d --compare

  tallystick query sum:amount events --interval week --since 2026-01-01 --timezone Europe/Berlin --filter name=purchase

  tallystick query 'events\\[name=signup]' 'events\\[name=page_view]' --formula 'conversion: A / B * 100'

  tallystick query --json '{"kind": "funnel", "steps": \\[{"name": "page_view"}, {"name": "signup"}]}'

  tallystick query --file question.json --format csv > answer.csv

A metric is events, users, sessions, events_per_user, last_received, or one of sum, avg, min, max, median, p90, p95 with
a colon and a property. In brackets behind it stand conditions of its own. A condition is field=value, with = != > < or
~ (contains) and a field such as name, path or properties.plan; or field:op:value as in the API.
""")


def query(
    metrics: Annotated[
        list[str] | None, typer.Argument(metavar="[METRIC]...", help="What to count. Without: events users.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="FIELD", help="Break down by a field; up to three.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=1000, help="With --by: the largest groups by the first metric.")
    ] = None,
    other: Annotated[bool, typer.Option("--other", help="With --top: one more row for all the rest.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="A date, an ISO 8601 time, or 24h, 7d. Without: 7 days to today."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Excluded. Without, and for `now`: no end.")
    ] = None,
    interval: Annotated[
        IntervalText | None, typer.Option("--interval", help="Without: day; none where there is --by.")
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="IANA name, for days and times.")] = "UTC",
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="TEST", help="Only events that pass; repeatable.")
    ] = None,
    formulas: Annotated[
        list[str] | None,
        typer.Option("--formula", metavar="FORMULA", help="Of the metrics in their order: 'A / B' or 'name: A / B'."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Beside the figures of the period before.")] = False,
    site: Annotated[
        str | None, typer.Option("--site", help="* is every site. Without: that of the key, else default.")
    ] = None,
    question: Annotated[
        str | None, typer.Option("--json", metavar="QUESTION", help="A question of any kind, as POST /v1/query has it.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The same from a file; - is standard input.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How the answer is printed.")] = "table",
    url: Annotated[str, typer.Option("--url", help="The running server.")] = "http://127.0.0.1:8000",
    key_file: console.KeyFileOption = None,
) -> None:
    """Ask a running server: how many events and users, over time, broken down, compared; or any question as JSON."""
    typed = Typed(
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
    )
    whole = question is not None or file is not None
    body = _written(question, file, typed) if whole else question_of(typed, datetime.now(UTC))
    settings = console.load_settings(key_file=key_file)
    server = Server(url, key=settings.client_key())
    answer = asyncio.run(_ask(server, body, "csv" if format_ == "csv" else None))
    if format_ == "table":
        show(json.loads(answer), body.get("kind") if isinstance(body, dict) else None, console.out)
        return
    sys.stdout.buffer.write(answer if answer.endswith(b"\n") else answer + b"\n")
    sys.stdout.buffer.flush()


async def _ask(server: Server, body: Any, form: str | None) -> bytes:
    async with server:
        try:
            return await server.post_json("/v1/query", body, **({"format": form} if form else {}))
        except Unavailable as error:
            raise Unavailable(f"{error.message} `tallystick up` starts one; --url names another") from error


def _written(question: str | None, file: Path | None, typed: Typed) -> Any:
    """The question that was given whole. Raises ConfigError."""
    if question is not None and file is not None:
        raise ConfigError("--json and --file exclude each other")
    if typed != Typed((), (), None, None, None, "UTC", (), (), False, None, False, None):
        raise ConfigError("--json and --file hold the whole question: leave metrics and the options about them out")
    name = "--json" if file is None else f"--file {file}"
    try:
        text = question if file is None else sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        return json.loads(text or "")
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: there is no JSON to be read: {error}") from error
