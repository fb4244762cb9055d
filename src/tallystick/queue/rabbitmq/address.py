"""The broker's address and the queue's arguments. Opens no connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tallystick.config import KIB, MIB, Settings
from tallystick.errors import ConfigError

DEFAULT_QUEUE = "tallystick"
OLD_DEFAULT_QUEUE = "runnel"
"""The default queue's name before the project was called Tallystick."""
DRIVERS_OWN = ("cafile", "capath", "certfile", "keyfile")
"""Parameters of the URL that the driver reads itself, for TLS."""
UNLIMITED = 2_000_000_000
"""A delivery limit that is never reached, and that every version takes: 4.x has a limit of 20 without one, 3.x refuses
-1, and a queue that was declared on 3.x has to be declared with the same arguments after an upgrade to 4.x."""

Arguments = Mapping[str, str | int]


@dataclass(frozen=True)
class Address:
    """A broker and a queue on it.

    Attributes:
        url: for the driver. It holds the password.
        broker: scheme, host, port and virtual host, for messages.
        queue: name of the queue of blocks.
        notes: name of the stream of notes about what was published.
        has_default_queue: whether the URL names no queue.
    """

    url: str = field(repr=False)
    broker: str
    queue: str
    notes: str
    has_default_queue: bool


def parse_address(settings: Settings) -> Address:
    """The address in `settings.queue_url`: `amqp[s]://user:password@host:port/virtualhost?queue=name&cafile=…`.

    Raises:
        ConfigError: it cannot be understood. The message never shows the URL, which has a password in it.
    """
    try:
        parts = urlsplit(settings.queue_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(
            "TALLYSTICK_QUEUE_URL: host or port cannot be read; write special characters as %XX"
        ) from None
    if not host:
        raise ConfigError("TALLYSTICK_QUEUE_URL: name the broker, as in amqp://user:password@host:5672/")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    has_default_queue = "queue" not in given
    queue = given.pop("queue", DEFAULT_QUEUE)
    if unknown := sorted(given.keys() - set(DRIVERS_OWN)):
        allowed = ", ".join(("queue", *DRIVERS_OWN))
        raise ConfigError(f"TALLYSTICK_QUEUE_URL: unknown parameter {unknown[0]!r}; there are {allowed}")
    if not queue or queue.startswith("amq.") or len(queue.encode()) > 200:
        raise ConfigError(f"TALLYSTICK_QUEUE_URL: {queue!r} is no name for a queue")
    query = urlencode({**given, "heartbeat": settings.rabbitmq_heartbeat})
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    usual = 5671 if parts.scheme == "amqps" else 5672
    broker = f"{parts.scheme}://{host}:{port or usual}{parts.path or '/'}"
    return Address(url, broker, queue, f"{queue}.published", has_default_queue)


def queue_arguments(settings: Settings) -> Arguments:
    """The arguments of the queue of blocks: a full queue refuses, and no number of deliveries drops a block.

    A broker's policy for this queue (message-ttl, a lower delivery-limit, expires) can still drop blocks.
    """
    limit: Arguments = {"x-overflow": "reject-publish", "x-max-length-bytes": settings.queue_max_bytes}
    if settings.rabbitmq_queue_type == "quorum":
        return {"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED, **limit}
    return {"x-queue-type": "classic", **limit}


def notes_arguments() -> Arguments:
    """The arguments of the stream of notes: a few megabytes in small files, so that old notes are removed."""
    return {
        "x-queue-type": "stream",
        "x-max-length-bytes": 8 * MIB,
        "x-stream-max-segment-size-bytes": 512 * KIB,
    }
