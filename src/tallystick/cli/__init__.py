"""The command line: one module for each command or group of commands."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from tallystick.cli import console, dead, export, key, options, processes, sql_role, up, verify
from tallystick.cli.ask import query, report
from tallystick.cli.ask import sql as statement
from tallystick.cli.bench import command as bench
from tallystick.cli.demo import command as demo
from tallystick.cli.importing import command as import_
from tallystick.cli.recover import command as recover
from tallystick.errors import TallystickError, Unavailable

__all__ = ["app", "main"]

EPILOG = "Start with [bold]tallystick up[/bold], then [bold]tallystick demo[/bold] in a second terminal."

app = typer.Typer(
    name="tallystick",
    help="Self-hosted event analytics: events in over HTTP, exact answers out, one command.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up", epilog=up.UP_EPILOG)(up.up)
app.command("ingest", epilog=processes.INGEST_EPILOG)(processes.ingest)
app.command("work", epilog=processes.WORK_EPILOG)(processes.work)
app.command("serve", epilog=processes.SERVE_EPILOG)(processes.serve)
app.command("key", epilog=key.EPILOG)(key.key)
app.command("migrate", epilog=up.MIGRATE_EPILOG)(up.migrate)
app.command("verify", epilog=verify.EPILOG)(verify.verify)
app.add_typer(dead.app, name="dead")
app.add_typer(recover.app, name="recover")
app.add_typer(report.app, name="report")
app.add_typer(report.shares, name="share")
app.command("import", epilog=import_.EPILOG)(import_.import_)
app.command("export", epilog=export.EPILOG)(export.export)
app.command("query", epilog=query.EPILOG)(query.query)
app.command("sql", epilog=statement.EPILOG)(statement.sql)
app.command("sql-role", epilog=sql_role.EPILOG)(sql_role.sql_role)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.add_typer(bench.app, name="bench")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.out.print(f"tallystick {version('tallystick')}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and debug logs (the same as TALLYSTICK_LOG_LEVEL=debug).")
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    if debug:
        os.environ["TALLYSTICK_LOG_LEVEL"] = "debug"


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code: 0 done, 1 something is not as it should be, 2 the command failed."""
    try:
        app(arguments)
    except TallystickError as error:
        if _debugging():
            raise
        console.show_error(error.whole if isinstance(error, Unavailable) else error.message)
        sys.exit(console.EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(console.EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe is gone (`tallystick export | head`). Python must not flush to it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(console.EXIT_DIFFERENCE)


def _debugging() -> bool:
    try:
        return options.load_settings().log_level == "debug"
    except TallystickError:
        return False
