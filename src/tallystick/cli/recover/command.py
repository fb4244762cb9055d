"""`tallystick recover`: repairs a damaged file of a stopped server."""

from __future__ import annotations

import typer

from tallystick.cli.recover import queue as recover_queue
from tallystick.cli.recover import store as recover_store

app = typer.Typer(
    help="Repair a damaged file while no server runs: what can be read is kept, the rest is counted, the damaged file "
    "stays.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("queue", epilog=recover_queue.EPILOG)(recover_queue.queue)
app.command("store", epilog=recover_store.EPILOG)(recover_store.store)
