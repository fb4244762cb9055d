"""One connection to Redis, one exchange at a time; dropped once an answer is in doubt. The only user of `redis`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from tallystick.errors import ConfigError, QueueUnavailable
from tallystick.queue.redis.scripts import Script

DEFAULT_STREAM = "tallystick"
READ_SIZE = 256 * 1024
"""Bytes that one read takes from the socket."""
GREET_EVERY = 10.0
"""Seconds after which the next publish checks the server's settings again, on the same connection too."""


class OutOfSpace(QueueUnavailable):
    """Redis refuses writes because its memory or its disk is full; nothing was written."""


class Refused(QueueUnavailable):
    """Redis does not let this user do that."""


class Failed(QueueUnavailable):
    """Redis answered with an error."""


class Address:
    """A Redis URL, parsed once; neither it nor its password is ever shown.

    `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, `unix:///path`; redis-py's options and `stream`,
    the name that the queue's keys have in common, as query parameters.

    Raises:
        ConfigError: not such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            options: dict[str, Any] = {**parse_url(url)}
            self.has_default_stream = "stream" not in options
            self.stream = str(options.pop("stream", DEFAULT_STREAM))
            self._kind: type[AbstractConnection] = options.pop("connection_class", Connection)
            # Tallystick has its own time-outs, and nothing is ever sent twice.
            own = {"socket_timeout": None, "protocol": 2, "retry": None, "socket_read_size": READ_SIZE}
            self._options = {**options, **own}
            self.new()
        except (ValueError, TypeError, RedisError):
            raise ConfigError(
                "TALLYSTICK_QUEUE_URL cannot be read; write redis://[user:password@]host[:port][/db], with special "
                "characters of the password percent-encoded, and rediss:// for TLS"
            ) from None
        parts = urlsplit(url)
        self.shown = f"{parts.hostname or 'localhost'}:{parts.port or 6379}" if parts.scheme != "unix" else parts.path
        """The server's name for messages."""

    def new(self) -> AbstractConnection:
        """A connection that is not connected yet."""
        return self._kind(**self._options)


Exchange = Callable[[Sequence[Sequence[Any]]], Awaitable[list[Any]]]
"""Sends commands together and returns their replies; errors are among them as values."""


class Link:
    """A long-lived connection, made when it is needed, and again after a failure.

    All methods raise QueueUnavailable: the server is out of reach, does not answer in time, or answers with an error.
    After a time-out the connection is dropped, so that a late answer can never be taken for that of another command.
    """

    def __init__(
        self, address: Address, seconds: float, greet: Callable[[Exchange], Awaitable[None]] | None = None
    ) -> None:
        """`greet` checks the server after each connecting and every 10 s in use; what it raises fails the call."""
        self._connection = address.new()
        self._seconds = seconds
        self._greet = greet
        self._greeted = -GREET_EVERY
        self._lock = asyncio.Lock()

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """Run a script and return its reply."""

        async def evaluate() -> Any:
            rest = (len(keys), *keys, *arguments)
            (reply,) = await self._exchange([("EVALSHA", script.sha, *rest)])
            if isinstance(reply, NoScriptError):  # a server that was restarted: nothing was run
                (reply,) = await self._exchange([("EVAL", script.text, *rest)])
            return _checked(reply)

        return await self._alone(evaluate, self._seconds)

    async def call(self, *command: Any, seconds: float = 0.0) -> Any:
        """Send one command and return its reply, which may take `seconds` longer than usual."""

        async def send() -> Any:
            return _checked((await self._exchange([command]))[0])

        return await self._alone(send, self._seconds + seconds)

    async def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        await self._connection.disconnect(nowait=True)

    async def _alone(self, work: Callable[[], Awaitable[Any]], seconds: float) -> Any:
        with _errors(seconds):
            async with asyncio.timeout(seconds), self._lock:
                try:
                    await self._connect()
                    return await work()
                except ResponseError:
                    raise  # an answer: the next answer belongs to the next command
                except BaseException:
                    await self.close()
                    raise

    async def _connect(self) -> None:
        # Something to read before a command was sent: the server closed the connection while it was idle.
        if self._connection.is_connected and await self._connection.can_read():
            await self.close()
        fresh = not self._connection.is_connected
        if fresh:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        if self._greet is not None and (fresh or time.monotonic() - self._greeted >= GREET_EVERY):
            await self._greet(self._exchange)
            self._greeted = time.monotonic()

    async def _exchange(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        packed = self._connection.pack_commands(commands)
        await self._connection.send_packed_command(packed, check_health=False)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await self._connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies


def _checked(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply


@contextlib.contextmanager
def _errors(seconds: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise QueueUnavailable(f"Redis did not answer within {seconds:g} s") from error
    except OutOfMemoryError as error:
        raise OutOfSpace("Redis is at its memory limit (maxmemory)") from error
    except (AuthenticationError, NoPermissionError) as error:
        raise Refused("Redis refuses this user") from error
    except ResponseError as error:
        if str(error).startswith("MISCONF"):
            raise OutOfSpace("Redis takes no writes because it cannot write to its disk (MISCONF)") from error
        raise Failed("Redis answered with an error") from error
    except (RedisError, OSError) as error:
        raise QueueUnavailable("Redis cannot be reached") from error
