"""A connection to Redis with one exchange at a time, dropped after a missing answer. The only user of `redis`."""

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
"""Most bytes that one read takes from the socket."""
GREET_EVERY = 10.0
"""Seconds after which the next publish checks the server's settings again, even on the same connection."""


class OutOfSpace(QueueUnavailable):
    """Redis refuses writes because its memory or its disk is full; nothing was written."""


class Refused(QueueUnavailable):
    """Redis refuses the command or the login of this user."""


class Failed(QueueUnavailable):
    """Redis answered with an error."""


class Address:
    """A Redis URL, parsed once. Messages never show the URL or its password.

    `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, `unix:///path`. Query parameters are redis-py's
    options and `stream`, the common name of the queue's keys.

    Raises:
        ConfigError: the URL has another form.
    """

    def __init__(self, url: str) -> None:
        try:
            options: dict[str, Any] = {**parse_url(url)}
            self.has_default_stream = "stream" not in options
            self.stream = str(options.pop("stream", DEFAULT_STREAM))
            self._kind: type[AbstractConnection] = options.pop("connection_class", Connection)
            # Tallystick has its own time-outs, and never sends a command twice.
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
        """A connection object, not connected yet."""
        return self._kind(**self._options)


Exchange = Callable[[Sequence[Sequence[Any]]], Awaitable[list[Any]]]
"""Sends commands together and returns their replies. Errors are returned as values."""


class Link:
    """A long-lived connection, opened on first use and again after a failure.

    All methods raise QueueUnavailable: the server cannot be reached, does not answer in time, or answers with an error.
    After a time-out the connection is dropped, so that no late answer can be read as the answer to another command.
    """

    def __init__(
        self, address: Address, seconds: float, greet: Callable[[Exchange], Awaitable[None]] | None = None
    ) -> None:
        """`greet` checks the server after each connect and every 10 s in use; its errors fail the call."""
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
            if isinstance(reply, NoScriptError):  # the server was restarted and has run nothing
                (reply,) = await self._exchange([("EVAL", script.text, *rest)])
            return _checked(reply)

        return await self._alone(evaluate, self._seconds)

    async def call(self, *command: Any, seconds: float = 0.0) -> Any:
        """Send one command and return its reply. The time-out is `seconds` longer than usual."""

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
                    raise  # this is an answer, so the connection is still in step
                except BaseException:
                    await self.close()
                    raise

    async def _connect(self) -> None:
        # Data before any command was sent mean that the server closed the idle connection.
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
