"""The only user of the driver: connections and channels that never hang, and that raise Tallystick's errors.

This module uses aiormq, the layer below aio-pika, directly. aio-pika's robust connections wait without limit while the
broker is away, but a publish has to fail in time.

Every call runs in a task of its own, which continues if the caller is cancelled, because the driver closes the channel
of a cancelled call. A call without an answer in time ends the whole connection, so that no other call on it can hang.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from yarl import URL

from tallystick.errors import QueueUnavailable
from tallystick.queue.rabbitmq.address import Address, Arguments

R = TypeVar("R")
WATCH = 0.05
"""Seconds after which an unconfirmed publish checks whether the broker has blocked the connection."""
FAREWELL = 2.0
"""Seconds to wait for the broker to confirm that a connection is closed."""
ACK_EVERY = 100
"""Messages of a stream between two acknowledgements; must be below the prefetch."""
INACCESSIBLE = "down or inaccessible"
"""Part of the broker's "not found" text for a queue that exists, but whose member has not started yet."""


class Refused(QueueUnavailable):
    """The broker refuses the request: permissions, the virtual host, or different arguments."""


class Missing(QueueUnavailable):
    """The broker has no queue of that name."""


class Unroutable(QueueUnavailable):
    """The broker returned a block because its queue does not exist; the queue is declared again."""


class Rejected(QueueUnavailable):
    """The broker refused a publish."""


class Blocked(QueueUnavailable):
    """The broker takes nothing while its memory or disk alarm is on."""


class Delivery(NamedTuple):
    """A message; `tag` rises with each delivery on a channel."""

    tag: int
    body: bytes
    headers: Mapping[str, Any]


class Counts(NamedTuple):
    """A queue's own counts: messages that are not delivered, and consumers, some of which may be gone."""

    ready: int
    consumers: int


async def connect(address: Address, name: str, patience: float) -> Connection:
    """Connect and log in.

    Args:
        name: shown in the broker's lists.
        patience: seconds that this call and every later one may take.

    Raises:
        Refused: the broker refuses the user, the password or the virtual host.
        QueueUnavailable: the broker cannot be reached.
    """
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # its errors are raised, and logged where they are caught
    url = URL(address.url, encoded=True)
    transports = _Transports(TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory())
    driver = aiormq.Connection(url.update_query(name=name), transport_factory=transports)
    connection = Connection(driver, transports, address.broker, patience)
    try:
        await connection.call(driver.connect())
    except BaseException:
        connection.drop()
        raise
    return connection


class _Transports(TransportFactory):
    """Keeps the writer, so that a connection can be ended without the other side's help."""

    def __init__(self, inner: TransportFactory) -> None:
        self._inner = inner
        self._writer: asyncio.StreamWriter | None = None
        self._aborted = False

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._inner.create(url, **kwargs)
        if self._aborted:
            self.abort()
        return reader, self._writer

    def abort(self) -> None:
        self._aborted = True
        if self._writer is not None:
            self._writer.transport.abort()


