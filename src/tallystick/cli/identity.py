"""`tallystick identity`: takes joined ids apart again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import call
from tallystick.model.event import DEFAULT_SITE
from tallystick.model.status import IdentitySplit

app = typer.Typer(help="Ids that belong to one person: take them apart.", no_args_is_help=True, rich_markup_mode="rich")

EPILOG = console.paragraphs("""
[bold]Example[/bold]

  tallystick identity split --user device-2 --url http://127.0.0.1:8000

Ids that were joined to this id go with it. Given the id that the person is called by, all ids that were joined to it
are taken apart. The joins up to now do not count any more, whenever their events arrive; a later identify or alias
event joins again.

Exit code: 0 done, 2 the id is joined to no other, or the command could not be done.
""")


@app.callback()
def identity() -> None:
    """Ids that belong to one person: take them apart."""


@app.command("split", epilog=EPILOG)
def split(
    user: Annotated[
        str, typer.Option("--user", metavar="ID", help="The id to take out of its person, as it was sent.")
    ],
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="The site of the id.")] = DEFAULT_SITE,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Take an id out of the person that it was joined to."""

    async def request(server: ServerClient) -> IdentitySplit:
        body = {"site_id": site, "user_id": user}
        return IdentitySplit.model_validate(await server.post("/v1/identity/split", body))

    found = call(url, data, key_file, request)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    console.out.print(
        f"{escape(', '.join(found.split))}: no longer joined (the person was {escape(found.person_id)}); "
        f"a join after {found.split_at:%Y-%m-%d %H:%M:%S} UTC counts again"
    )
