"""What becomes of an error that ends a command: one line on standard error, and the exit code.

A traceback is printed with --debug or TALLYSTICK_DEBUG only.
"""

from __future__ import annotations

import traceback

import typer

from tallystick.errors import TallystickError, Unavailable
from tallystick.extras import how_to_install

UsageError = typer.BadParameter.__mro__[1]
"""A command line that is wrong; typer does not export the class."""


def code_of(error: BaseException) -> int:
    """Report the error. Returns the exit code: 2 somebody can do something about it, 1 nobody thought of it."""
    from tallystick.cli import console
    from tallystick.config import debugging

    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return console.EXIT_INTERRUPTED
    if debugging():
        traceback.print_exception(error)
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: the message is its help
        typer.echo(getattr(error, "format_message")(), err=True)  # noqa: B009
        return console.EXIT_ERROR
    message = expected(error)
    if message is not None:
        console.show_error(message)
        return console.EXIT_ERROR
    said = _one_line(f"{type(error).__name__}: {error}")
    console.show_error(f"unexpected: {said}; run with --debug for the traceback, and please report it")
    return console.EXIT_DIFFERENCE


def expected(error: BaseException) -> str | None:
    """The one line about an error that a user can mend; None: it is a fault of the program."""
    if isinstance(error, Unavailable):
        return _one_line(error.whole)
    if isinstance(error, TallystickError):
        return _one_line(error.message)
    if isinstance(error, UsageError):
        return _usage(error)
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return expected(error.exceptions[0])
    if isinstance(error, ModuleNotFoundError) and (command := how_to_install(error)):
        return f"this needs packages that are not installed: {command}"
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename is not None else ""
        return f"{named}{error.strerror}"
    return None


def _usage(error: BaseException) -> str:
    """What is wrong with the command line, and which command shows the right one."""
    context = getattr(error, "ctx", None)
    said = _one_line(getattr(error, "format_message")())  # noqa: B009 - the class is not exported, so mypy knows it not
    ask = f" (`{context.command_path} --help` shows what there is)" if context is not None else ""
    return f"{said.rstrip('.')}{ask}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
