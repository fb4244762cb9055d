"""`tallystick export`: writes events as NDJSON, CSV or Parquet."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer
from rich.markup import escape

from tallystick.api.files.csv_text import csv_events, csv_header
from tallystick.api.parameters import ExportParams
from tallystick.api.responses import understood
from tallystick.cli import console, options
from tallystick.cli.ask.arguments import condition
from tallystick.cli.client import ServerClient
from tallystick.cli.target import open_store, server_or_folder
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.keys import EVERY_SITE
from tallystick.model.event import DEFAULT_SITE
from tallystick.store import write_parquet

Format = Literal["ndjson", "csv", "excel", "parquet", "zip"]

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick export > events.ndjson

  tallystick export --output march.parquet --since 2026-03-01 --until 2026-04-01 --timezone Europe/Berlin

  tallystick export -o sales.csv --filter name=purchase --filter 'properties.amount>100' --url http://127.0.0.1:8000

--since and --until take a date, an ISO 8601 time, or a span such as 24h or 7d. A filter is field=value, with = !=
> < or ~ (contains), or field:op:value with op one of = != in contains has > < set not_set; all of them must hold. In
CSV a cell that a spreadsheet would take for a formula gets an apostrophe in front. What `export` writes as NDJSON or
Parquet, `import` reads.

  tallystick export --user ann --site shop -o ann.zip

A .zip file has everything about one person of one site: the events, the dead letters, the ids and what joined them.
""")


def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. Default: standard output.")
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: the format of the file's ending, else ndjson.")
    ] = None,
    site: Annotated[str, typer.Option("--site", help="The site; * is every site.")] = EVERY_SITE,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Event time, included.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Event time, excluded.")] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="IANA name of the zone of --since and --until.")
    ] = "UTC",
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Only this user's events.")] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="TEST", help="Only events that pass; repeatable.")
    ] = None,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """Write events to a file or to standard output, oldest first."""
    options.refuse_url_with_data(url, data)
    kind = format_ or _format_of(output)
    if kind == "zip":
        if user is None or since or until or filters:
            raise ConfigError("a ZIP file has everything about one person: give --user, and no time and no --filter")
        person = {"user_id": user, "site_id": DEFAULT_SITE if site == EVERY_SITE else site}
        _export_person(person, output, url, data, key_file)
        return
    given: dict[str, Any] = {
        "format": kind,
        "site_id": site,
        "since": since,
        "until": until,
        "timezone": timezone,
        "user_id": user,
        "filter": [condition(text) for text in filters or ()],
    }
    params: ExportParams = understood(ExportParams, {name: value for name, value in given.items() if value is not None})
    params.query(datetime.now(UTC))  # an invalid argument is reported before any file is touched
    settings = options.load_settings(data=data, key_file=key_file)
    url = options.server_of(url, data, settings)
    source = _from_folder(params, settings) if url is None else _from_server(params, url, settings)
    with _target(output, kind) as file:
        size = asyncio.run(_write(source, file))
    if output is not None:
        console.err.print(f"{size:,} bytes in {escape(str(output))}")


def _export_person(
    person: dict[str, str], output: Path | None, url: str | None, data: Path | None, key_file: str | None
) -> None:
    """Write everything about a person."""
    settings = options.load_settings(data=data, key_file=key_file)
    chosen = options.server_of(url, data, settings)
    with _target(output, "zip") as file:
        size = asyncio.run(_write(_person_data(person, chosen, settings), file))
    if output is not None:
        console.err.print(f"{size:,} bytes in {escape(str(output))}")


async def _person_data(person: dict[str, str], url: str | None, settings: Settings) -> AsyncGenerator[bytes, None]:
    async with server_or_folder(url, settings) as server:
        async with aclosing(server.stream("/v1/person-data", list(person.items()))) as pieces:
            async for piece in pieces:
                yield piece


def _format_of(output: Path | None) -> Format:
    endings: dict[str, Format] = {
        ".csv": "csv",
        ".parquet": "parquet",
        ".ndjson": "ndjson",
        ".jsonl": "ndjson",
        ".zip": "zip",
    }
    if output is None:
        return "ndjson"
    if output.suffix.lower() not in endings:
        raise ConfigError(f"{output}: its ending is not that of a format: add --format ndjson, csv, parquet or zip")
    return endings[output.suffix.lower()]


@contextmanager
def _target(output: Path | None, kind: Format) -> Iterator[IO[bytes]]:
    """The file to write to. It gets its name only when it is complete."""
    if output is None:
        if kind in ("parquet", "zip") and sys.stdout.isatty():
            raise ConfigError(f"a terminal cannot show this format: add --output events.{kind}")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, output)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


async def _write(source: AsyncGenerator[bytes, None], file: IO[bytes]) -> int:
    size = 0
    with console.waiting("exporting"):
        # `aclosing` closes the generators from the inside out, so that the store is closed last.
        async with aclosing(source) as pieces:
            async for piece in pieces:
                size += len(piece)
                await asyncio.to_thread(file.write, piece)
    return size


async def _from_server(params: ExportParams, url: str, settings: Settings) -> AsyncGenerator[bytes, None]:
    fields = params.model_dump(exclude={"filter"}, exclude_none=True)
    pairs = [(name, str(value)) for name, value in fields.items()] + [("filter", text) for text in params.filter]
    async with ServerClient(url, key=settings.client_key()) as server:
        async with aclosing(server.stream("/v1/export", pairs)) as pieces:
            async for piece in pieces:
                yield piece


async def _from_folder(params: ExportParams, settings: Settings) -> AsyncGenerator[bytes, None]:
    query = params.query(datetime.now(UTC))
    async with open_store(settings) as store:
        async with aclosing(store.export(query)) as lines:
            if params.format == "parquet":
                async with aclosing(_parquet(lines)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            as_csv = params.format in ("csv", "excel")
            if as_csv:
                yield csv_header(params.format == "excel")
            async for piece in lines:
                yield await asyncio.to_thread(csv_events, piece) if as_csv else piece


async def _parquet(lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Parquet has its index at the end, so the lines are collected in a temporary file first."""
    with tempfile.TemporaryDirectory(prefix="tallystick-export-") as folder:
        collected, made = Path(folder) / "events.ndjson", Path(folder) / "events.parquet"
        with collected.open("wb") as file:
            async for piece in lines:
                await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(write_parquet, collected, made)
        collected.unlink()
        with made.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, 1 << 20):
                yield piece
