"""How durable a topic is, and which settings a confirmed block needs to be safe (G1). No I/O."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

LEAST_REPLICAS = 3
LEAST_IN_SYNC = 2
FOREVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
"""With these settings no block is removed before Tallystick removes it."""


class Durability(msgspec.Struct, frozen=True):
    """How durable a topic is.

    Attributes:
        level: the level shown to operators.
        to_set: for each setting that is too weak, the value to set and the present value.
    """

    level: str
    to_set: tuple[str, ...] = ()


def judge(settings: Mapping[str, str], replicas: int, largest: int) -> Durability:
    """The durability of a topic by its settings. A setting that is not known counts as too weak.

    Args:
        replicas: the fewest of a partition.
        largest: bytes of the largest block that the topic has to take.
    """
    is_ = {name: settings.get(name, "not known") for name in _NAMES}
    to_set = [f"{name}={value} (it is {is_[name]})" for name, value in FOREVER.items() if is_[name] != value]
    if is_["unclean.leader.election.enable"] != "false":
        to_set.append(f"unclean.leader.election.enable=false (it is {is_['unclean.leader.election.enable']})")
    if _number(is_["max.message.bytes"]) < largest:
        to_set.append(f"max.message.bytes={largest} or more (it is {is_['max.message.bytes']})")
    in_sync = min(_number(is_["min.insync.replicas"]), replicas)
    if is_["flush.messages"] == "1":
        return Durability("fsync", tuple(to_set))
    if replicas < LEAST_REPLICAS:
        to_set.append(f"{LEAST_REPLICAS} replicas (it has {replicas}), or flush.messages=1")
    elif in_sync < LEAST_IN_SYNC:
        to_set.append(f"min.insync.replicas={LEAST_IN_SYNC} (it is {is_['min.insync.replicas']}), or flush.messages=1")
    level = f"{in_sync} of {replicas} replicas" if in_sync >= LEAST_IN_SYNC else "page cache"
    return Durability(level, tuple(to_set))


_NAMES = (*FOREVER, "unclean.leader.election.enable", "max.message.bytes", "min.insync.replicas", "flush.messages")


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0


def settings_for(brokers: int, largest: int) -> tuple[int, dict[str, str]]:
    """How many replicas a new topic of blocks gets, and its settings.

    On fewer than three brokers it is flushed at each write: memory of one or two machines is not durable.
    """
    replicas = min(LEAST_REPLICAS, brokers)
    settings = {
        **FOREVER,
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(largest),
        "segment.bytes": str(64 << 20),  # space comes back by whole segments
        "min.insync.replicas": str(LEAST_IN_SYNC if replicas >= LEAST_REPLICAS else 1),
    }
    if replicas < LEAST_REPLICAS:
        settings["flush.messages"] = "1"
    return replicas, settings
