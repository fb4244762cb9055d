"""What a refused commit costs: it is made again, whether or not another block is acknowledged, and none is mistaken."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tallystick.config import Settings
from tallystick.queue.kafka.address import parse_address
from tallystick.queue.kafka.member import STALE, Listener, Member
from tallystick.queue.kafka.offsets import Progress, Tracker

REFUSALS = [*sorted(STALE), KafkaError.NOT_COORDINATOR, KafkaError._TIMED_OUT]


class Commits:
    """Takes a member's commits instead of the driver, and answers none."""

    def __init__(self) -> None:
        self.made: list[list[TopicPartition]] = []

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.made.append(offsets)


def member_of(*trackers: Tracker) -> tuple[Member, Commits]:
    """A member that has these partitions, and is not started: the test calls what its thread would."""

    def told(*_: object) -> None:
        """Nobody listens."""

    address = parse_address(Settings(queue_url="kafka://127.0.0.1:9092/events"))
    member = Member(address, 1.0, threading.Lock(), Listener(told, told, told, told))
    member._trackers = {tracker.partition: tracker for tracker in trackers}
    commits = Commits()
    member._driver = cast(Consumer, commits)
    return member, commits


def acknowledged(partition: int = 0) -> Tracker:
    """A partition of one block, which is acknowledged and not committed."""
    tracker = Tracker(partition, Progress(0))
    tracker.arrived(0, 5, 100)
    tracker.acknowledge(0)
    return tracker


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_commit_that_was_not_taken_is_made_again(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """G11: otherwise what is stored would count as queued until another block is acknowledged."""
    monkeypatch.setattr("tallystick.queue.kafka.member.COMMIT_AGAIN", 0.0)
    member, commits = member_of(tracker := acknowledged())
    waiter = member.commit()
    member._obey()
    member._commit_done(KafkaError(code), commits.made[0])
    assert tracker.committed == 0

    member._obey()
    assert len(commits.made) == 2
    member._commit_done(None, commits.made[1])
    member._obey()

    assert tracker.committed == 1
    assert len(commits.made) == 2, "a commit that was taken is made again"
    await asyncio.wait_for(waiter, 30.0)


@pytest.mark.parametrize("code", sorted(STALE))
async def test_a_worker_does_not_wait_for_the_end_of_a_rebalance(code: int) -> None:
    member, commits = member_of(acknowledged())
    waiter = member.commit()
    member._obey()
    member._commit_done(KafkaError(code), commits.made[0])
    await asyncio.wait_for(waiter, 30.0)


async def test_the_answer_to_the_last_commit_of_a_lost_partition_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tallystick.queue.kafka.member.COMMIT_AGAIN", 0.0)
    member, commits = member_of(tracker := acknowledged())
    waiter = member.commit()
    member._obey()

    member._commit_done(None, [TopicPartition("events", 1, 7)])
    await asyncio.sleep(0)
    assert (tracker.committed, waiter.done()) == (0, False)

    member._commit_done(None, commits.made[0])
    assert tracker.committed == 1
    await asyncio.wait_for(waiter, 30.0)


async def test_a_partition_that_is_gone_is_not_committed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group has given it to another worker, whose commit this one would overwrite."""
    monkeypatch.setattr("tallystick.queue.kafka.member.COMMIT_AGAIN", 0.0)
    member, commits = member_of(acknowledged())
    member.commit()
    member._obey()
    member._commit_done(KafkaError(KafkaError.UNKNOWN_MEMBER_ID), commits.made[0])
    member._trackers.clear()
    member._obey()
    member._obey()
    assert len(commits.made) == 1
