"""Requests to the brokers that are no publish and no delivery, and Tallystick's errors for the driver's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its package exports them by star
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
)

from tallystick.errors import QueueUnavailable
from tallystick.queue.kafka.address import Address

R = TypeVar("R")
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LOOK_EVERY = 0.1
"""Seconds between two looks at whether the brokers have answered or cannot be reached."""
REFUSALS = {
    KafkaError._AUTHENTICATION: "Kafka refuses the user or the password",
    KafkaError.SASL_AUTHENTICATION_FAILED: "Kafka refuses the user or the password",
    KafkaError._SSL: "the TLS handshake with Kafka failed",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Kafka refuses this user the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "Kafka refuses this user the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "Kafka refuses this user an operation on the cluster",
}
NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})


ELECTIONS = frozenset(
    {
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_CONTROLLER,
        KafkaError._WAIT_COORD,
        KafkaError._TRANSPORT,
        KafkaError._NOENT,  # the driver's word for a partition without a leader
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)
"""Errors that end when another broker has taken over from one that is gone."""
SILENCE = frozenset({KafkaError._TIMED_OUT})
"""What the driver says when a broker did not answer: it may be gone, and another one lead."""
TRIES = 4
"""The first try of a request takes this part of the time that there is, and each other one twice as long."""


class Refused(QueueUnavailable):
    """The brokers refuse the login or the operation."""


class Missing(QueueUnavailable):
    """The brokers do not have the topic."""


class _Exists(QueueUnavailable):
    """The brokers have a topic of this name."""


def explained(error: KafkaError | None) -> QueueUnavailable:
    """Tallystick's error for a driver's. The driver's text, which may show addresses, is not in it."""
    code = error.code() if error is not None else KafkaError._FAIL
    if code in REFUSALS:
        return Refused(REFUSALS[code])
    if code in NO_TOPIC:
        return Missing("Kafka does not have the topic")
    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return _Exists("Kafka has the topic already")
    if code in (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION):
        return QueueUnavailable("Kafka 4.0 or newer is needed")
    if code in (KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND):
        return QueueUnavailable("too few of the topic's replicas are in sync")
    name = error.name() if error is not None else "no reason given"
    return QueueUnavailable(f"Kafka cannot be reached, or failed ({name})")


def error_of(raised: BaseException) -> KafkaError | None:
    """The driver's error inside an exception."""
    given = raised.args[0] if raised.args else None
    return given if isinstance(given, KafkaError) else None


def settings_of(address: Address, patience: float, **own: Any) -> dict[str, Any]:
    """The driver's settings for a client. Its own log stays silent: errors are raised, and logged where caught."""
    return {
        **address.driver,
        "client.id": "tallystick",
        "log_level": 0,
        "log.connection.close": False,
        "socket.keepalive.enable": True,
        "socket.timeout.ms": max(1_000, int(patience * 1000)),
        "reconnect.backoff.max.ms": 1_000,
        **own,
    }


def after_elections(ask: Callable[[], R], patience: float) -> R:
    """What `ask` returns; for a thread. It is called again while a leader or a coordinator is being elected, since the
    driver's consumer hands some of these errors on. Raises KafkaException.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return ask()
        except KafkaException as raised:
            error = error_of(raised)
            if error is None or error.code() not in ELECTIONS or time.monotonic() >= until:
                raise
        time.sleep(LOOK_EVERY)


def committed(consumer: Consumer, partitions: list[TopicPartition], seconds: float) -> list[TopicPartition]:
    """What the consumer's group has committed of these partitions. Raises KafkaException."""
    found = consumer.committed(partitions, timeout=seconds)
    for at in found:
        if at.error is not None:
            raise KafkaException(at.error)
    return found


