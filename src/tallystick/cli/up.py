"""`tallystick up` starts the server, `tallystick migrate` brings the store's schema up to date."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.processes import HostOption, PortOption, run
from tallystick.config import Settings, shown_url
from tallystick.errors import TallystickError
from tallystick.invocation import invocation

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
    from tallystick.access import closed_rights
    from tallystick.api.routes import dashboard
    from tallystick.ingest import snippet

    keys = settings.access_keys()
    made: frozenset[str] = frozenset()
    with suppress(TallystickError):  # a database of keys that cannot be reached stops no server
        made = closed_rights(settings)
    guarded = (keys.write or "write" in made, keys.read or "read" in made)
    write, read = (" -H 'X-API-Key: …'" if needed else "" for needed in guarded)
    look = f"{url} in a browser; the API is described on {url}/docs"
    if not (dashboard.BUILT / "index.html").is_file():
        look = f"the dashboard is not built: {url} says why"
    tag = f'<script defer src="{url}{settings.snippet_path}"></script>'
    if not snippet.BUILT.is_file():
        tag = f"the script for them is not built: {url}{settings.snippet_path} says why"
    return f"""Tallystick is ready on {url} ({_storage(settings)})

  send an event   curl {url}/v1/events{write} -d '{{"name":"page_view","user_id":"u1","path":"/"}}'
  ask             curl{read} '{url}/v1/events?limit=5'
  look            {look}
  try             {invocation()} demo --days 30 --url {url}
  web pages       {tag}
  enrichment      {_enrichment(settings)}

  Ctrl-C stops it; accepted events are kept."""


_STEPS = {
    "page": "path and campaign",
    "agent": "browser, system and bot",
    "visitor": "a visitor's id of the day",
    "country": "country",
    "address": "truncated address",
}


def _enrichment(settings: Settings) -> str:
    """What is added to the events that browsers send."""
    on = [text for step, text in _STEPS.items() if settings.enrichment[step] != "false"]
    country = "" if settings.enrich_country_file else "; TALLYSTICK_ENRICH_COUNTRY_FILE adds the country"
    return f"browsers' events get {', '.join(on)}{country}" if on else "off"


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


def migrate(data: options.StoppedDataOption = None, as_json: options.JsonOption = False) -> None:
    """Bring the store's schema up to date.

    `up`, `work` and `serve` do this at their start, too. Run it by itself before the first start after an upgrade.
    """
    asyncio.run(_migrate(options.load_settings(data=data), as_json))


async def _migrate(settings: Settings, as_json: bool) -> None:
    from tallystick.cli.target import open_store

    with console.waiting("opening the store and changing its schema"):
        async with open_store(settings) as store:
            schema = await store.migrate()
    if as_json:
        console.show_json({"schema": schema})
        return
    where = f"store {shown_url(settings.store_url)}" if settings.store_url else f"store in {settings.data}"
    console.out.print(escape(f"the {where} has schema version {schema}"))
