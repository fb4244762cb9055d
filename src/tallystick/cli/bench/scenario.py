"""`tallystick bench scenario`: virtual users, as load testing tools have them.

Each user has a connection. It sends a body, waits for the answer, pauses, and sends the next. So a slow server is asked
less often; what counts is how fast it answers so many clients at a time, and that nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import uvloop
from rich.console import Console

from tallystick.cli.bench.events import bodies
from tallystick.cli.bench.load import Subject, Target, drained, scratch_folder, verify
from tallystick.cli.bench.load_client import Connection, Load, Tally
from tallystick.cli.bench.report import Report, ScenarioFigures, machine
from tallystick.config import split_url
from tallystick.harness.deployment import Deployment
from tallystick.harness.server import ServerFailed

ANSWER_TIMEOUT = 60.0
"""Seconds after which a user gives up a request."""
MADE_AT_ONCE = 20_000
"""Events that are made at a time, beside the load."""
CLOSED, TIMEOUT, NO_CONNECTION = "connection closed", "no answer", "no connection"
UNKNOWN = (CLOSED, TIMEOUT)
"""Errors after which the events may be stored nevertheless."""


class Scenario(NamedTuple):
    """Who sends how much for how long.

    Attributes:
        seconds: how long the users send; each finishes its last request.
        body_events: events in a body.
        pause: seconds between an answer and the user's next request.
    """

    name: str
    users: int
    seconds: float
    body_events: int = 100
    pause: float = 0.1


SUSTAINED = Scenario("sustained", 50, 300.0)
SPIKE = Scenario("spike", 200, 30.0)


def measure_scenario(console: Console, folder: Path, subject: Subject, scenario: Scenario) -> Report:
    """Run the scenario against the running server that `subject` names, or against a new one in `folder`.

    Raises:
        ServerFailed: the server did not start, or did not store every accepted event.
    """
    folder.mkdir(parents=True, exist_ok=True)
    queue, store = (split_url(url).scheme for url in (subject.queue_url, subject.store_url))
    report = Report(machine(folder), queue=queue or "sqlite", store=store or "duckdb")
    if (url := subject.url) is not None:
        report.scenario.append(_measure(console, Target(url, url, None, subject.key), scenario))
        return report
    with (
        scratch_folder(folder) as data,
        Deployment(data, subject.queue_url, subject.store_url, workers=subject.workers) as processes,
    ):
        target = Target(processes.write_url, processes.read_url, processes)
        report.scenario.append(_measure(console, target, scenario))
    return report


def _measure(console: Console, target: Target, scenario: Scenario) -> ScenarioFigures:
    console.print(
        f"{scenario.name}: {scenario.users} users for {scenario.seconds:g} s, bodies of {scenario.body_events} events …"
    )
    with closing(target.api()) as api:
        before = drained(api)
        tally, errors = uvloop.run(run_users(target, scenario))
        console.print("waiting until everything is stored …")
        stored = drained(api, before + tally.events) - before
        queryable = time.perf_counter() - tally.ended
        unknown = sum(errors[kind] for kind in UNKNOWN) * scenario.body_events
        if not tally.events <= stored <= tally.events + unknown:
            raise ServerFailed(f"{tally.events} events were accepted and {stored} are stored")
        verify(api)
    if not tally.requests:
        raise ServerFailed(f"no request was accepted: {dict(errors)}")
    return ScenarioFigures(
        scenario=scenario.name,
        users=scenario.users,
        body_events=scenario.body_events,
        pause_ms=scenario.pause * 1_000,
        seconds=tally.seconds,
        requests=tally.requests,
        events=tally.events,
        requests_per_second=tally.requests / tally.seconds,
        events_per_second=tally.events / tally.seconds,
        p50_ms=tally.milliseconds(50),
        p95_ms=tally.milliseconds(95),
        p99_ms=tally.milliseconds(99),
        max_ms=tally.milliseconds(100),
        errors=dict(errors),
        stored=stored,
        seconds_to_stored=queryable,
    )


async def run_users(target: Target, scenario: Scenario) -> tuple[Tally, Counter[str]]:
    """What the users' requests gave: the accepted ones, and how often each error occurred."""
    tally, errors = Tally(), Counter[str]()
    waiting: asyncio.Queue[bytes] = asyncio.Queue(2 * scenario.users)
    maker = asyncio.create_task(_make_requests(target, scenario, waiting))
    tally.began = tally.ended = time.perf_counter()
    until = tally.began + scenario.seconds
    users = [_User(target.url, waiting, tally, errors, scenario) for _ in range(scenario.users)]
    try:
        await asyncio.gather(*(user.run(until) for user in users))
    finally:
        maker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await maker
    tally.ended = time.perf_counter()
    return tally, errors


async def _make_requests(target: Target, scenario: Scenario, waiting: asyncio.Queue[bytes]) -> None:
    size = scenario.body_events
    for seed in itertools.count(1):
        made = await asyncio.to_thread(
            bodies, max(size, MADE_AT_ONCE // size * size), size, time.time_ns() // 1_000, seed
        )
        for request in target.wrap(made):
            await waiting.put(request)


class _User(Load):
    """A virtual user. It is also what its connection reports answers to."""

    def __init__(
        self, url: str, waiting: asyncio.Queue[bytes], tally: Tally, errors: Counter[str], scenario: Scenario
    ) -> None:
        self.tally = tally
        self._url, self._waiting, self._errors, self._scenario = url, waiting, errors, scenario
        self._connection: Connection | None = None
        self._answer: asyncio.Future[tuple[str, int]] | None = None

    async def run(self, until: float) -> None:
        """Send one request after the other up to `until`, in seconds of `time.perf_counter()`."""
        while time.perf_counter() < until:
            await self._request(await self._waiting.get())
            await asyncio.sleep(self._scenario.pause)
        if self._connection is not None:
            await self._connection.close()

    async def _request(self, request: bytes) -> None:
        began = time.perf_counter()
        try:
            connection = self._connection or await self._connect()
        except OSError:
            self._errors[NO_CONNECTION] += 1
            return
        self._answer = asyncio.get_running_loop().create_future()
        connection.send(request, began)
        try:
            status, events = await asyncio.wait_for(self._answer, ANSWER_TIMEOUT)
        except TimeoutError:
            status, events = TIMEOUT, 0
        if status == "202":
            self.tally.latencies.append(time.perf_counter() - began)
            self.tally.events += events
            return
        self._errors[status] += 1
        if status in UNKNOWN:
            self._connection = None
            await connection.close()

    async def _connect(self) -> Connection:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        _, made = await asyncio.get_running_loop().create_connection(lambda: Connection(self), host, port)
        self._connection = made
        return made

    def _answered(self, status: str, events: int = 0) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, events))

    def accepted(self, connection: Connection, since: float, events: int) -> None:
        self._answered("202", events)

    def refused(self, connection: Connection, request: bytes, since: float, pause: float) -> None:
        self._answered("503")

    def failed(self, reason: str) -> None:
        if reason.startswith("HTTP/1."):
            self._answered(reason[9:12])
        else:
            self._connection = None
            self._answered(CLOSED)


def error_share(figures: Sequence[ScenarioFigures]) -> float:
    """Errors of all requests, from 0 to 1."""
    failed = sum(sum(one.errors.values()) for one in figures)
    return failed / max(1, failed + sum(one.requests for one in figures))
