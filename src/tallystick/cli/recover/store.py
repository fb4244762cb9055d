"""`tallystick recover store`: makes a new store from everything that can be read in a damaged one."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tallystick import queue
from tallystick import store as stores
from tallystick.cli import console, options
from tallystick.config import Settings, url_path
from tallystick.errors import AlreadyRunning, ConfigError

if TYPE_CHECKING:
    from tallystick.store.duckdb.repair.recover import Recovered

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick recover store --data /var/lib/tallystick --dry-run

  tallystick recover store --data /var/lib/tallystick

Nothing is deleted: the damaged files are moved to a folder damaged-<time> beside the new ones. A flipped bit is
repaired where the checksum shows which one it was; else every row that can be read is copied, and the rest is rebuilt.

Exit code: 0 nothing is lost, 1 something could not be read (the output says what), 2 the store could not be recovered,
and nothing was changed.
""")


def store(
    data: options.StoppedDataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what can be read; works on a copy.")] = False,
    accept_empty: Annotated[
        bool, typer.Option("--accept-empty", help="Make an empty store when nothing at all can be read.")
    ] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Keep every event that can be read in a damaged store.duckdb and its log, and report what is lost.

    Dead letters, the ledger, saved reports, boards and share links are kept too. It needs twice the store's space on
    the disk while it works. Restore a backup instead when that loses less.
    """
    settings = options.load_settings(data=data)
    options.quiet_logs(settings)
    if not stores.is_embedded(settings):
        scheme = urlsplit(settings.resolved_store_url).scheme
        raise ConfigError(f"TALLYSTICK_STORE_URL names a {scheme} server: it is recovered by its own tools and backups")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with (
        _queue_held(settings),
        Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as progress,
    ):
        task = progress.add_task("", total=None)

        def show_progress(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        found = stores.recover_store(settings, show_progress, dry_run=dry_run, accept_empty=accept_empty)
    if as_json:
        console.show_json(msgspec.to_builtins(found, enc_hook=str))
    else:
        _show(found, dry_run)
    if found.lost or found.differences:
        raise typer.Exit(console.EXIT_DIFFERENCE)


@contextlib.contextmanager
def _queue_held(settings: Settings) -> Iterator[None]:
    """Hold the lock of the embedded queue beside it: a server keeps that even after it closed a damaged store."""
    path = url_path(settings.resolved_queue_url) if queue.is_embedded(settings) else None
    lock = path and path.with_name(path.name + ".lock")
    if path is None or lock is None or not lock.is_file():
        yield
        return
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning(f"another Tallystick process uses {path.parent}: stop it first") from error
        yield
    finally:
        os.close(descriptor)


def _show(found: Recovered, dry_run: bool) -> None:
    print_ = console.out.print
    for sentence in found.mended:
        print_(escape(f"mended: {sentence}"))
    for sentence in found.lost:
        print_(f"[red]lost:[/] {escape(sentence)}")
    if found.tables:
        table = console.new_table("rows")
        for column in ("table", "there were", "kept"):
            table.add_column(column, justify="left" if column == "table" else "right")
        for kept in found.tables:
            table.add_row(kept.name, "?" if kept.rows is None else f"{kept.rows:,}", f"{kept.kept:,}")
        print_(table)
    for difference in found.differences:
        print_(escape(f"tallystick verify will say: {difference.check}: {difference.message}"))
    if not found.lost and not found.differences:
        print_("[green]nothing is lost:[/] " + ("every block is mended" if found.mended else "every row can be read"))
    if dry_run:
        print_("this was a dry run: nothing was changed")
    else:
        print_(escape(f"the damaged files are in {found.folder}; the new store is in their place"))
