"""Tallystick's processes side by side, clients that never try again, and restarts under their eyes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from tallystick.harness.server import TALLYSTICK, ServerFailed
from tests.servers.process import START_SECONDS, wait_until

STOP_SECONDS = 60.0
ANSWER_SECONDS = 60.0
"""For an answer, on a machine that does other things too; a connection that was lost fails at once."""
PAUSES = (0.002, 0.01, 0.05, 0.3, 1.5)
"""Seconds between the requests of a client: under load, and idle when the server it is connected to ends."""


class Part:
    """One `tallystick` command as a process with children of its own.

    Args:
        settings: environment variables; those of the shell are not passed on.
        log: file for its output, added to.
    """

    def __init__(self, arguments: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("TALLYSTICK_")}
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*TALLYSTICK, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**environment, **settings},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def until_it_says(self, text: str) -> re.Match[str]:
        """Wait for this (a pattern) in its output. Raises ServerFailed when it ends before."""

        def said() -> bool:
            if re.search(text, self.output):
                return True
            if self.process.poll() is not None:
                raise ServerFailed(f"it ended with {self.process.returncode}:\n{self.output[-2000:]}")
            return False

        wait_until(said, f"{text!r} of {self.process.args!r}", START_SECONDS)
        found = re.search(text, self.output)
        assert found is not None
        return found

    def until_ready(self) -> str:
        """Wait until it does its part; the URL that it shows, if any."""
        return self.until_it_says(r"Tallystick (?:is|takes|loads|answers).*?(http://\S+|\n)")[1].strip()

    def stop(self) -> float:
        """SIGTERM, and its end with 0; seconds that took. Raises ServerFailed."""
        began = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"it did not stop:\n{self.output[-2000:]}") from None
        if code != 0:
            raise ServerFailed(f"it stopped with {code}:\n{self.output[-2000:]}")
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Connection:
    """One HTTP/1.1 connection after the other. Nothing is sent twice: what goes wrong raises.

    A new one is opened when the server said that the last answer was the last, or closed an idle one.
    """

    def __init__(self, port: int, key: str = "") -> None:
        self._port = port
        self._key = f"x-api-key: {key}\r\n" if key else ""
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body. Raises OSError, EOFError or TimeoutError when there is no whole answer."""
        async with asyncio.timeout(ANSWER_SECONDS):
            if self._reader is None or self._reader.at_eof() or self._has_ended():
                await self.close()
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            assert self._reader is not None
            assert self._writer is not None
            head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            self._writer.write(f"{head}{self._key}content-length: {len(body)}\r\n\r\n".encode() + body)
            await self._writer.drain()
            said = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = re.search(r"\r\ncontent-length: (\d+)", said)
            answer = await self._reader.readexactly(int(length[1]) if length else 0)
            if "\r\nconnection: close" in said:
                await self.close()
            return int(said.split()[1]), answer

    def _has_ended(self) -> bool:
        """Whether the server has closed the idle connection, which the loop may not have read yet."""
        assert self._writer is not None
        waiting = select.poll()
        waiting.register(self._writer.get_extra_info("socket"), select.POLLIN)
        return bool(waiting.poll(0))

    async def close(self) -> None:
        """Before the next request a new one is opened."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Load:
    """Clients that send events and queries until they are stopped.

    Args:
        ingest: the port for events.
        serve: the port for queries; None: there are none.
        keys: for writing and for reading.

    Attributes:
        accepted: ids of events that got a 202.
        failures: what went wrong, one line each.
    """

    def __init__(self, seed: int, ingest: int, serve: int | None = None, keys: tuple[str, str] = ("", "")) -> None:
        self.accepted: set[str] = set()
        self.asked = 0
        self.failures: list[str] = []
        self._stopping = False
        self._write_key, self._read_key = keys
        chance = random.Random(seed)
        self._clients = [
            asyncio.create_task(self._send(ingest, random.Random(chance.random()), pause, keep))
            for pause in PAUSES
            for keep in (True, False)
        ]
        if serve is not None:
            self._clients += [
                asyncio.create_task(self._ask(serve, pause, keep)) for pause in PAUSES[2:] for keep in (True, False)
            ]

    async def stop(self) -> None:
        """End each client after the request it is at."""
        self._stopping = True
        await asyncio.gather(*self._clients)

    async def _send(self, port: int, chance: random.Random, pause: float, keep: bool) -> None:
        connection = Connection(port, self._write_key)
        while not self._stopping:
            ids = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(chance.choice((1, 1, 20)))]
            body = json.dumps([{"event_id": id_, "name": "rolled"} for id_ in ids]).encode()
            if await self._succeeds(connection, 202, "POST", "/v1/events", body) is not None:
                self.accepted.update(ids)
            if not keep:
                await connection.close()
            await asyncio.sleep(pause)
        await connection.close()

    async def _ask(self, port: int, pause: float, keep: bool) -> None:
        connection = Connection(port, self._read_key)
        while not self._stopping:
            if await self._succeeds(connection, 200, "GET", "/v1/query?metric=events&site_id=*") is not None:
                self.asked += 1
            if not keep:
                await connection.close()
            await asyncio.sleep(pause)
        await connection.close()

    async def _succeeds(self, connection: Connection, wanted: int, method: str, path: str, body: bytes = b"") -> Any:
        try:
            status, answer = await connection.ask(method, path, body)
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(f"{method} {path}: {type(error).__name__}: {error}")
            await connection.close()
            await asyncio.sleep(0.1)
            return None
        if status != wanted:
            self.failures.append(f"{method} {path}: {status}: {answer[:300].decode(errors='replace')}")
            return None
        return answer