class Connection:
    """A connection. Once it is lost it stays lost."""

    def __init__(self, driver: AbstractConnection, transports: _Transports, broker: str, patience: float) -> None:
        self._driver = driver
        self._transports = transports
        self._patience = patience
        self._calls: set[asyncio.Future[Any]] = set()
        self._dropped = False
        self.broker = broker

    @property
    def alive(self) -> bool:
        return not self._dropped and self._driver.is_opened

    async def blocked(self) -> bool:
        """Whether the broker has reported that it takes no publishes, because of its memory or disk alarm."""
        try:
            async with asyncio.timeout(0):  # the driver has no getter, only a wait for the end of the block
                await self._driver.ready()
        except TimeoutError:
            return True
        return False

    async def channel(self, *, confirms: bool = False) -> Channel:
        """A new channel."""
        return Channel(self, await self.call(self._driver.channel(publisher_confirms=confirms)))

    async def call(self, work: Coroutine[Any, Any, R], *, watch: bool = False) -> R:
        """The result of `work`, within the time-out. `watch`: give up as soon as the broker blocks the connection.

        Raises:
            QueueUnavailable: no answer in time, or the connection is lost. Its subclasses say what the broker answered.
        """
        task = asyncio.ensure_future(work)
        self._calls.add(task)
        task.add_done_callback(self._finished)
        until = time.monotonic() + self._patience
        while not task.done() and (left := until - time.monotonic()) > 0:
            await asyncio.wait({task}, timeout=min(left, WATCH) if watch else left)
            if watch and not task.done() and await self.blocked():
                raise Blocked
        if not task.done():
            self.drop()
            raise QueueUnavailable(f"RabbitMQ did not answer within {self._patience:g} seconds")
        if task.cancelled():
            raise QueueUnavailable("the connection to RabbitMQ is gone")
        if error := task.exception():
            raise self._explained(error) from error
        return task.result()

    def _finished(self, task: asyncio.Future[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved, also when the caller was cancelled

    def _explained(self, error: BaseException) -> BaseException:
        """The Tallystick error for a driver's error; other errors are returned unchanged."""
        if isinstance(error, PublishError):
            return Unroutable()
        if isinstance(error, DeliveryError):
            return Rejected()
        if isinstance(error, (AuthenticationError, ProbableAuthenticationError)):
            return Refused("RabbitMQ refuses the user or the password")
        if isinstance(error, InvalidFrameError):  # the driver's only sign that the broker refused the login
            return Refused("RabbitMQ ends the login: the virtual host is not there, or not for this user")
        if isinstance(error, ChannelNotFoundEntity) and INACCESSIBLE not in str(error):
            return Missing("RabbitMQ does not have the queue")
        if isinstance(error, (ChannelPreconditionFailed, ChannelAccessRefused, ConnectionNotAllowed)):
            return Refused("RabbitMQ refuses")
        if isinstance(error, (AMQPError, PAMQPException, OSError, EOFError, RuntimeError, asyncio.CancelledError)):
            return QueueUnavailable("RabbitMQ cannot be reached, or failed")
        return error

    def drop(self) -> None:
        """End the connection at once, without closing it in order. Pending calls raise QueueUnavailable."""
        self._dropped = True
        self._transports.abort()
        for task in list(self._calls):
            task.cancel()

    async def close(self) -> None:
        """Close the connection in order, or at once when the broker does not answer."""
        closing = asyncio.ensure_future(self._driver.close())
        closing.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self.alive:
            await asyncio.wait({closing}, timeout=FAREWELL)
        self.drop()
        await asyncio.wait({closing, self._driver.closing}, timeout=FAREWELL)


class Channel:
    """One channel. After an error it stays closed."""

    def __init__(self, connection: Connection, driver: AbstractChannel) -> None:
        self._connection = connection
        self._driver = driver

    @property
    def alive(self) -> bool:
        return self._connection.alive and not self._driver.is_closed

    @property
    def connection(self) -> Connection:
        return self._connection

    def when_gone(self, notify: Callable[[], None]) -> None:
        """Call `notify` once when the channel or its consumer ends."""
        self._driver.closing.add_done_callback(lambda _: notify())
        self._driver.on_consumer_cancel_callbacks.add(lambda _: notify())

    async def declare(self, queue: str, arguments: Arguments) -> None:
        """Declare a durable queue. Raises Refused when it exists with other arguments."""
        await self._connection.call(self._driver.queue_declare(queue, durable=True, arguments=dict(arguments)))

    async def count(self, queue: str) -> Counts:
        """The broker's counts, at once. Both are 0 also where a quorum queue's leader does not answer the broker.

        Raises Missing, after which the channel is gone.
        """
        said = await self._connection.call(self._driver.queue_declare(queue, passive=True))
        return Counts(said.message_count or 0, said.consumer_count or 0)

    async def touch(self, queue: str) -> None:
        """Return once the queue itself has answered. Its messages stay."""
        await self._connection.call(self._touch(queue))

    async def _touch(self, queue: str) -> None:
        message = await self._driver.basic_get(queue)
        if isinstance(message.delivery, Basic.GetOk) and message.delivery_tag is not None:
            await self._driver.basic_nack(message.delivery_tag, requeue=True)

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str | int] | None = None) -> None:
        """Return once the broker has confirmed the message.

        Raises:
            Unroutable, Rejected: the broker's answer.
            Blocked: it neither confirms nor refuses, because of an alarm; it may take the message later.
        """
        properties = Basic.Properties(delivery_mode=2, headers=dict(headers) if headers else None)
        await self._connection.call(
            self._driver.basic_publish(body, routing_key=queue, properties=properties, mandatory=True),
            watch=True,
        )

    async def consume(
        self,
        queue: str,
        prefetch: int,
        receive: Callable[[Delivery], None],
        arguments: Arguments | None = None,
        *,
        keep: bool = True,
    ) -> str:
        """Deliver up to `prefetch` unacknowledged messages to `receive`. Without `keep` they are acknowledged here.

        Returns the consumer's tag.
        """

        async def delivered(message: DeliveredMessage) -> None:
            tag = message.delivery_tag or 0
            receive(Delivery(tag, message.body, message.header.properties.headers or {}))
            if not keep and tag % ACK_EVERY == 0:
                await self._driver.basic_ack(tag, multiple=True, wait=False)

        async def start() -> str:
            await self._driver.basic_qos(prefetch_count=prefetch)
            begun = await self._driver.basic_consume(queue, delivered, arguments=dict(arguments) if arguments else None)
            return begun.consumer_tag or ""

        return await self._connection.call(start())

    async def end_consumer(self, tag: str) -> None:
        """Deliver nothing more to a consumer. What it has stays delivered, to be acknowledged."""
        await self._connection.call(self._driver.basic_cancel(tag))

    async def acknowledge(self, tags: Sequence[int], *, multiple: bool) -> None:
        """Acknowledge deliveries; with `multiple` also all before the last of them. Returns once the socket has it."""
        await self._connection.call(self._acknowledge(tags[-1:] if multiple else tags, multiple))

    async def _acknowledge(self, tags: Sequence[int], multiple: bool) -> None:
        for tag in tags:
            await self._driver.basic_ack(tag, multiple=multiple, wait=tag == tags[-1])

    async def close(self) -> None:
        """Close the channel. The broker delivers its unacknowledged messages again."""
        await self._connection.call(self._driver.close())


class Line:
    """A connection that is opened on first use, and again after it is lost."""

    def __init__(self, address: Address, name: str, patience: float) -> None:
        self.address = address
        self._name = name
        self._patience = patience
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()

    async def connection(self) -> Connection:
        """Raises as `connect`."""
        async with self._connecting:
            if self._connection is None or not self._connection.alive:
                await self.close()
                self._connection = await connect(self.address, self._name, self._patience)
            return self._connection

    def drop(self) -> None:
        """End the connection at once; the next use makes a new one."""
        if self._connection is not None:
            self._connection.drop()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
