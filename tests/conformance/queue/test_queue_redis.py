"""What only the queue in Redis does, with real servers: durability, memory and disk limits, ways to reach it."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError, QueueFull, QueueUnavailable
from tallystick.queue import Queue, make_queue
from tallystick.queue.redis import connection
from tests.helpers.queue.redis_steps import finished, fresh
from tests.helpers.queue.steps import opened, take, take_all
from tests.helpers.samples import incompressible_block, sample_block
from tests.servers.process import needed
from tests.servers.redis import RedisServer, Tls
from tests.servers.scratch import scratch_folder

# --- the name of the time before -----------------------------------------------------------------------------------


async def test_blocks_under_the_old_default_name_are_not_passed_over(own_redis: RedisServer, strict: Settings) -> None:
    """G1: a new, empty stream beside them would leave accepted events waiting for ever."""
    old = strict.model_copy(update={"queue_url": f"{own_redis.url}?stream=runnel"})
    async with opened(old) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(3)])

    with pytest.raises(ConfigError, match=r"has 3 blocks in the stream 'runnel'.* add \?stream=runnel to"):
        await make_queue(strict).open()
    async with opened(strict.model_copy(update={"queue_url": f"{own_redis.url}?stream=tallystick"})):
        pass  # the consumer that names it gets it

    async with opened(old) as queue:
        for batch in [await take(queue)]:
            assert len(batch.blocks) == 3
            await batch.ack()
    async with opened(strict) as queue:
        assert (await queue.depth()).blocks == 0


async def test_a_user_with_its_own_keys_only_needs_no_right_to_the_old_ones(
    own_redis: RedisServer, strict: Settings
) -> None:
    own_redis.ask("ACL", "SETUSER", "own", "on", ">secret", "~{tallystick}:*", "+@all")
    url = f"redis://own:secret@127.0.0.1:{own_redis.port}"
    async with opened(strict.model_copy(update={"queue_url": url})) as queue:
        await queue.publish([sample_block(0, [0])])


async def test_the_group_under_its_old_name_is_taken_over(own_redis: RedisServer, strict: Settings) -> None:
    """G2: what it had in hand is delivered, what it never had too, and what is acknowledged leaves the stream."""
    blocks, index = "{runnel}:blocks", "{runnel}:index"
    old = strict.model_copy(update={"queue_url": f"{own_redis.url}?stream=runnel"})
    async with opened(old) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(5)])
        own_redis.ask("XGROUP", "CREATE", blocks, "runnel", "0")
        own_redis.ask("XREADGROUP", "GROUP", "runnel", "gone", "COUNT", 2, "STREAMS", blocks, ">")

        assert [block.seq for block in await take_all(queue)] == [0, 1, 2, 3, 4]
        assert own_redis.ask("XLEN", blocks) == own_redis.ask("XLEN", index) == 0
        groups = own_redis.ask("XINFO", "GROUPS", blocks)
        assert [group[b"name"] for group in groups] == [b"tallystick"]


# --- durability -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("appendonly", "no", "memory"),
        ("appendfsync", "everysec", "everysec"),
        ("appendfsync", "no", "page cache"),
        ("no-appendfsync-on-rewrite", "yes", "fsync except while the log is rewritten"),
        ("maxmemory-policy", "allkeys-lru", "fsync, allkeys-lru"),
    ],
)
async def test_a_server_that_can_lose_events_has_to_be_allowed(
    own_redis: RedisServer, strict: Settings, name: str, value: str, level: str
) -> None:
    """G1: refused with what to set; allowed by name, it says what it is."""
    needed = own_redis.ask("CONFIG", "GET", name)[name.encode()].decode()
    own_redis.ask("CONFIG", "SET", name, value)

    with pytest.raises(ConfigError, match=f"{name} {needed} .it is {value}.*TALLYSTICK_ALLOW_WEAK_DURABILITY=true"):
        await make_queue(strict).open()

    async with opened(strict.model_copy(update={"allow_weak_durability": True})) as queue:
        assert queue.durability == level


async def test_a_server_whose_settings_cannot_be_read_has_to_be_allowed(
    own_redis: RedisServer, strict: Settings
) -> None:
    """G1: nothing is assumed."""
    own_redis.ask("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-config")
    url = f"redis://limited:secret@127.0.0.1:{own_redis.port}"

    with pytest.raises(ConfigError, match="CONFIG GET, which this server forbids"):
        await make_queue(strict.model_copy(update={"queue_url": url})).open()

    async with opened(strict.model_copy(update={"queue_url": url, "allow_weak_durability": True})) as queue:
        assert queue.durability == "unknown"
        await queue.publish([sample_block(0, [1])])


async def test_a_server_that_comes_back_weaker_takes_nothing(own_redis: RedisServer, strict: Settings) -> None:
    """G1: looked at after each connecting, not only at the start."""
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        await asyncio.to_thread(own_redis.stop)
        own_redis.configure(appendfsync="everysec")
        await asyncio.to_thread(own_redis.start)
        with pytest.raises(QueueUnavailable) as refused:
            await queue.publish([sample_block(1, [1])])
        assert "appendfsync always" in refused.value.whole
        assert queue.durability == "everysec"

        own_redis.ask("CONFIG", "SET", "appendfsync", "always")

        await queue.publish([sample_block(1, [1])])
        assert queue.durability == "fsync"
        assert [block.seq for block in await take_all(queue)] == [0, 1]


async def test_a_server_that_is_made_weaker_is_noticed_on_the_same_connection(
    own_redis: RedisServer, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1: now and then, while it is used."""
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        own_redis.ask("CONFIG", "SET", "appendfsync", "everysec")
        monkeypatch.setattr(connection, "GREET_EVERY", 0.0)

        with pytest.raises(QueueUnavailable) as refused:
            await queue.publish([sample_block(1, [1])])
        assert "appendfsync always" in refused.value.whole


