"""`tallystick recover queue`: rebuilds a damaged embedded queue."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from tallystick import store
from tallystick.cli import console, options
from tallystick.cli.target import open_store
from tallystick.config import Settings, split_url, url_path
from tallystick.errors import ConfigError, QueueDamaged, TallystickError
from tallystick.model.books import IngesterLedger

if TYPE_CHECKING:
    from tallystick.queue.sqlite.recover import Recovery

EPILOG = console.paragraphs("""
[bold]Example[/bold]

  tallystick recover queue --data /var/lib/tallystick

The server must be stopped. Exit code: 0 nothing is missing, 1 something is missing (the output says how much), 2 the
queue could not be rebuilt.
""")


def queue(
    data: options.StoppedDataOption = None,
    force: Annotated[bool, typer.Option("--force", help="Rebuild it even when no damage is found.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Rebuild the embedded queue from every block that can be read.

    The damaged files are moved to a folder beside them and stay there. Blocks that the store already has are left out;
    blocks whose bytes are damaged become dead letters. What cannot be found is missing, and `tallystick verify`
    continues to report it.
    """
    from tallystick.queue.sqlite.opening import open_checked
    from tallystick.queue.sqlite.queue import lock, recovery
    from tallystick.queue.sqlite.recover import recover

    settings = options.load_settings(data=data)
    if split_url(settings.resolved_queue_url).scheme != "sqlite":
        raise ConfigError(
            "TALLYSTICK_QUEUE_URL: only the embedded queue (sqlite) has a file that this command can rebuild"
        )
    path = url_path(settings.resolved_queue_url)
    if not path.parent.is_dir():
        raise ConfigError(f"there is no data folder {path.parent}: name it with --data")
    options.quiet_logs(settings)
    held = lock(path)
    try:
        if not force:
            try:
                opened = open_checked(path, recovery(settings))
            except QueueDamaged as damage:
                console.err.print(escape(damage.message.split(" Nothing was changed")[0]))
            else:
                opened.writer.close()
                opened.watermark.close()
                if as_json:
                    console.show_json({"damaged": False})
                else:
                    console.out.print(escape(f"{path} is not damaged; nothing was changed"))
                return
        ledger = asyncio.run(_ledger(settings))
        with console.waiting("reading every page"):
            done = recover(path, ledger)
    finally:
        os.close(held)
    if as_json:
        console.show_json(msgspec.to_builtins(done, enc_hook=str))
    else:
        _show(done)
    if done.resumed:
        return
    if done.missing != 0 or done.missing_blocks or done.damaged_blocks:
        raise typer.Exit(console.EXIT_DIFFERENCE)


def _show(done: Recovery) -> None:
    say = console.out.print
    say(escape(f"the damaged files are in {done.folder}"))
    if done.resumed:
        say("the interrupted recovery is finished: `tallystick verify` says what is missing")
        return
    say(f"{done.events:,} events in {done.blocks:,} blocks wait in the new queue")
    if done.stored:
        say(f"{done.stored:,} other blocks were found that the store has already")
    if done.damaged_blocks:
        say(f"{done.damaged_events:,} events in {done.damaged_blocks:,} damaged blocks become dead letters")
    if done.missing is None:
        say("the store could not be read: recover it, then `tallystick verify` says what is missing")
    else:
        say(f"{done.missing:,} accepted events are missing" if done.missing else "no accepted event is missing")
    for sentence in done.missing_blocks:
        say(escape(f"  {sentence}"))


async def _ledger(settings: Settings) -> Mapping[str, IngesterLedger] | None:
    """The store's ledger; None when the store cannot be read."""
    if store.is_embedded(settings) and not url_path(settings.resolved_store_url).exists():
        return {}
    try:
        async with open_store(settings) as opened:
            return await opened.ledger()
    except TallystickError as error:
        console.err.print(escape(f"the store cannot be read: {error.message}"))
        return None
