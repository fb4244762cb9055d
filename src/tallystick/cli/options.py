"""The options that several commands have, and the settings that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError

from tallystick import logs
from tallystick.cli import console
from tallystick.config import SERVER, Settings, refuse_old_variables, refuse_unknown_variables
from tallystick.disk import set_umask
from tallystick.errors import ConfigError

UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help=f"The running server to ask. Default: TALLYSTICK_URL, else {SERVER}."),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Data folder of a stopped server, instead of --url. A queue or store that TALLYSTICK_QUEUE_URL or "
        "TALLYSTICK_STORE_URL names is used as it is, running or not.",
    ),
]
StoppedDataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Data folder of the stopped server. Default: TALLYSTICK_DATA, else ./tallystick-data. A queue or store "
        "that TALLYSTICK_QUEUE_URL or TALLYSTICK_STORE_URL names is used as it is, running or not.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
KeyFileOption = Annotated[
    str | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="File with the server's key, for --url; else TALLYSTICK_KEY_FILE or TALLYSTICK_KEY. A key is never given "
        "on the command line, which other users of the machine can see.",
    ),
]


def load_settings(**given: object) -> Settings:
    """The settings of the environment; values that are given here, and are not None, win. Sets the umask, too.

    Raises:
        ConfigError: a setting is wrong, unknown, or has its old name; the message names it.
    """
    refuse_old_variables()
    refuse_unknown_variables()
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        set_umask(settings)
        return settings
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "TALLYSTICK_" + "_".join(map(str, first["loc"])).upper()
        raise ConfigError(f"{name}: {_reason(first)}{_shown(first)}") from error


def _reason(error: Mapping[str, Any]) -> str:
    """What is wrong with the value: pydantic's words, without those that tell of Python."""
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should", "it should")


def _shown(error: Mapping[str, Any]) -> str:
    """The invalid value, unless it may be a secret."""
    field = Settings.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    harmless = field is not None and field.repr and field.annotation is not SecretStr
    return f" (it is {error['input']!r})" if harmless else ""


def quiet_logs(settings: Settings) -> None:
    """Log warnings only, for a command that opens queue and store itself; with --debug, log everything."""
    level = "debug" if settings.log_level == "debug" else "warning"
    logs.configure(settings.model_copy(update={"log_level": level}))


def server_of(url: str | None, data: Path | None, settings: Settings) -> str | None:
    """The address of the server that a command asks; None: it opens the folder that --data names.

    An address that is not given with --url is said on standard error.

    Raises:
        ConfigError: both are given.
    """
    refuse_url_with_data(url, data)
    if url is not None or data is not None:
        return url
    chosen = settings.url or SERVER
    console.err.print(f"asking {chosen}", markup=False)
    return chosen


def refuse_url_with_data(url: str | None, data: Path | None) -> None:
    """Raises ConfigError when both a running server and a data folder are given."""
    if url is not None and data is not None:
        raise ConfigError("--url and --data exclude each other: name a running server, or the folder of a stopped one")
