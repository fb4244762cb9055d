"""How durable a Redis server's settings are, and which settings a confirmed block needs to be safe (G1)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

NEEDED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}
"""With these settings a write is on disk before its answer, even during a log rewrite, and nothing is evicted."""
MINIMUM_VERSION = 7


class Durability(msgspec.Struct, frozen=True):
    """How durable a server's writes are.

    Attributes:
        level: the level shown to operators. Only `fsync` keeps G1.
        to_set: for each setting that is too weak, the value to set and the present value.
    """

    level: str
    to_set: tuple[str, ...] = ()


UNREADABLE = Durability("unknown", ("the right to run CONFIG GET, which this server forbids",))


def judge(settings: Mapping[str, str]) -> Durability:
    """The durability of a server by its answer to CONFIG GET. A missing setting counts as too weak."""
    is_ = {name: settings.get(name, "not known") for name in NEEDED}
    to_set = tuple(f"{name} {value} (it is {is_[name]})" for name, value in NEEDED.items() if is_[name] != value)
    if is_["appendonly"] != "yes":
        level = "memory"
    elif is_["appendfsync"] != "always":
        level = is_["appendfsync"] if is_["appendfsync"] == "everysec" else "page cache"
    elif is_["no-appendfsync-on-rewrite"] != "no":
        level = "fsync except while the log is rewritten"
    else:
        level = "fsync"
    if is_["maxmemory-policy"] != "noeviction":
        level += f", {is_['maxmemory-policy']}"
    return Durability(level, to_set)
