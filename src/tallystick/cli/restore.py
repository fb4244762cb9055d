"""`tallystick restore`: a data folder out of a backup, verified before it gets its name."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
import typer
from rich.markup import escape

from tallystick.access import make_access_store
from tallystick.access.secret import find_secret
from tallystick.backup.archive import ACCESS, About, BadArchive, Reader, opened, sync_folder
from tallystick.cli import console, options
from tallystick.cli.backup import progress
from tallystick.cli.target import stopped_server
from tallystick.config import Settings, shown_url
from tallystick.disk import free_bytes
from tallystick.errors import ConfigError
from tallystick.model.status import Verification
from tallystick.store import file_schema

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick restore /backups/tallystick-20261130T020000Z.tar.zst --data /var/lib/tallystick

The folder must be empty, or not be there. It gets its name when all files are what was written, the store is brought up
to this version's schema, and the books were checked as `tallystick verify` does. Start the server on it afterwards.

Exit code: 0 restored, and the books close as they did, 1 restored, and something differs (each difference is printed),
2 nothing was restored.
""")


Secrets: TypeAlias = Literal["restored", "matches", "missing", "another"]


class Restored(msgspec.Struct, frozen=True):
    """What was restored.

    Attributes:
        schema: of the store now; `about.schema` is that of the backup.
        found: the check of the restored folder.
        access: rows of each table of keys and accounts there; None: the backup has none.
        secret: of the secret that made these: `restored`, `matches` (that of the settings does), `missing`, `another`.
        ok: whether it found nothing, and the books are those of the backup.
    """

    folder: str
    about: About
    schema: int
    found: Verification
    access: Mapping[str, int] | None
    secret: Secrets | None
    ok: bool


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `tallystick backup` wrote.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="The new folder. Default: TALLYSTICK_DATA, else ./tallystick-data."
        ),
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Make a data folder out of a backup, and verify it."""
    settings = options.load_settings(data=data)
    options.quiet_logs(settings)
    folder = settings.data_folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty: name another folder with --data, or move it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.restoring")
    shutil.rmtree(part, ignore_errors=True)  # of a restore that was killed
    try:
        with opened(file) as archive:
            _check(archive, file, folder.parent)
            part.mkdir(mode=0o700)
            with progress("writing") as told:
                archive.read(part, lambda done: told(done, archive.about.bytes))
        about = archive.about
        embedded = {"queue_url": "", "store_url": "", "access_url": ""}
        own = settings.model_copy(update={"data": part, "disk_reserve_bytes": 0, **embedded})
        access, secret = asyncio.run(_access(own)) if (part / ACCESS).exists() else (None, None)
        with console.waiting("counting every event"):
            found = asyncio.run(_verify(own))
        for name in (part, folder.parent):
            sync_folder(name)
        part.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    ok = found.ok and _books_of(found) == _books_of(about) and access == about.access
    done = Restored(str(folder), about, file_schema(), found, access, secret, ok)
    if as_json:
        console.show_json(msgspec.to_builtins(done, enc_hook=lambda found: found.model_dump(mode="json")))
    else:
        _show(done, settings)
    if not done.ok:
        raise typer.Exit(console.EXIT_DIFFERENCE)


def _check(archive: Reader, file: Path, folder: Path) -> None:
    """Raises BadArchive, ConfigError: this version cannot read it, or there is no room for it."""
    about = archive.about
    if about.schema > file_schema():
        raise BadArchive(
            f"{file}: it was made by Tallystick {about.versions.get('tallystick', '?')} and has schema {about.schema}; "
            f"this Tallystick knows {file_schema()}: upgrade Tallystick"
        )
    if about.bytes > (free := free_bytes(folder)):
        raise ConfigError(f"{folder} has {free:,} bytes free; the backup needs {about.bytes:,}")


async def _verify(settings: Settings) -> Verification:
    """Open queue and store, which checks both and migrates the store, and count everything."""
    async with stopped_server(settings) as server:
        return Verification.model_validate(await server.get("/v1/verify"))


async def _access(settings: Settings) -> tuple[dict[str, int], Secrets]:
    """What there is of keys and accounts, and whether the secret that made them is there.

    Raises:
        Unavailable: the file cannot be read.
    """
    store = make_access_store(settings)
    await store.open()
    try:
        data = await store.dump()
    finally:
        await store.close()
    secret = find_secret(settings)
    if secret is None:
        return data.counts, "missing"
    if secret.proof != data.proof:
        return data.counts, "another"
    return data.counts, "matches" if settings.access_secret.get_secret_value() else "restored"


COLUMNS = ("accepted", "stored", "duplicates", "dead", "queued")


def _books_of(found: Verification | About) -> tuple[int, ...]:
    books = found.ledger if isinstance(found, Verification) else found.books
    return tuple(getattr(books, column) for column in COLUMNS)


def _show(done: Restored, settings: Settings) -> None:
    say = console.out.print
    books = console.new_table("events")
    for column in ("", *COLUMNS):
        books.add_column(column, justify="right" if column else "left")
    for name, found in (("backup", done.about), ("restored", done.found)):
        books.add_row(name, *(f"{number:,}" for number in _books_of(found)))
    console.for_tables().print(books)
    if done.about.schema != done.schema:
        say(f"the store was brought from schema {done.about.schema} to {done.schema}")
    if done.access is not None:
        _show_access(done.access, done.secret, settings)
    if done.access != done.about.access:
        say(f"[red]differs:[/] keys and accounts: the backup had {done.about.access}, there is {done.access}")
    for difference in done.found.differences:
        say(f"[red]differs:[/] {escape(difference.check)}: {escape(difference.message)}")
    if done.ok:
        at = f"{done.about.created_at:%Y-%m-%d %H:%M:%S} UTC"
        say(escape(f"{done.folder} is restored: the books close as they did at {at}"))
    else:
        say(escape(f"{done.folder} is restored as far as the backup has it"))


def _show_access(access: Mapping[str, int], secret: Secrets | None, settings: Settings) -> None:
    """Keys and accounts, and what keeps them from being used."""
    say = console.out.print
    counted = ", ".join(f"{access[table]:,} {table}" for table in ("sites", "keys", "users"))
    say(f"keys and accounts: {counted}; logins are not in a backup, so everybody logs in again")
    if secret in ("missing", "another"):
        say(
            "[yellow]no key or link of the backup is valid until the server has the TALLYSTICK_ACCESS_SECRET with "
            "which they were made; without it, or with another one, it does not start[/]"
        )
    if settings.access_url:
        where = escape(shown_url(settings.access_url))
        say(f"[yellow]TALLYSTICK_ACCESS_URL names {where}: a server uses that, and not what was restored[/]")
