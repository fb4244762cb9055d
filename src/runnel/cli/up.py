"""`runnel up` starts the server, `runnel migrate` brings the store's schema up to date."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from runnel.cli import console
from runnel.config import Settings

UP_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  runnel up

  runnel up --port 9000 --data /var/lib/runnel

Every setting is an environment variable too (docs/configuration.md): RUNNEL_PORT=9000 runnel up
""")
MIGRATE_EPILOG = console.paragraphs("""
[bold]Example[/bold]

  runnel migrate --data /var/lib/runnel
""")


def banner(settings: Settings, url: str) -> str:
    """What a person sees when the server is ready: where to send an event (ready to paste) and where to look."""
    return f"""Runnel is ready on {url} (data in {settings.data.resolve()})

  send an event   curl {url}/v1/events -d '{{"name":"page_view","user_id":"u1","path":"/"}}'
  ask             curl '{url}/v1/events?limit=5'
  look            {url}/docs
  try             runnel demo --url {url}

  Ctrl-C stops it; events that were accepted stay."""


def up(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on (RUNNEL_HOST, else 127.0.0.1).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one (RUNNEL_PORT, else 8000)."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where queue and store live; made when absent (RUNNEL_DATA, else ./runnel-data)."
        ),
    ] = None,
) -> None:
    """Start the server: ingest, queue, worker, store and query API in one process."""
    from runnel import app, logs

    settings = console.load_settings(host=host, port=port, data=data)
    logs.configure(settings)
    app.serve(settings, lambda url: console.out.print(escape(banner(settings, url))))


def migrate(data: console.DataOption = None) -> None:
    """Bring the store's schema up to date. `up` does this too; run it by itself before an upgrade's first start."""
    asyncio.run(_migrate(console.load_settings(data=data)))


async def _migrate(settings: Settings) -> None:
    from runnel.cli.folder import open_store

    async with open_store(settings) as store:
        schema = await store.migrate()
    console.out.print(f"the store in {escape(str(settings.data))} has schema version {schema}")
