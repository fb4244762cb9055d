"""`runnel recover`: keep what can be read of damaged files. One module per part: `store` is in recover_store."""

from __future__ import annotations

import typer

from runnel.cli import recover_store

app = typer.Typer(
    help="Bring damaged files back, while no server runs.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("store", epilog=recover_store.EPILOG)(recover_store.store)
