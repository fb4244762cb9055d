"""Starts real servers for one command: `python -m benchmarks.servers COMMAND …`.

In the command, {postgres}, {clickhouse}, {redis}, {rabbitmq} and {kafka} are replaced by the URLs of new servers. These
are durable, empty, in temporary folders, and removed afterwards:

    .venv/bin/python -m benchmarks.servers .venv/bin/tallystick bench --queue {redis} --store {postgres}

ClickHouse may use 2 GiB of memory, as in the tests; `--memory 8` before the command gives it 8.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tests.servers.clickhouse import ClickHouseServer
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import RealServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

Kind = type[PostgresServer] | type[ClickHouseServer] | type[RedisServer] | type[RabbitServer] | type[KafkaServer]
SERVERS: dict[str, Kind] = {
    "postgres": PostgresServer,
    "clickhouse": ClickHouseServer,
    "redis": RedisServer,
    "rabbitmq": RabbitServer,
    "kafka": KafkaServer,
}


def run(words: Sequence[str], memory: int) -> int:
    """Start the servers that the command names, run it, and stop them. Returns the command's exit status.

    Args:
        memory: bytes that ClickHouse may use.
    """
    urls = {}
    with ExitStack() as stack:
        for name, kind in SERVERS.items():
            if any(f"{{{name}}}" in word for word in words):
                folder = stack.enter_context(scratch_folder(name))
                server: RealServer = (
                    ClickHouseServer(folder, memory=memory) if kind is ClickHouseServer else kind(folder)
                )
                stack.callback(server.kill)
                server.start()
                if isinstance(server, PostgresServer | ClickHouseServer):
                    urls[name] = server.new_database()
                else:
                    urls[name] = server.url
        return subprocess.run([_filled(word, urls) for word in words], check=False).returncode


def _filled(word: str, urls: dict[str, str]) -> str:
    for name, url in urls.items():
        word = word.replace(f"{{{name}}}", url)
    return word


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description="Start servers for a command.")
    parser.add_argument("--memory", type=int, default=2, metavar="GIB", help="of ClickHouse (default: 2)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="with the names of servers in braces")
    given = parser.parse_args()
    sys.exit(run(given.command, given.memory << 30))
