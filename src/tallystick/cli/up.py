"""`tallystick up` starts the server, `tallystick migrate` brings the store's schema up to date."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.processes import HostOption, PortOption, run
from tallystick.config import Settings, shown_url

UP_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick up

  tallystick up --port 9000 --data /var/lib/tallystick

Every setting is an environment variable too (docs/run/configuration.md): TALLYSTICK_PORT=9000 tallystick up
""")
MIGRATE_EPILOG = console.paragraphs("""
[bold]Example[/bold]

  tallystick migrate --data /var/lib/tallystick
""")


def banner(settings: Settings, url: str) -> str:
    """The text that the terminal shows when the server is ready: a command that sends an event, and where to look."""
    keys = settings.access_keys()
    write, read = (" -H 'X-API-Key: …'" if guarded else "" for guarded in (keys.write, keys.read))
    return f"""Tallystick is ready on {url} ({_storage(settings)})

  send an event   curl {url}/v1/events{write} -d '{{"name":"page_view","user_id":"u1","path":"/"}}'
  ask             curl{read} '{url}/v1/events?limit=5'
  look            {url} in a browser; the API is described on {url}/docs
  try             tallystick demo --url {url}

  Ctrl-C stops it; accepted events are kept."""


def _storage(settings: Settings) -> str:
    """Where queue and store are: the data folder, unless a URL says otherwise."""
    given = {"queue": settings.queue_url, "store": settings.store_url}
    named = [f"{part} {shown_url(url)}" for part, url in given.items() if url]
    if len(named) < len(given):
        named.append(f"data in {settings.data.resolve()}")
    return ", ".join(named)


def up(
    host: HostOption = None,
    port: PortOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the embedded queue and store, made when missing (TALLYSTICK_DATA, else ./tallystick-data).",
        ),
    ] = None,
) -> None:
    """Start the server: ingest, queue, worker, store and query API in one process."""
    from tallystick.app import Role

    settings = options.load_settings(host=host, port=port, data=data)
    run(settings, Role.UP, lambda url: console.out.print(escape(banner(settings, url))))


def migrate(data: options.DataOption = None) -> None:
    """Bring the store's schema up to date.

    `up`, `work` and `serve` do this at their start, too. Run it by itself before the first start after an upgrade.
    """
    asyncio.run(_migrate(options.load_settings(data=data)))


async def _migrate(settings: Settings) -> None:
    from tallystick.cli.target import open_store

    async with open_store(settings) as store:
        schema = await store.migrate()
    where = f"store {shown_url(settings.store_url)}" if settings.store_url else f"store in {settings.data}"
    console.out.print(escape(f"the {where} has schema version {schema}"))
