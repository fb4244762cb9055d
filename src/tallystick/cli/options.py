"""The options that several commands have, and the settings that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError

from tallystick import logs
from tallystick.config import Settings, refuse_old_variables
from tallystick.disk import set_umask
from tallystick.errors import ConfigError

UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Address of a running server, such as http://127.0.0.1:8000."),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Data folder of a stopped server. Default without --url: TALLYSTICK_DATA, else ./tallystick-data. "
        "A queue or store that TALLYSTICK_QUEUE_URL or TALLYSTICK_STORE_URL names is used as it is, running or not.",
    ),
]
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
    """The invalid value, unless it may be a secret."""
    field = Settings.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    harmless = field is not None and field.annotation is not SecretStr
    return f" (it is {error['input']!r})" if harmless else ""


def quiet_logs(settings: Settings) -> None:
    """Log warnings only, for a command that opens queue and store itself; with --debug, log everything."""
    level = "debug" if settings.log_level == "debug" else "warning"
    logs.configure(settings.model_copy(update={"log_level": level}))


def refuse_url_with_data(url: str | None, data: Path | None) -> None:
    """Raises ConfigError when both a running server and a data folder are given."""
    if url is not None and data is not None:
        raise ConfigError("--url and --data exclude each other: name a running server, or the folder of a stopped one")
