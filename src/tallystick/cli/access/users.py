"""`tallystick users` and `tallystick audit`: accounts, and who changed what."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.cli.access.opening import NOTICED, DataOption, address_of, show_rows, with_accounts
from tallystick.errors import ConfigError

if TYPE_CHECKING:
    from tallystick.access.accounts import Accounts
    from tallystick.access.model import AuditEntry, SiteRole, User

app = typer.Typer(
    help="Accounts of persons who log in: add, list, remove, roles, a link for a new password.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

ADD_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick users add ann@example.org --admin

  tallystick users add bob@example.org --role shop=editor --role blog=viewer

Prints a link with which the person sets a password; it is valid once, for seven days. With --password-stdin the account
is made at once, with the password from standard input.
""")
AUDIT_EPILOG = console.paragraphs("""
[bold]Example[/bold]

  tallystick audit --limit 20
""")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address of the account.")]


@app.command("add", epilog=ADD_EPILOG)
def add(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="An administrator: everything on every site.")] = False,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="SITE=ROLE", help="A role on a site: owner, editor or viewer; several times."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="The person's name.")] = "",
    from_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, instead of a link.")
    ] = False,
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Invite a person by link, or make the account at once."""
    from tallystick.access.model import COMMAND

    roles = [_role(text) for text in role or ()]
    if not admin and not roles:
        raise ConfigError("name a --role, or --admin")
    if from_stdin:
        password = _password()
        made = with_accounts(data, lambda accounts: accounts.add_user(email, name, password, admin, roles, COMMAND))
        if as_json:
            console.show_json({"email": made.email, "id": made.id})
        else:
            console.out.print(f"{escape(made.email)}: may log in; {NOTICED}")
        return
    _, token = with_accounts(data, lambda accounts: accounts.invitations.invite(email, admin, roles, COMMAND))
    _show_link(token, data, as_json, "seven days")


@app.command("list", epilog="[bold]Example[/bold]\n\n  tallystick users list")
def list_(data: DataOption = None, as_json: options.JsonOption = False) -> None:
    """List the accounts with their roles."""

    async def users(accounts: Accounts) -> list[User]:
        return accounts.directory.users

    found = with_accounts(data, users)
    if as_json:
        import msgspec

        console.show_json({"users": msgspec.to_builtins(found)})
        return
    rows: list[tuple[object, ...]] = [
        (
            user.email,
            user.name,
            "administrator" if user.admin else ", ".join(f"{held.site_id}={held.role.value}" for held in user.roles),
            "never" if user.last_login_at is None else f"{user.last_login_at:%Y-%m-%d %H:%M}",
        )
        for user in found
    ]
    show_rows(("email", "name", "roles", "last login"), rows)


@app.command("remove", epilog="[bold]Example[/bold]\n\n  tallystick users remove bob@example.org")
def remove(email: Email, data: DataOption = None, as_json: options.JsonOption = False) -> None:
    """Remove an account and end its logins."""
    from tallystick.access.model import COMMAND

    async def removed(accounts: Accounts) -> None:
        await accounts.remove_user(accounts.user_of_email(email).id, COMMAND)

    with_accounts(data, removed)
    if as_json:
        console.show_json({"removed": email})
    else:
        console.out.print(f"{escape(email)}: removed; {NOTICED}")


@app.command("role", epilog="[bold]Example[/bold]\n\n  tallystick users role bob@example.org shop=owner")
def role(
    email: Email,
    role: Annotated[
        str, typer.Argument(metavar="SITE=ROLE", help="owner, editor or viewer on the site; none takes the role.")
    ],
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Give, change or take a role on a site."""
    from tallystick.access.model import COMMAND

    site, _, word = role.rpartition("=")
    wanted = None if word == "none" else _role(role).role

    async def changed(accounts: Accounts) -> User:
        return await accounts.set_role(accounts.user_of_email(email).id, site, wanted, COMMAND)

    user = with_accounts(data, changed)
    if as_json:
        console.show_json({"email": user.email, "roles": {held.site_id: held.role.value for held in user.roles}})
    else:
        console.out.print(f"{escape(user.email)}: {escape(site)}={word}; {NOTICED}")


@app.command("reset-password", epilog="[bold]Example[/bold]\n\n  tallystick users reset-password ann@example.org")
def reset_password(email: Email, data: DataOption = None, as_json: options.JsonOption = False) -> None:
    """Print a link with which a person sets a new password; it is valid once, for a day."""
    from tallystick.access.model import COMMAND

    async def link(accounts: Accounts) -> str:
        return (await accounts.invitations.reset_password(accounts.user_of_email(email), COMMAND))[1]

    _show_link(with_accounts(data, link), data, as_json, "a day")


def audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show at most.")] = 100,
    data: DataOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show who changed sites, keys and accounts, the newest first."""

    async def entries(accounts: Accounts) -> list[AuditEntry]:
        return await accounts.audit(limit, None, None)

    found = with_accounts(data, entries)
    if as_json:
        import msgspec

        console.show_json({"entries": msgspec.to_builtins(found)})
        return
    rows: list[tuple[object, ...]] = [
        (f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.subject, one.site_id, one.address, _said(one))
        for one in found
    ]
    show_rows(("at (UTC)", "who", "what", "of", "site", "from", "details"), rows)


def _password() -> str:
    """The password that a pipe gives, or that is typed unseen on a terminal."""
    if sys.stdin.isatty():
        return getpass("password: ")
    return sys.stdin.readline().removesuffix("\n").removesuffix("\r")


def _said(entry: AuditEntry) -> str:
    return ", ".join(f"{name} {_words(value)}" for name, value in entry.details.items() if value not in ("", [], {}))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={inner}" for name, inner in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value).lower()


def _role(text: str) -> SiteRole:
    from tallystick.access.model import Role, SiteRole

    site, separator, word = text.rpartition("=")
    if not separator or not site or word not in {role.value for role in Role}:
        raise ConfigError(f"{text}: write SITE=ROLE; the roles are {', '.join(role.value for role in Role)}")
    return SiteRole(site, Role(word))


def _show_link(token: str, data: Any, as_json: bool, lasts: str) -> None:
    from tallystick.access.invitations import page_of

    settings = options.load_settings(data=data)
    url = address_of(settings) + page_of(token)
    if as_json:
        console.show_json({"url": url})
    else:
        typer.echo(url)
        does = "who has it sets the password" if settings.password_login else "the person logs in with the provider"
        console.err.print(f"the link is valid once, for {lasts}; {does}", markup=False)
