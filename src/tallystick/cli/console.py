"""Output of the commands: standard output, standard error, how an error looks, and the exit codes."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_DIFFERENCE = 1
"""The command worked, but what it found is not as it should be."""
EXIT_ERROR = 2
"""The command could not do its work."""
EXIT_INTERRUPTED = 130

PIPED_WIDTH = 1_000
"""Characters of a line when standard output is not a terminal."""


def paragraphs(text: str) -> str:
    """A help text with each paragraph on one line: typer wraps lines to the terminal's width, but keeps line breaks."""
    return "\n\n".join(" ".join(part.split("\n")) for part in text.strip().split("\n\n"))


def show_error(message: str) -> None:
    """One red line on standard error."""
    err.print(f"[bold red]error:[/] [red]{escape(message)}[/]")


def for_tables(console: Console | None = None) -> Console:
    """The console that tables are printed to: as wide as the terminal; without a terminal, lines are not cut."""
    console = out if console is None else console
    return console if console.is_terminal else Console(file=sys.stdout, width=PIPED_WIDTH, highlight=False)


def write_bytes(content: bytes) -> None:
    """Write to standard output as it is, such as the bytes of a file."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