# --- full -----------------------------------------------------------------------------------------------------------


async def fill(queue: Queue, size: int = 200_000) -> int:
    for seq in range(1000):
        try:
            await queue.publish([incompressible_block(seq, size)])
        except QueueFull:
            return seq
    raise AssertionError("200 MB fitted into a few")


async def test_the_memory_limit_is_full_and_takes_nothing(own_redis: RedisServer, strict: Settings) -> None:
    """G5: nothing is evicted, nothing half taken; reading and acknowledging make room; it recovers by itself."""
    own_redis.ask("CONFIG", "SET", "maxmemory", 8 * MIB)
    async with opened(strict) as queue:
        taken = await fill(queue)
        books = await queue.books()
        with pytest.raises(QueueFull, match="memory limit"):
            await queue.publish([incompressible_block(taken + n, 200_000) for n in range(3)])
        assert await queue.books() == books
        assert books.published[sample_block(0, []).ingester].next_seq == taken > 5

        batch = await take(queue, max_events=taken - 2)
        await batch.nack()
        own_redis.ask("CONFIG", "SET", "maxmemory", 1)  # not even a byte
        batch = await take(queue, max_events=taken - 2)
        await batch.ack()
        own_redis.ask("CONFIG", "SET", "maxmemory", 8 * MIB)

        await queue.publish([incompressible_block(taken, 200_000)])
        assert [block.seq for block in await take_all(queue)] == list(range(taken - 2, taken + 1))


async def test_the_budget_is_one_for_all_ingesters(own_redis: RedisServer, strict: Settings) -> None:
    """G5: kept by Redis in the step that takes the blocks."""
    small = strict.model_copy(update={"queue_max_bytes": MIB})
    async with opened(small) as first, opened(small) as second:

        async def fill_from(queue: Queue) -> int:
            ingester = fresh()
            for seq in range(100):
                try:
                    await queue.publish([incompressible_block(seq, ingester=ingester)])
                except QueueFull:
                    return seq
            raise AssertionError("it never was full")

        taken = sum(await asyncio.gather(fill_from(first), fill_from(second)))

        depth = await first.depth()
        assert depth.blocks == taken
        assert depth.bytes is not None
        assert MIB - 140_000 < depth.bytes <= MIB


async def test_a_server_that_cannot_write_to_its_disk_is_full(own_redis: RedisServer, strict: Settings) -> None:
    """G5, G6: MISCONF is a clean no; it recovers when the disk does."""
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        own_redis.ask("CONFIG", "SET", "save", "3600 1")
        own_redis.folder.chmod(0o555)
        await save(own_redis)
        with pytest.raises(QueueFull, match="MISCONF"):
            await queue.publish([sample_block(1, [1])])

        own_redis.folder.chmod(0o755)
        await save(own_redis)

        await queue.publish([sample_block(1, [1])])
        assert [block.seq for block in await take_all(queue)] == [0, 1]


async def save(own_redis: RedisServer) -> None:
    """A snapshot in the background, finished, with whatever result."""
    own_redis.ask("BGSAVE")
    await finished(own_redis, "rdb_bgsave_in_progress")


# --- ways to reach it -----------------------------------------------------------------------------------------------


async def test_tls(strict: Settings) -> None:
    """G12: by the URL alone; a server with an unknown certificate is refused."""
    with scratch_folder("redis-tls") as folder:
        server = RedisServer(folder, tls=certify(folder))
        server.start()
        try:
            with pytest.raises(QueueUnavailable) as refused:
                await make_queue(strict.model_copy(update={"queue_url": server.tls_url})).open()
            assert "CERTIFICATE_VERIFY_FAILED" in refused.value.whole
            url = f"{server.tls_url}?ssl_ca_certs={folder / 'server.crt'}"
            async with opened(strict.model_copy(update={"queue_url": url})) as queue:
                await queue.publish([sample_block(0, [0])])
                assert len(await take_all(queue)) == 1
        finally:
            server.kill()


def certify(folder: Path) -> Tls:
    """A certificate for localhost that only who has it trusts."""
    certificate, key = folder / "server.crt", folder / "server.key"
    command = [
        str(needed("openssl", "openssl")),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-out",
        str(certificate),
        "-keyout",
        str(key),
    ]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o644)  # for the server's own user; the folder is gone after the test
    return Tls(certificate, certificate, key)


async def test_a_unix_socket(own_redis: RedisServer, strict: Settings) -> None:
    async with opened(strict.model_copy(update={"queue_url": own_redis.socket_url})) as queue:
        await queue.publish([sample_block(0, [0])])
        assert len(await take_all(queue)) == 1
