"""The command line as a whole: its options, its commands, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from tallystick.cli.failures import code_of
from tallystick.cli.lazy import Commands, in_plain_text
from tallystick.invocation import NAMES

EPILOG = "Start with [bold]tallystick up[/bold], then [bold]tallystick demo[/bold] in a second terminal."
app = typer.Typer(
    name="tallystick",
    cls=Commands,
    help="Self-hosted event analytics: events in over HTTP, exact answers out, one command.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from tallystick import __version__

        typer.echo(f"tallystick {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and debug logs (the same as TALLYSTICK_DEBUG=true).")
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    from tallystick.config import debugging

    if debug:
        os.environ["TALLYSTICK_DEBUG"] = "true"
    if debugging():
        os.environ["TALLYSTICK_LOG_LEVEL"] = "debug"


def run(arguments: Sequence[str]) -> int:
    """Run a command. An error becomes one line on standard error. Returns the exit code."""
    command = get_command(app)
    if not sys.stdout.isatty():
        in_plain_text(command)
    name = Path(sys.argv[0]).name
    try:
        code = command.main(list(arguments), name if name in NAMES else NAMES[0], standalone_mode=False)
    except BrokenPipeError:
        # The reader of a pipe is gone (`tallystick export | head`). Python must not flush to it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        return code_of(error)
    return code if isinstance(code, int) else 0
