"""`tallystick keys`: keys that are made, limited and revoked while a server runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.access.opening import NOTICED, DataOption, show_rows, with_accounts
from tallystick.model.event import DEFAULT_SITE

app = typer.Typer(
    help="Keys made while the server runs: create, list, quota, revoke.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

EventsOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--events-per-second",
        min=0,
        metavar="N",
        help="Events a second that may be sent with a write key; 0: any number. Default: TALLYSTICK_QUOTA_KEY_EVENTS.",
    ),
]
BytesOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--bytes-per-second",
        min=0,
        metavar="N",
        help="The same in bytes of events as they are queued. Default: TALLYSTICK_QUOTA_KEY_BYTES.",
    ),
]

CREATE_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick keys create write --site shop --name 'web page' --origin https://shop.example

  tallystick keys create read --site shop --site blog --right sql --right export

  tallystick keys create admin --name 'terraform'

  tallystick keys create write --site shop --events-per-second 50

`tallystick sites add` makes a site known first. The first write key closes writing, the first read key, admin key or
account closes reading to all who have none, on loopback too; that stays so when the key is revoked.
""")


@app.command("create", epilog=CREATE_EPILOG)
def create(
    kind: Annotated[Literal["write", "read", "admin"], typer.Argument(metavar="write|read|admin", help="What it is.")],
    site: Annotated[
        list[str] | None,
        typer.Option("--site", metavar="SITE", help=f"A site of the key; * is every site. Default: {DEFAULT_SITE}."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What it is for.")] = "",
    right: Annotated[
        list[str] | None,
        typer.Option(
            "--right", metavar="edit|sql|export|erase", help="What a read key may do beside reading; several times."
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="ORIGIN", help="The only web origins that may use a write key."),
    ] = None,
    events_per_second: EventsOption = None,
    bytes_per_second: BytesOption = None,
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Make a key. It is printed once and not stored."""
    from tallystick.access.accounts import RIGHTS, Accounts
    from tallystick.access.model import COMMAND, Key
    from tallystick.errors import ConfigError

    if unknown := set(right or ()) - set(RIGHTS):
        raise ConfigError(f"--right {min(unknown)}: there are {', '.join(RIGHTS)}")
    rights = [one for one in RIGHTS if one in (right or ())]
    sites = site or ([] if kind == "admin" else [DEFAULT_SITE])

    async def make(accounts: Accounts) -> tuple[Key, str]:
        if DEFAULT_SITE in sites and DEFAULT_SITE not in {one.site_id for one in accounts.directory.sites}:
            await accounts.add_site(DEFAULT_SITE, "", COMMAND)
        return await accounts.create_key(
            kind,
            name,
            sites,
            rights,
            origin or [],
            COMMAND,
            events_per_second=events_per_second,
            bytes_per_second=bytes_per_second,
        )

    key, token = with_accounts(data, make)
    if as_json:
        console.show_json({**_fields(key), "key": token})
        return
    typer.echo(f"key   {token}")
    typer.echo(f"id    {key.id}")
    if kind == "write" and "*" in key.sites:
        console.err.print(
            "[yellow]this key may write to every site: do not put it into a web page, where everyone can read it[/]"
        )


@app.command("list", epilog="[bold]Example[/bold]\n\n  tallystick keys list --json")
def list_(data: DataOption = None, as_json: options.JsonOption = False) -> None:
    """List the keys that were made so, revoked ones included. Keys of the settings are not among them."""
    from tallystick.access.accounts import Accounts
    from tallystick.access.model import Key

    async def keys(accounts: Accounts) -> list[Key]:
        return accounts.directory.keys

    found = with_accounts(data, keys)
    if as_json:
        console.show_json({"keys": [_fields(key) for key in found]})
        return
    rows: list[tuple[object, ...]] = [
        (
            key.id,
            key.hint,
            key.kind if not key.rights else f"{key.kind}, {', '.join(key.rights)}",
            ", ".join(key.sites),
            key.name,
            _quota(key),
            "revoked" if key.revoked_at else _when(key.last_used_at),
        )
        for key in found
    ]
    show_rows(("id", "key", "kind", "sites", "name", "quota", "last used"), rows)


@app.command(
    "quota",
    epilog="[bold]Examples[/bold]\n\n  tallystick keys quota k0123456789ab --events-per-second 50\n\n"
    "  tallystick keys quota k0123456789ab --default",
)
def quota(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `tallystick keys list` shows it.")],
    events_per_second: EventsOption = None,
    bytes_per_second: BytesOption = None,
    default: Annotated[
        bool, typer.Option("--default", help="What is not named here is what the settings say again.")
    ] = False,
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Change what a write key may send a second. What is not named stays as it is."""
    from tallystick.access.accounts import Accounts
    from tallystick.access.model import COMMAND, Key
    from tallystick.errors import ConfigError

    if events_per_second is None and bytes_per_second is None and not default:
        raise ConfigError("name --events-per-second, --bytes-per-second or --default")

    async def change(accounts: Accounts) -> Key:
        held = next((key for key in accounts.directory.keys if key.id == key_id and not default), None)
        events = held.events_per_second if held and events_per_second is None else events_per_second
        size = held.bytes_per_second if held and bytes_per_second is None else bytes_per_second
        return await accounts.set_quota(key_id, events, size, COMMAND)

    key = with_accounts(data, change)
    if as_json:
        console.show_json(_fields(key))
    else:
        console.out.print(f"{escape(key_id)}: {_quota(key) or 'the quota of the settings'}; {NOTICED}")


@app.command("revoke", epilog="[bold]Example[/bold]\n\n  tallystick keys revoke k0123456789ab")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `tallystick keys list` shows it.")],
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Revoke a key for ever."""
    from tallystick.access.model import COMMAND

    with_accounts(data, lambda accounts: accounts.revoke_key(key_id, COMMAND))
    if as_json:
        console.show_json({"revoked": key_id})
    else:
        console.out.print(f"{escape(key_id)}: revoked; {NOTICED}")


def _fields(key: Any) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(key)
    return fields


def _quota(key: Any) -> str:
    rates = ((key.events_per_second, "events/s"), (key.bytes_per_second, "bytes/s"))
    return ", ".join(f"{rate:,} {what}" if rate else f"any {what}" for rate, what in rates if rate is not None)


def _when(at: Any) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"
