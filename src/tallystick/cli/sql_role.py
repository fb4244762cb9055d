"""`tallystick sql-role`: the SQL that makes the role which users' own statements run as, on PostgreSQL."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import quote, urlsplit

import typer

from tallystick.cli import console, options
from tallystick.config import Settings
from tallystick.errors import ConfigError

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick sql-role | psql --set ON_ERROR_STOP=1 --dbname postgresql://postgres@localhost/tallystick

  TALLYSTICK_SQL_URL=postgresql://asker:PASSWORD@localhost/tallystick tallystick sql-role | sudo -u postgres psql tallystick

A superuser runs it in the store's database, before TALLYSTICK_SQL is switched on. Nothing is connected to here, and the
password is only on standard error, as the setting to start with. docs/use/sql.md says what the role may do.
""")
SCHEMES = ("postgresql", "postgres")


def sql_role(
    schema: Annotated[str, typer.Option("--schema", help="Where the store's tables are.")] = "public",
) -> None:
    """Print the SQL that makes the role which statements run as, and the setting that names it (PostgreSQL)."""
    from tallystick.store.postgres.role import ROLE, named_in, setup

    settings = options.load_settings()
    given, known = named_in(settings.sql_url)
    if settings.sql_url and not known:
        raise ConfigError("TALLYSTICK_SQL_URL: it has no password; unset it, and one is made")
    if not known.isascii() or not known.isprintable():
        raise ConfigError("TALLYSTICK_SQL_URL: the password has to be of ASCII characters")
    role, password = given or ROLE, known or secrets.token_urlsafe(24)
    url = settings.sql_url or _url(settings, role, password)
    title = "For a superuser to run in Tallystick's database."
    typer.echo(setup(role, password, schema, settings, title), nl=False)
    if not settings.sql_url:
        console.err.print(
            f"-- then start with TALLYSTICK_SQL=true TALLYSTICK_SQL_URL={url}", markup=False, soft_wrap=True
        )


def _url(settings: Settings, role: str, password: str) -> str:
    """The store's URL as the role."""
    parts = urlsplit(settings.store_url or "postgresql://localhost:5432/tallystick")
    if parts.scheme not in SCHEMES:
        raise ConfigError(
            "TALLYSTICK_STORE_URL: only a store on PostgreSQL needs a role; DuckDB runs statements without"
        )
    server = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{server}").geturl()
