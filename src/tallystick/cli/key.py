"""`tallystick key`: a random key, and the line of the server's environment that lets it in."""

from __future__ import annotations

from typing import Annotated

import typer

from tallystick.cli import console
from tallystick.errors import ConfigError
from tallystick.keys import EVERY_SITE, HASHED, SITE_MAX, Right, digest_of, new_key
from tallystick.model.event import DEFAULT_SITE

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick key write

  tallystick key write --site shop

  tallystick key read --site '*'

The key goes to the client, the setting to the server, beside those it has, between them a blank. The server needs only
the hash; nobody can get the key back from it. docs/use/http-api.md says under Keys how a client sends it.
""")


def key(
    right: Annotated[Right, typer.Argument(metavar="write|read", help="What it allows: to send events, or to ask.")],
    site: Annotated[
        str, typer.Option("--site", metavar="SITE", help="The site that it is for; * is every site.")
    ] = DEFAULT_SITE,
) -> None:
    """Make a random key. It is printed once and kept nowhere."""
    if not site or len(site) > SITE_MAX or any(c in "=,'" or c.isspace() for c in site):
        raise ConfigError(f"--site: a site with a key has 1 to {SITE_MAX} characters, none of them = , ' or a blank")
    made = new_key(right)
    digest = f"{HASHED}{digest_of(made).hex()}"
    typer.echo(f"key      {made}")
    typer.echo(f"hash     {digest}")
    typer.echo(f"setting  TALLYSTICK_{right.upper()}_KEYS='{site}={digest}'")
    if right == "write" and site == EVERY_SITE:
        console.err.print("[yellow]it may write to every site: not for a web page, where everybody can read it[/]")
