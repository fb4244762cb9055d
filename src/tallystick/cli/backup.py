"""`tallystick backup`: queue and store of one moment in one file, while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
import zstandard
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tallystick import queue
from tallystick.access import make_access_store, why_none
from tallystick.api.routes.health import versions
from tallystick.backup.archive import About, opened, sync_folder
from tallystick.backup.make import making
from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.target import open_store, require_folder
from tallystick.config import Settings
from tallystick.disk import free_bytes
from tallystick.errors import ConfigError

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick backup /backups --keep 7

  tallystick backup monday.tar.zst --data /var/lib/tallystick

Of a running server it is one moment: events are accepted and stored meanwhile. The file appears under its name when it
is whole and was read back; it is not encrypted. `tallystick restore` reads it. Queue and store on servers are backed up
by their own tools: docs/run/backup.md.

Exit code: 0 the file is there, 1 it is there and says that the books did not close, 2 there is no new file.
""")
LEVEL = 3
"""Of Zstandard's levels."""
NAME = "tallystick-{:%Y%m%dT%H%M%SZ}.tar.zst"
NAMED = re.compile(r"tallystick-\d{8}T\d{6}Z\.tar\.zst")
"""Names that backups get in a folder, which `--keep` may delete."""

Told = Callable[[int, int], None]
"""Is told how many bytes are done, and of how many."""


class Done(msgspec.Struct, frozen=True):
    """What was made.

    Attributes:
        bytes: of the file; `about.bytes` are those of what is in it.
        removed: older backups that were deleted.
    """

    file: str
    bytes: int
    about: About
    removed: list[str]


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="New file, or a folder in which it gets a name by its time.")
    ],
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, metavar="N", help="Keep the N newest backups of FOLDER, and delete the others."),
    ] = None,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write queue, store, boards and accounts of one moment into one file, while the server runs, and read it back."""
    into_folder = target.is_dir()
    if keep is not None and not into_folder:
        raise ConfigError(f"--keep: {target} is no folder")
    file = target / NAME.format(datetime.now(UTC)) if into_folder else target
    if file.exists():
        raise ConfigError(f"{file} is there already: name another file")
    if not file.parent.is_dir():
        raise ConfigError(f"there is no folder {file.parent}")
    settings = options.load_settings(data=data, key_file=key_file)
    chosen = options.server_of(url, data, settings)
    with _part_of(file) as part:
        with progress("writing") as told, part.open("wb") as opened_part:
            asyncio.run(_write(opened_part, file.parent, chosen, settings, told))
        with progress("reading it back") as told:
            about = _read_back(part, file, told)
    removed = _remove_others(file.parent, keep) if keep is not None else []
    done = Done(str(file), file.stat().st_size, about, [path.name for path in removed])
    if as_json:
        console.show_json(msgspec.to_builtins(done, enc_hook=str))
    else:
        _show(done)
    if about.differences:
        raise typer.Exit(console.EXIT_DIFFERENCE)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Told]:
    """A bar of bytes on a terminal; elsewhere a line when it takes a while."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    waiting = contextlib.nullcontext() if console.err.is_terminal else console.waiting(what)
    with (
        waiting,
        Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as bar,
    ):
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


@contextlib.contextmanager
def _part_of(file: Path) -> Iterator[Path]:
    """A private file that gets its name when the block ends well, and is deleted otherwise."""
    part = file.with_name(f".{file.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        yield part
        os.replace(part, file)
        sync_folder(file.parent)
    finally:
        part.unlink(missing_ok=True)


async def _write(file: IO[bytes], folder: Path, url: str | None, settings: Settings, told: Told) -> None:
    """Write the compressed archive, durably. `folder`: where it is to be, for the room that it needs."""
    total, done = 0, 0

    def begun(size: int) -> None:
        nonlocal total
        total = size
        if size > (free := free_bytes(folder)):
            raise ConfigError(f"{folder} has {free:,} bytes free; the backup may need {size:,}")

    source = _from_folder(settings, begun) if url is None else _from_server(url, settings, begun)
    with zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(file, closefd=False) as packed:
        async with aclosing(source) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(packed.write, piece)
                done += len(piece)
                told(done, total)
    file.flush()
    await asyncio.to_thread(os.fsync, file.fileno())


async def _from_server(url: str, settings: Settings, begun: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    async with ServerClient(url, key=settings.client_key()) as server:
        async with aclosing(server.stream("/v1/backup", (), begun)) as pieces:
            async for piece in pieces:
                yield piece


async def _from_folder(settings: Settings, begun: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    require_folder(queue.is_embedded(settings), settings.resolved_queue_url)
    async with open_store(settings) as store:
        waiting = queue.make_queue(settings)
        await waiting.open()
        try:
            make_access = None if why_none(settings) else make_access_store
            async with making(store, waiting, settings, versions(), make_access) as made:
                begun(made.size)
                async for piece in made.pieces:
                    yield piece
        finally:
            await waiting.close()


def _read_back(part: Path, file: Path, told: Told) -> About:
    """Read all of it and compare it with its manifest. A disk that did not keep what was written shows here."""
    with opened(part, str(file)) as archive:
        archive.read(None, lambda done: told(done, archive.about.bytes))
        return archive.about


def _remove_others(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest backups of a folder, by their names; returns those that were deleted."""
    found = sorted(path for path in folder.iterdir() if NAMED.fullmatch(path.name))
    for path in found[:-keep]:
        path.unlink()
    return found[:-keep]


def _show(done: Done) -> None:
    say, books = console.out.print, done.about.books
    say(escape(f"{done.file}: {done.bytes:,} bytes, of {done.about.bytes:,}; read back and compared"))
    say(f"{books.stored:,} events stored and {books.queued:,} waiting at {done.about.created_at:%Y-%m-%d %H:%M:%S} UTC")
    for name in done.removed:
        say(escape(f"deleted: {name}"))
    for difference in done.about.differences:
        say(f"[red]the books did not close:[/] {escape(difference)}")
