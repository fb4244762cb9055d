"""What a new coordinator or leader costs: another try, and no failure of the request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tallystick.config import Settings
from tallystick.errors import QueueUnavailable
from tallystick.queue.kafka.address import parse_address
from tallystick.queue.kafka.client import ELECTIONS, SILENCE, Asking, after_elections


def raising(*codes: int) -> tuple[list[int], Callable[[], int]]:
    """Calls that were made, and a function that raises these errors one after another and then returns 7."""
    left = list(codes)
    made: list[int] = []

    def ask() -> int:
        made.append(1)
        if left:
            raise KafkaException(KafkaError(left.pop(0)))
        return 7

    return made, ask


@pytest.mark.parametrize("code", sorted(ELECTIONS))
def test_an_election_is_waited_for(code: int) -> None:
    made, ask = raising(code, KafkaError.NOT_COORDINATOR)
    assert after_elections(ask, 30.0) == 7
    assert len(made) == 3


def test_another_error_is_raised_at_once() -> None:
    made, ask = raising(KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        after_elections(ask, 30.0)
    assert len(made) == 1


def test_an_election_without_end_is_raised() -> None:
    made, ask = raising(*[KafkaError.NOT_COORDINATOR] * 3)
    with pytest.raises(KafkaException):
        after_elections(ask, 0.0)
    assert len(made) == 1


class Admin:
    """Notes of which topics the leaders are asked."""

    def __init__(self) -> None:
        self.refreshed: list[str] = []

    def list_topics(self, topic: str, timeout: float) -> None:
        assert timeout > 0
        self.refreshed.append(topic)


def asking() -> tuple[Asking, Admin]:
    asking = Asking(parse_address(Settings(queue_url="kafka://127.0.0.1:9092/events")), 30.0)
    admin = Admin()
    asking._client = cast(AdminClient, admin)
    return asking, admin


@pytest.mark.parametrize("code", sorted(ELECTIONS | SILENCE))
async def test_a_request_is_sent_again_to_the_leader_of_now(code: int) -> None:
    """Of both topics: the leader that the driver remembers may be gone, or back and no leader any more."""
    asked, admin = asking()
    given: list[float] = []

    def ask(_: AdminClient, seconds: float) -> Future[int]:
        given.append(seconds)
        future: Future[int] = Future()
        if len(given) == 1:
            future.set_exception(KafkaException(KafkaError(code)))
        else:
            future.set_result(7)
        return future

    assert await asked.answer(ask) == 7
    assert admin.refreshed == ["events", "events.published"]
    assert given[0] < given[1] < 30.0, "the first try leaves no time for another"


async def test_a_request_that_is_refused_is_not_sent_again() -> None:
    asked, admin = asking()
    future: Future[int] = Future()
    future.set_exception(KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)))
    with pytest.raises(QueueUnavailable, match="refuses this user the consumer group"):
        await asked.answer(lambda *_: future)
    assert admin.refreshed == []
