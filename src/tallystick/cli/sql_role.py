"""`tallystick sql-role`: prints the SQL that creates the store's role or user which runs the statements of users."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

import typer

from tallystick.cli import console, options
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.extras import needed_for

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick sql-role | psql --set ON_ERROR_STOP=1 --dbname postgresql://postgres@localhost/tallystick

  export TALLYSTICK_SQL_URL=postgresql://asker:PASSWORD@localhost/tallystick

  tallystick sql-role | sudo -u postgres psql tallystick

  TALLYSTICK_STORE_URL=clickhouse://localhost/tallystick tallystick sql-role | clickhouse-client --multiquery

A superuser runs the SQL in the store's database before TALLYSTICK_SQL is switched on. This command connects to nothing.
The password is printed to standard error only, within the setting to start with. docs/use/sql.md says what the role
may do.
""")
POSTGRES, CLICKHOUSE = ("postgresql", "postgres"), ("clickhouse", "clickhouses")


def sql_role(
    schema: Annotated[str, typer.Option("--schema", help="PostgreSQL: schema of the store's tables.")] = "public",
    xml: Annotated[bool, typer.Option("--xml", help="ClickHouse: a file for users.d instead of SQL.")] = False,
) -> None:
    """Print the SQL that creates the role which runs users' statements on PostgreSQL or ClickHouse."""
    from tallystick.store.postgres.role import ROLE, named_in

    settings = options.load_settings()
    given, known = named_in(settings.sql_url)
    if settings.sql_url and not known:
        raise ConfigError("TALLYSTICK_SQL_URL: it has no password; unset it, and one is generated")
    if not known.isascii() or not known.isprintable():
        raise ConfigError("TALLYSTICK_SQL_URL: the password may have ASCII characters only")
    role, password = given or ROLE, known or secrets.token_urlsafe(24)
    url = settings.sql_url or _url(settings, role, password)
    typer.echo(_setup(role, password, schema, settings, url, xml=xml), nl=False)
    if not settings.sql_url:
        console.err.print(
            f"-- then start with TALLYSTICK_SQL=true TALLYSTICK_SQL_URL={url}", markup=False, soft_wrap=True
        )


def _setup(role: str, password: str, schema: str, settings: Settings, url: str, *, xml: bool) -> str:
    if urlsplit(url).scheme in CLICKHOUSE:
        with needed_for("TALLYSTICK_STORE_URL: clickhouse://"):
            from tallystick.store.clickhouse import role as clickhouse

        if xml:
            return clickhouse.setup_xml(role, password, unquote(urlsplit(url).path.strip("/")), settings)
        title = "For an administrator of ClickHouse to run; of a cluster, on the first server of the URL."
        database = unquote(urlsplit(url).path.strip("/"))
        return clickhouse.setup(role, password, database, settings, title)
    from tallystick.store.postgres import role as postgres

    if xml:
        raise ConfigError("--xml is for a store on ClickHouse only")
    return postgres.setup(role, password, schema, settings, "For a superuser to run in Tallystick's database.")


def _url(settings: Settings, role: str, password: str) -> str:
    """The store's URL with this role and password."""
    parts = urlsplit(settings.store_url or "postgresql://localhost:5432/tallystick")
    if parts.scheme not in (*POSTGRES, *CLICKHOUSE):
        raise ConfigError(
            "TALLYSTICK_STORE_URL: only a store on PostgreSQL or ClickHouse needs a role; DuckDB does not"
        )
    server = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{server}").geturl()
