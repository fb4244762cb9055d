"""`tallystick demo`: sends the events of an imaginary shop's visitors to a running server."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.demo.world import Sent, World
from tallystick.cli.importing.sending import Outcome, ServerSink

TICK = 0.1
"""Seconds of events that one request sends."""
MOST_EVENTS = 5_000
PATIENCE = 15.0
"""Seconds for which an unreachable server is retried: long enough for its restart."""
IN_FLIGHT = 8

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick demo

  tallystick demo --rate 500 --duration 60

  tallystick demo --events 100000 --rate 20000 --seed 7 --url http://127.0.0.1:9000

The visitors come in sessions of several pages, some from a referrer, some often and most rarely; they search, fill a
cart, buy, and drop out of the sign-up one step after the other. About 3 in 100 sessions arrive hours late and 1 event
in 100 is sent twice: the server stores it once.
""")


def demo(
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=100_000, help="Events per second, on average.")] = 20.0,
    duration: Annotated[float | None, typer.Option("--duration", min=0.1, help="Stop after this many seconds.")] = None,
    events: Annotated[int | None, typer.Option("--events", min=1, help="Stop after this many events.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed makes the same visitors.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Site that the events belong to.")] = None,
    url: Annotated[str, typer.Option("--url", help="The running server.")] = "http://127.0.0.1:8000",
    key_file: options.KeyFileOption = None,
) -> None:
    """Send realistic events to a running server until Ctrl-C, --duration or --events."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    sent = World(seed, datetime.now(UTC), rate)
    tally = _Tally()
    server = ServerClient(url, key=options.load_settings(key_file=key_file).client_key())
    try:
        asyncio.run(_send(_portions(sent, duration, events, site), server, tally, events))
    finally:
        console.out.print(f"{tally.accepted:,} events accepted, {tally.rejected:,} rejected (seed {seed})")
    if tally.rejected:
        raise typer.Exit(console.EXIT_DIFFERENCE)


class _Tally:
    accepted = 0
    rejected = 0

    def add(self, outcome: Outcome) -> None:
        self.accepted += outcome.accepted
        self.rejected += len(outcome.rejected)


def _portions(
    world: World, duration: float | None, events: int | None, site: str | None
) -> Iterator[tuple[float, list[Sent]]]:
    """The events of each tick, split into requests, with the second at which the tick ends."""
    sent: Iterator[Sent] = itertools.islice(world, events)
    if duration is not None:
        sent = itertools.takewhile(lambda one: one.at < duration, sent)
    for tick, group in itertools.groupby(sent, lambda one: int(one.at / TICK)):
        portion = list(group)
        if site is not None:
            for one in portion:
                one.event["site_id"] = site
        for start in range(0, len(portion), MOST_EVENTS):
            yield (tick + 1) * TICK, portion[start : start + MOST_EVENTS]


async def _send(
    portions: Iterator[tuple[float, list[Sent]]], to: ServerClient, tally: _Tally, events: int | None
) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]} events/s"),
        TimeElapsedColumn(),
    )
    async with to as server:
        await server.get("/healthz")
        with Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
            bar = progress.add_task("sending", total=events, rate="0")

            def waiting(reason: str) -> None:
                progress.update(bar, description=f"waiting: {reason}")

            sink = ServerSink(server, waiting, PATIENCE)
            started = time.monotonic()
            room = asyncio.Semaphore(IN_FLIGHT)

            async def deliver(portion: list[Sent]) -> None:
                try:
                    body = msgspec.json.Encoder().encode_lines([one.event for one in portion])
                    tally.add(await sink.send(body, len(portion)))
                finally:
                    room.release()
                done = tally.accepted + tally.rejected
                rate = f"{done / max(time.monotonic() - started, TICK):,.0f}"
                progress.update(bar, description="sending", completed=done, rate=rate)

            try:
                async with asyncio.TaskGroup() as requests:
                    for due, portion in portions:
                        await asyncio.sleep(max(0.0, due - (time.monotonic() - started)))
                        await room.acquire()
                        requests.create_task(deliver(portion))
            except ExceptionGroup as group:
                raise group.exceptions[0] from group
