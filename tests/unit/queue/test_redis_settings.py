"""What is taken from a Redis URL and from a Redis server's settings, without a server."""

from __future__ import annotations

import traceback

import pytest

from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.queue import make_queue
from tallystick.queue.redis.connection import Address
from tallystick.queue.redis.durability import NEEDED, judge
from tallystick.queue.redis.scripts import SCRIPTS, key_names

STRONG = dict(NEEDED)


def test_what_is_asked_for_is_fsync() -> None:
    """G1."""
    assert judge(STRONG).level == "fsync"
    assert judge(STRONG).to_set == ()


@pytest.mark.parametrize(
    ("weak", "level"),
    [
        ({"appendonly": "no"}, "memory"),
        ({"appendfsync": "everysec"}, "everysec"),
        ({"appendfsync": "no"}, "page cache"),
        ({"no-appendfsync-on-rewrite": "yes"}, "fsync except while the log is rewritten"),
        ({"maxmemory-policy": "allkeys-lru"}, "fsync, allkeys-lru"),
        ({"appendonly": "no", "maxmemory-policy": "volatile-ttl"}, "memory, volatile-ttl"),
    ],
)
def test_each_weaker_setting_has_its_level_and_is_named(weak: dict[str, str], level: str) -> None:
    """G1: what is shown is what is so."""
    found = judge(STRONG | weak)

    assert found.level == level
    assert found.to_set == tuple(f"{name} {NEEDED[name]} (it is {weak[name]})" for name in NEEDED if name in weak)


def test_a_setting_that_the_server_does_not_name_is_too_weak() -> None:
    """G1: nothing is assumed."""
    assert judge({}).level != "fsync"
    assert len(judge({}).to_set) == len(NEEDED)


def test_an_address_is_shown_without_its_password() -> None:
    """G12."""
    address = Address("rediss://me:geheim@redis.example:7000/3?stream=mine")

    assert address.shown == "redis.example:7000"
    assert address.stream == "mine"
    assert "geheim" not in repr(address.new())


def test_an_address_has_defaults() -> None:
    address = Address("redis://localhost")

    assert (address.shown, address.stream) == ("localhost:6379", "tallystick")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:geheim@localhost:port/0",
        "redis://:ge/heim@localhost",
        "redis://:ge#heim@localhost",
        "redis://:ge[heim@localhost",
        "redis://:geheim@localhost?no_such_option=1",
        "redis://:geheim@localhost?protocol=new",
        "redis://:geheim@localhost?db=geheim",
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    """G12: nor any part of it, which may be that of a password."""
    with pytest.raises(ConfigError, match="TALLYSTICK_QUEUE_URL cannot be read") as raised:
        Address(url)

    assert "heim" not in "".join(traceback.format_exception(raised.value)).replace(repr(url), "")


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_urls_scheme_chooses_the_queue(scheme: str) -> None:
    queue = make_queue(Settings(queue_url=f"{scheme}://localhost"))

    assert type(queue).__name__ == "RedisQueue"
    assert queue.durability == "fsync"


def test_only_publishing_is_refused_without_memory() -> None:
    """G5: what makes room runs when there is none."""
    first_lines = {name: script.text.partition("\n")[0] for name, script in SCRIPTS.items()}

    assert first_lines.pop("publish") == "#!lua"
    assert all("allow-oom" in line for line in first_lines.values())


def test_the_keys_of_a_queue_are_on_one_node() -> None:
    names = key_names("mine")

    assert names["blocks"] == "{mine}:blocks"
    assert all(name.startswith("{mine}:") for name in names.values())
