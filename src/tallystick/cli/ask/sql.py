"""`tallystick sql`: runs a SELECT on a running server and prints the result as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from tallystick.cli import console, options
from tallystick.cli.ask.table import beginning, number, printable, tell_beginning
from tallystick.cli.client import Answer, ServerClient
from tallystick.config import SERVER
from tallystick.errors import ConfigError

Format = Literal["table", "csv", "excel", "json", "parquet"]
NUMBERS = {"integer", "decimal", "number"}

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick sql

  tallystick sql 'SELECT path, count(*) AS views FROM events GROUP BY path ORDER BY views DESC LIMIT 5'

  tallystick sql --file report.sql --site shop --format csv > report.csv

  cat report.sql | tallystick sql - --format parquet --output report.parquet

Without a statement it lists the views and their columns. The server must run with TALLYSTICK_SQL=true.
""")


def sql(
    statement: Annotated[
        str | None, typer.Argument(metavar="[SELECT]", help="One SELECT; - reads it from standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The statement from a file; - is standard input.")
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="Only this site. Default: every site that the key may read.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most rows. Default: TALLYSTICK_SQL_ROWS.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How the answer is printed.")] = "table",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File for csv, json or parquet. Default: standard output."),
    ] = None,
    as_json: options.JsonOption = False,
    url: options.UrlOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """Query a running server in SQL: one SELECT over the views events, sessions and users."""
    format_ = console.form_of(format_, as_json)
    if output is not None and format_ == "table":
        raise ConfigError("--output needs --format csv, excel, json or parquet")
    if format_ == "parquet" and output is None and sys.stdout.isatty():
        raise ConfigError("a terminal cannot show Parquet: name a file with --output")
    settings = options.load_settings(key_file=key_file)
    server = ServerClient(options.server_of(url, None, settings) or SERVER, key=settings.client_key())
    if statement is None and file is None:
        schema = asyncio.run(_schema(server))
        if format_ == "json":
            console.show_json(schema)
        else:
            _show_schema(schema)
        return
    body: dict[str, Any] = {"sql": _text(statement, file)}
    body |= {name: value for name, value in (("site_id", site), ("limit", limit)) if value is not None}
    with console.waiting("waiting for the answer"):
        answer = asyncio.run(_ask(server, body, None if format_ in ("table", "json") else format_))
    if format_ == "table":
        _show(json.loads(answer.body, parse_float=Decimal))
        return
    tell_beginning(answer, in_sql=True)
    whole = answer.body if format_ == "parquet" or answer.body.endswith(b"\n") else answer.body + b"\n"
    if output is not None:
        _write(output, whole)
        return
    console.write_bytes(whole)


async def _schema(server: ServerClient) -> Any:
    async with server:
        return await server.get("/v1/sql/schema")


async def _ask(server: ServerClient, body: dict[str, Any], form: str | None) -> Answer:
    async with server:
        return await server.post_json("/v1/sql", body, **({"format": form} if form else {}))


def _write(output: Path, answer: bytes) -> None:
    try:
        output.write_bytes(answer)
    except OSError as error:
        raise ConfigError(f"--output {output}: it cannot be written: {error}") from error


def _text(statement: str | None, file: Path | None) -> str:
    if statement is not None and file is not None:
        raise ConfigError("--file holds the statement: leave out the other one")
    try:
        if file is None and statement != "-":
            return statement or ""
        return sys.stdin.read() if file is None or str(file) == "-" else file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--file {file}: it cannot be read: {error}") from error


def _show(answer: dict[str, Any]) -> None:
    out = console.for_tables()
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in answer["columns"]:
        right = column["type"] in NUMBERS
        table.add_column(escape(printable(column["name"])), justify="right" if right else "left", overflow="fold")
    types = [column["type"] for column in answer["columns"]]
    for row in answer["rows"]:
        table.add_row(*(_cell(value, kind) for value, kind in zip(row, types, strict=True)))
    if answer["rows"]:
        out.print(table)
    else:
        out.print("no rows")
    if answer["truncated"]:
        out.print(f"[dim]there are more than these {len(answer['rows']):,} rows: add LIMIT or a condition[/]")
    if answer.get("events_from"):
        out.print(f"[dim]{escape(beginning(answer['events_from'], in_sql=True))}[/]")


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "number":
        return number(float(value))
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return escape(printable(text))


def _show_schema(schema: dict[str, Any]) -> None:
    out = console.for_tables()
    if not schema["enabled"]:
        out.print("[yellow]SQL is off on this server; TALLYSTICK_SQL=true allows it[/]")
    for view in schema["views"]:
        out.print(f"[bold]{view['name']}[/]  {escape(view['description'])}")
        table = Table(box=None, pad_edge=False, show_header=False)
        for column in view["columns"]:
            table.add_row("  " + column["name"], column["type"], escape(column["description"]))
        out.print(table)
