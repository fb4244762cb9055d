"""Which settings of a Kafka topic keep what was confirmed, and what is said about the others (G1, G5)."""

from __future__ import annotations

import pytest

from tallystick.queue.kafka.durability import judge, settings_for

LARGEST = 1_000_000
SAFE = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "unclean.leader.election.enable": "false",
    "max.message.bytes": "1000000",
    "min.insync.replicas": "2",
    "flush.messages": "9223372036854775807",
}


@pytest.mark.parametrize(
    ("changed", "replicas", "level"),
    [
        ({}, 3, "2 of 3 replicas"),
        ({"min.insync.replicas": "3"}, 3, "3 of 3 replicas"),
        ({}, 5, "2 of 5 replicas"),
        ({"flush.messages": "1", "min.insync.replicas": "1"}, 1, "fsync"),
        ({"flush.messages": "1"}, 3, "fsync"),
    ],
)
def test_settings_that_keep_what_was_confirmed(changed: dict[str, str], replicas: int, level: str) -> None:
    found = judge(SAFE | changed, replicas, LARGEST)

    assert (found.level, found.to_set) == (level, ())


@pytest.mark.parametrize(
    ("changed", "replicas", "to_set"),
    [
        ({"retention.ms": "604800000"}, 3, "retention.ms=-1 (it is 604800000)"),
        ({"retention.bytes": "1"}, 3, "retention.bytes=-1 (it is 1)"),
        ({"cleanup.policy": "compact"}, 3, "cleanup.policy=delete (it is compact)"),
        ({"cleanup.policy": "compact,delete"}, 3, "cleanup.policy=delete (it is compact,delete)"),
        ({"unclean.leader.election.enable": "true"}, 3, "unclean.leader.election.enable=false (it is true)"),
        ({"max.message.bytes": "999999"}, 3, "max.message.bytes=1000000 or more (it is 999999)"),
        ({"min.insync.replicas": "1"}, 3, "min.insync.replicas=2 (it is 1), or flush.messages=1"),
        ({}, 2, "3 replicas (it has 2), or flush.messages=1"),
        ({}, 1, "3 replicas (it has 1), or flush.messages=1"),
        ({"flush.messages": "2"}, 1, "3 replicas (it has 1), or flush.messages=1"),
    ],
)
def test_a_setting_that_is_too_weak_is_named(changed: dict[str, str], replicas: int, to_set: str) -> None:
    assert judge(SAFE | changed, replicas, LARGEST).to_set == (to_set,)


@pytest.mark.parametrize("name", sorted(SAFE.keys() - {"flush.messages"}))
def test_a_setting_that_is_not_known_counts_as_too_weak(name: str) -> None:
    hidden = {key: value for key, value in SAFE.items() if key != name}

    assert [text.partition("=")[0] for text in judge(hidden, 3, LARGEST).to_set] == [name]


def test_memory_of_one_machine_is_named_as_such() -> None:
    assert judge(SAFE, 1, LARGEST).level == "page cache"


@pytest.mark.parametrize("brokers", [1, 2, 3, 7])
def test_a_topic_that_is_made_is_one_that_is_accepted(brokers: int) -> None:
    replicas, settings = settings_for(brokers, LARGEST)

    assert replicas == min(3, brokers)
    assert judge({"flush.messages": "9223372036854775807"} | settings, replicas, LARGEST).to_set == ()
