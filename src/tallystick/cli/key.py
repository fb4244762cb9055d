"""`tallystick key`: makes a random key, and the setting with which a server accepts it."""

from __future__ import annotations

from typing import Annotated

import typer

from tallystick.cli import console, options
from tallystick.errors import ConfigError
from tallystick.keys import EVERY_SITE, HASHED, SITE_MAX, Right, digest_of, new_key
from tallystick.model.event import DEFAULT_SITE

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick key write

  tallystick key write --site shop

  tallystick key read --site '*'

Give the key to the client, and add the setting's value to that of the server, separated by a space. The server needs
only the hash, from which the key cannot be computed. docs/use/http-api.md says under Keys how a client sends it.
""")


def key(
    right: Annotated[
        Right, typer.Argument(metavar="write|read", help="What the key allows: sending events, or reading.")
    ],
    site: Annotated[
        str, typer.Option("--site", metavar="SITE", help="The site of the key; * is every site.")
    ] = DEFAULT_SITE,
    as_json: options.JsonOption = False,
) -> None:
    """Make a random key. It is printed once and not stored."""
    if not site or len(site) > SITE_MAX or any(c in "=,'" or c.isspace() for c in site):
        raise ConfigError(f"--site: a site with a key has 1 to {SITE_MAX} characters, none of them = , ' or a blank")
    made = new_key(right)
    digest = f"{HASHED}{digest_of(made).hex()}"
    if as_json:
        console.show_json({"key": made, "hash": digest, "setting": f"TALLYSTICK_{right.upper()}_KEYS={site}={digest}"})
    else:
        typer.echo(f"key      {made}")
        typer.echo(f"hash     {digest}")
        typer.echo(f"setting  TALLYSTICK_{right.upper()}_KEYS='{site}={digest}'")
    if right == "write" and site == EVERY_SITE:
        console.err.print(
            "[yellow]this key may write to every site: do not put it into a web page, where everyone can read it[/]"
        )
