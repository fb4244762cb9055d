"""The brokers' addresses, the topic and the consumer group. Opens no connection."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from tallystick.config import Settings, split_url
from tallystick.errors import ConfigError

DEFAULT_TOPIC = "tallystick"
DEFAULT_PARTITIONS = 12
"""As many workers can share the blocks; 12 divides evenly among 2, 3, 4 and 6."""
MOST_PARTITIONS = 1_000
DEFAULT_MECHANISM = "SCRAM-SHA-512"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
FILES = {"cafile": "ssl.ca.location", "certfile": "ssl.certificate.location", "keyfile": "ssl.key.location"}
"""Parameters of the URL that name a file for TLS, and the driver's names for them."""
PARAMETERS = ("group", "partitions", "mechanism", *FILES)
DEFAULT_PORT = 9092
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]@]+)(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """Brokers, and a topic on them.

    Attributes:
        driver: the driver's settings for a connection. They hold the password.
        servers: the brokers to begin with, for messages.
        topic: name of the topic of blocks.
        notes: name of the topic of notes about what was published.
        group: name of the consumer group of all workers.
        partitions: how many the topic gets when it is made.
    """

    driver: dict[str, str] = field(repr=False)
    servers: str
    topic: str
    notes: str
    group: str
    partitions: int


def parse_address(settings: Settings) -> Address:
    """The address in `settings.queue_url`: `kafka[s]://[user:password@]host:port[,host:port…]/topic?group=…`.

    Raises:
        ConfigError: it cannot be understood. The message never shows the URL, which may have a password in it.
    """
    try:
        parts = split_url(settings.queue_url)
    except ValueError:
        raise ConfigError("TALLYSTICK_QUEUE_URL cannot be read; write special characters as %XX") from None
    login, _, hosts = parts.netloc.rpartition("@")
    servers = ",".join(map(_server, hosts.split(",")))
    topic = parts.path.strip("/") or DEFAULT_TOPIC
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(given.keys() - set(PARAMETERS)):
        raise ConfigError(f"TALLYSTICK_QUEUE_URL: unknown parameter {unknown[0]!r}; there are {', '.join(PARAMETERS)}")
    group = given.get("group", topic)
    for kind, name in ("topic", topic), ("group", group):
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise ConfigError(
                f"TALLYSTICK_QUEUE_URL: {name!r} is no name for a {kind}: up to 200 of A-Z a-z 0-9 . _ - are"
            )
    driver = {"bootstrap.servers": servers, **_security(parts.scheme == "kafkas", login, given)}
    return Address(driver, servers, topic, f"{topic}.published", group, _partitions(given))


def _server(text: str) -> str:
    found = _SERVER.fullmatch(text)
    if found is None or int(found[2] or 0) > 65_535:
        raise ConfigError(
            "TALLYSTICK_QUEUE_URL: name the brokers, as in kafka://host:9092,host:9092/topic; "
            "write special characters of user and password as %XX"
        )
    return f"{found[1]}:{found[2] or DEFAULT_PORT}"


def _security(tls: bool, login: str, given: dict[str, str]) -> dict[str, str]:
    """The driver's settings for TLS and for the login."""
    files = {FILES[name]: value for name, value in given.items() if name in FILES}
    if files and not tls:
        raise ConfigError("TALLYSTICK_QUEUE_URL: cafile, certfile and keyfile are for TLS: write kafkas://")
    settings = {**files, "security.protocol": "ssl" if tls else "plaintext"}
    if not login:
        return settings
    mechanism = given.get("mechanism", DEFAULT_MECHANISM).upper()
    if mechanism not in MECHANISMS:
        raise ConfigError(f"TALLYSTICK_QUEUE_URL: mechanism is one of {', '.join(MECHANISMS)}")
    user, _, password = login.partition(":")
    return settings | {
        "security.protocol": "sasl_ssl" if tls else "sasl_plaintext",
        "sasl.mechanism": mechanism,
        "sasl.username": unquote(user),
        "sasl.password": unquote(password),
    }


def _partitions(given: dict[str, str]) -> int:
    text = given.get("partitions", str(DEFAULT_PARTITIONS))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_PARTITIONS:
        raise ConfigError(f"TALLYSTICK_QUEUE_URL: partitions is a number from 1 to {MOST_PARTITIONS}")
    return int(text)