async def to_the_end(work: Coroutine[Any, Any, R]) -> R:
    """The result of `work`, which goes on if the caller is cancelled: a consumer of the driver's takes one call at a
    time, and a call in its thread cannot be stopped.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # marks it as retrieved
    return await asyncio.shield(task)


class Asking:
    """Asks the brokers; the first request connects. Every call raises QueueUnavailable without an answer in time."""

    def __init__(self, address: Address, patience: float) -> None:
        self.address = address
        self._patience = patience
        self._trouble: KafkaError | None = None
        self._client: AdminClient | None = None

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient(settings_of(self.address, self._patience, error_cb=self._failed))
        return self._client

    def _failed(self, error: KafkaError) -> None:
        if error.code() in REFUSALS or (error.code() == KafkaError._ALL_BROKERS_DOWN and self._trouble is None):
            self._trouble = error  # of both the refusal, which is the reason for the other

    def close(self) -> None:
        self._client = None

    async def brokers(self) -> int:
        """How many brokers there are. Raises at once, and not after the time-out, when none can be reached."""
        return await asyncio.to_thread(self._brokers)

    def _brokers(self) -> int:
        admin = self._admin()
        admin.poll(0)  # calls `_failed` for what was wrong before
        self._trouble = None
        until = time.monotonic() + self._patience
        wait = LOOK_EVERY
        while True:
            try:
                return len(admin.list_topics(self.address.topic, timeout=wait).brokers)
            except KafkaException as raised:
                admin.poll(0)  # calls `_failed`
                if self._trouble is not None or time.monotonic() >= until:
                    raise self._unreachable(self._trouble or error_of(raised)) from None
            wait = max(LOOK_EVERY, min(2 * wait, until - time.monotonic()))  # a busy broker needs longer

    def _unreachable(self, error: KafkaError | None) -> QueueUnavailable:
        where = f"TALLYSTICK_QUEUE_URL: {self.address.servers}: "
        if error is not None and error.code() in REFUSALS:
            return Refused(where + REFUSALS[error.code()])
        return QueueUnavailable(
            where + "Kafka cannot be reached; start the server, or correct its address in this setting"
        )

    async def answer(self, ask: Callable[[AdminClient, float], Future[R]]) -> R:
        """The result of one request."""
        (result,) = await self.answers(lambda admin, seconds: [ask(admin, seconds)])
        return result

    async def answers(self, ask: Callable[[AdminClient, float], Iterable[Future[R]]]) -> list[R]:
        """The results of requests that are sent together, in their order. They are sent again while a leader or a
        coordinator is being elected, and to a new leader when the one that was known is silent.
        """
        until = time.monotonic() + self._patience
        seconds = self._patience / TRIES
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    futures = [asyncio.wrap_future(future) for future in ask(self._admin(), seconds)]
                    try:
                        return list(await asyncio.gather(*futures))
                    except KafkaException as raised:
                        error = error_of(raised)
                        again = error is not None and (error.code() in ELECTIONS or error.code() in SILENCE)
                        if not again or time.monotonic() >= until:
                            raise explained(error) from None
                    await asyncio.sleep(LOOK_EVERY)
                    await asyncio.to_thread(self._refresh)
                    seconds = max(LOOK_EVERY, min(2 * seconds, until - time.monotonic()))
        except TimeoutError:
            raise QueueUnavailable(f"Kafka did not answer within {self._patience:g} seconds") from None

    def _refresh(self) -> None:
        """Learn who leads each partition now. The driver asks its own memory otherwise."""
        for topic in (self.address.topic, self.address.notes):
            with contextlib.suppress(KafkaException):
                self._admin().list_topics(topic, timeout=1.0)

    # --- topics ---------------------------------------------------------------------------------------------------

    async def partitions(self, topic: str) -> dict[int, int]:
        """The number of replicas of each of a topic's partitions. Raises Missing."""
        found = await self.answer(
            lambda admin, seconds: admin.describe_topics(TopicCollection([topic]), request_timeout=seconds)[topic]
        )
        return {partition.id: len(partition.replicas) for partition in found.partitions}

    async def create(self, topic: str, partitions: int, replicas: int, settings: Mapping[str, str]) -> bool:
        """Make a topic. False: there is one."""
        new = NewTopic(topic, num_partitions=partitions, replication_factor=replicas, config=dict(settings))
        try:
            await self.answer(lambda admin, seconds: admin.create_topics([new], request_timeout=seconds)[topic])
        except _Exists:
            return False
        return True

    async def topic_settings(self, topic: str) -> dict[str, str]:
        return await self._settings(ConfigResource(ConfigResource.Type.TOPIC, topic))

    async def broker_settings(self) -> dict[str, str]:
        """The settings of one broker; empty where this user may not read them."""
        try:
            cluster = await self.answer(lambda admin, seconds: admin.describe_cluster(request_timeout=seconds))
            broker = str(cluster.nodes[0].id)
            return await self._settings(ConfigResource(ConfigResource.Type.BROKER, broker))
        except Refused:
            return {}

    async def _settings(self, resource: ConfigResource) -> dict[str, str]:
        found = await self.answer(
            lambda admin, seconds: admin.describe_configs([resource], request_timeout=seconds)[resource]
        )
        return {name: entry.value for name, entry in found.items() if entry.value is not None}

    async def set_for_group(self, group: str, settings: Mapping[str, str]) -> None:
        """Set settings of a consumer group."""
        entries = [ConfigEntry(n, v, incremental_operation=AlterConfigOpType.SET) for n, v in settings.items()]
        resource = ConfigResource(ConfigResource.Type.GROUP, group, incremental_configs=entries)
        await self.answer(
            lambda admin, seconds: admin.incremental_alter_configs([resource], request_timeout=seconds)[resource]
        )

    # --- offsets --------------------------------------------------------------------------------------------------

    async def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offset after the last block of each partition."""
        return await self._offsets(partitions, LATEST)

    async def end_of(self, topic: str) -> int:
        """The offset after the last message of a topic of one partition."""
        wanted = {TopicPartition(topic, 0): LATEST}
        found = await self.answers(lambda admin, seconds: admin.list_offsets(wanted, request_timeout=seconds).values())
        return int(found[0].offset)

    async def beginnings(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offset of the first block that each partition still has."""
        return await self._offsets(partitions, EARLIEST)

    async def _offsets(self, partitions: Sequence[int], which: OffsetSpec) -> dict[int, int]:
        if not partitions:
            return {}
        wanted = {TopicPartition(self.address.topic, partition): which for partition in partitions}
        found = await self.answers(lambda admin, seconds: admin.list_offsets(wanted, request_timeout=seconds).values())
        return {at.partition: result.offset for at, result in zip(wanted, found, strict=True)}

    async def delete_before(self, offsets: Mapping[int, int]) -> None:
        """Delete the blocks before these offsets. Space comes back by whole segments."""
        before = [TopicPartition(self.address.topic, partition, offset) for partition, offset in offsets.items()]
        if before:
            await self.answers(lambda admin, seconds: admin.delete_records(before, request_timeout=seconds).values())
