"""Packages that only some queues, stores and logins need: how an error says which command installs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tallystick.errors import ConfigError

EXTRAS = {
    "asyncpg": "postgres",
    "redis": "redis",
    "hiredis": "redis",
    "aio_pika": "rabbitmq",
    "aiormq": "rabbitmq",
    "confluent_kafka": "kafka",
    "clickhouse_connect": "clickhouse",
    "aiohttp": "clickhouse",
    "authlib": "oidc",
    "joserfc": "oidc",
}
"""Modules, and the extra of this package that installs each."""


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Turns an import of a module that is not installed into an error that names the extra to install.

    Args:
        what: what needs the module, such as `TALLYSTICK_QUEUE_URL: redis://`.

    Raises:
        ConfigError: the module belongs to an extra that is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (command := how_to_install(error)) is None:
            raise
        raise ConfigError(f"{what} needs packages that are not installed: {command}") from error


def how_to_install(error: ModuleNotFoundError) -> str | None:
    """The command that installs the missing module; None: it belongs to no extra."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    return None if extra is None else f'pip install "tallystick[{extra}]"'
