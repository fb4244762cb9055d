"""What every command shares: the two consoles, the options that say where Tallystick is, and how an error looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.markup import escape

from tallystick import logs
from tallystick.config import Settings, refuse_old_variables
from tallystick.disk import set_umask
from tallystick.errors import ConfigError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_DIFFERENCE = 1
"""The command worked and what it found is not as it should be."""
EXIT_ERROR = 2
"""The command could not do its work."""
EXIT_INTERRUPTED = 130

UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Address of a running server, such as http://127.0.0.1:8000."),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Data folder of a server that is not running. Without --url and --data: TALLYSTICK_DATA, else ./tallystick-data. "
        "A queue or store that TALLYSTICK_QUEUE_URL or TALLYSTICK_STORE_URL names is used as it is, running or not.",
    ),
]


KeyFileOption = Annotated[
    str | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="File with the server's key, for --url; else TALLYSTICK_KEY_FILE or TALLYSTICK_KEY. Never on the command line, "
        "which other users of the machine see.",
    ),
]


def paragraphs(text: str) -> str:
    """A help text with every paragraph on one line: typer wraps it to the terminal's width, but keeps line breaks."""
    return "\n\n".join(" ".join(part.split("\n")) for part in text.strip().split("\n\n"))


def show_error(message: str) -> None:
    """One red line on standard error."""
    err.print(f"[bold red]error:[/] [red]{escape(message)}[/]")


def load_settings(**given: object) -> Settings:
    """The settings of the environment; what is given here (and not None) wins. From now on files are made private.

    Raises:
        ConfigError: a setting is wrong, or has its old name; the message names it.
    """
    refuse_old_variables()
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        set_umask(settings)
        return settings
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "TALLYSTICK_" + "_".join(map(str, first["loc"])).upper()
        raise ConfigError(f"{name}: {first['msg']}{_shown(first)}") from error


def _shown(error: Mapping[str, Any]) -> str:
    """The value at fault, unless it may hold a secret."""
    field = Settings.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    harmless = field is not None and field.annotation is not SecretStr
    return f" (it is {error['input']!r})" if harmless else ""


def quiet_logs(settings: Settings) -> None:
    """For commands that open a folder: its parts log warnings only, unless somebody debugs."""
    level = "debug" if settings.log_level == "debug" else "warning"
    logs.configure(settings.model_copy(update={"log_level": level}))


def one_place(url: str | None, data: Path | None) -> None:
    """Raises ConfigError when both a running server and a folder are named."""
    if url is not None and data is not None:
        raise ConfigError("--url and --data exclude each other: name the running server or the stopped one's folder")
