"""`tallystick sites`: the sites that keys and roles may name."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.access.opening import NOTICED, DataOption, show_rows, with_accounts

app = typer.Typer(
    help="Sites that keys and roles may name: add, list, remove.", no_args_is_help=True, rich_markup_mode="rich"
)

SiteArgument = Annotated[str, typer.Argument(metavar="SITE", help="The site's id, as its events have it.")]


@app.command("add", epilog="[bold]Example[/bold]\n\n  tallystick sites add shop --name 'The shop'")
def add(
    site: SiteArgument,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="A name for people.")] = "",
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Make a site known, so that keys and roles may name it."""
    from tallystick.access.model import COMMAND

    made = with_accounts(data, lambda accounts: accounts.add_site(site, name, COMMAND))
    if as_json:
        console.show_json({"site_id": made.site_id, "name": made.name, "created_at": made.created_at.isoformat()})
    else:
        console.out.print(f"{escape(made.site_id)}: keys and roles may name it")


@app.command("list", epilog="[bold]Example[/bold]\n\n  tallystick sites list --data /var/lib/tallystick")
def list_(data: DataOption = None, as_json: options.JsonOption = False) -> None:
    """List the known sites. Events of other sites are stored and shown all the same."""
    from tallystick.access.accounts import Accounts
    from tallystick.access.model import Site

    async def sites(accounts: Accounts) -> list[Site]:
        return accounts.directory.sites

    found = with_accounts(data, sites)
    if as_json:
        shown = [{"site_id": one.site_id, "name": one.name, "created_at": one.created_at.isoformat()} for one in found]
        console.show_json({"sites": shown})
    else:
        show_rows(("site", "name", "since"), [(one.site_id, one.name, f"{one.created_at:%Y-%m-%d}") for one in found])


@app.command("remove", epilog="[bold]Example[/bold]\n\n  tallystick sites remove shop")
def remove(site: SiteArgument, data: DataOption = None, as_json: options.JsonOption = False) -> None:
    """Forget a site: its keys are revoked, its roles end. Its events stay."""
    from tallystick.access.model import COMMAND

    with_accounts(data, lambda accounts: accounts.remove_site(site, COMMAND))
    if as_json:
        console.show_json({"removed": site})
    else:
        console.out.print(f"{escape(site)}: its keys are revoked and its roles ended; {NOTICED}")
