"""Output of the commands: standard output, standard error, how an error looks, and the exit codes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tallystick.errors import ConfigError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_DIFFERENCE = 1
"""The command worked, but what it found is not as it should be."""
EXIT_ERROR = 2
"""The command could not do its work."""
EXIT_INTERRUPTED = 130

SILENT_SECONDS = 1.0
"""Seconds after which a command that waits says so where there is no terminal to show a moving sign on."""
PIPED_WIDTH = 1_000
"""Characters of a line when standard output is not a terminal."""


def paragraphs(text: str) -> str:
    """A help text with each paragraph on one line: typer wraps lines to the terminal's width, but keeps line breaks."""
    return "\n\n".join(" ".join(part.split("\n")) for part in text.strip().split("\n\n"))


def show_error(message: str) -> None:
    """One red line on standard error."""
    err.print(f"[bold red]error:[/] [red]{escape(message)}[/]")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Says on standard error what the command waits for: on a terminal at once, else when it takes a while."""
    if err.is_terminal:
        with err.status(escape(what)):
            yield
        return
    line = threading.Timer(SILENT_SECONDS, err.print, [f"{what} …"], {"markup": False})
    line.daemon = True
    line.start()
    try:
        yield
    finally:
        line.cancel()


def new_table(title: str | None = None, title_style: str | None = None) -> Table:
    """An empty table: in a frame on a terminal, else plain columns, which other programs can read."""
    framed = out.is_terminal
    return Table(
        title=title,
        title_justify="left",
        title_style=title_style,
        box=HEAVY_HEAD if framed else None,
        pad_edge=framed,
    )


Form = TypeVar("Form", bound=str)


def form_of(given: Form, as_json: bool) -> Form | Literal["json"]:
    """The format to print an answer in: --json is short for --format json.

    Raises:
        ConfigError: --format names another one.
    """
    if as_json and given not in ("table", "json"):
        raise ConfigError(f"--json and --format {given} exclude each other")
    return "json" if as_json else given


def show_json(value: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def for_tables(console: Console | None = None) -> Console:
    """The console that tables are printed to: as wide as the terminal; without a terminal, lines are not cut."""
    console = out if console is None else console
    return console if console.is_terminal else Console(file=sys.stdout, width=PIPED_WIDTH, highlight=False)


def write_bytes(content: bytes) -> None:
    """Write to standard output as it is, such as the bytes of a file."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
