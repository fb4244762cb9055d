"""`tallystick demo`: sends the events of an imaginary shop's visitors to a running server."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.demo.example import IMPORT_ID, send_example
from tallystick.cli.demo.history import enriched, history
from tallystick.cli.demo.world import Sent, World
from tallystick.cli.importing.sending import Outcome, ServerSink
from tallystick.cli.importing.undo import undo_command
from tallystick.config import SERVER
from tallystick.errors import ConfigError

TICK = 0.1
"""Seconds of events that one request sends."""
MOST_EVENTS = 5_000
PATIENCE = 15.0
"""Seconds for which an unreachable server is retried: long enough for its restart."""
IN_FLIGHT = 8
RATE = 20.0
PER_DAY = 1_000
"""Events of a day with --days, where --events does not say how many there are of all days."""
MOST_DAYS = 3_650

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick demo --days 30

  tallystick demo

  tallystick demo --example

  tallystick demo --rate 500 --duration 60

  tallystick demo --events 100000 --rate 20000 --seed 7 --url http://127.0.0.1:9000

--example sends the few dated events (June 2025) that the documents' numbers come from, at once and always the same.

The visitors come in sessions of several pages, some from a referrer, some often and most rarely; they search, fill a
cart, buy, and drop out of the sign-up one step after the other. About 3 in 100 sessions arrive hours late and 1 event
in 100 is sent twice: the server stores it once.

With --days the past of these days is sent at once, with the busy and quiet hours of a day and quieter weekends;
without it events come as they happen. Every event carries the mark of an import, so `tallystick import --undo
demo-SEED` removes them all: the command prints it at its end.
""")


def demo(
    days: Annotated[
        int | None,
        typer.Option(
            "--days",
            min=1,
            max=MOST_DAYS,
            help=f"Send the past of this many days at once, {PER_DAY:,} events a day or --events in all, and stop.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.1, max=100_000, help=f"Events per second, on average. Default: {RATE:.0f}."),
    ] = None,
    duration: Annotated[float | None, typer.Option("--duration", min=0.1, help="Stop after this many seconds.")] = None,
    events: Annotated[int | None, typer.Option("--events", min=1, help="Stop after this many events.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed makes the same visitors.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Site that the events belong to.")] = None,
    example: Annotated[
        bool,
        typer.Option("--example", help="Send the events that the documents' numbers come from, and stop."),
    ] = False,
    url: options.UrlOption = None,
    key_file: options.KeyFileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Send realistic events to a running server: those of the last --days, or new ones until Ctrl-C."""
    if example:
        _send_example(url, key_file, site, as_json)
        return
    if days is not None and (rate is not None or duration is not None):
        raise ConfigError("--days sends the past at once: --rate and --duration are for events that happen now")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    import_id = f"demo-{seed}"
    now = datetime.now(UTC)
    portions: Iterator[tuple[float, list[Event]]]
    if days is None:
        portions = _portions(World(seed, now, rate or RATE), duration, events, site, import_id)
    else:
        events = events or days * PER_DAY
        portions = _past(history(seed, now, days, events), site, import_id)
    tally = _Tally()
    settings = options.load_settings(key_file=key_file)
    server = ServerClient(options.server_of(url, None, settings) or SERVER, key=settings.client_key())
    try:
        asyncio.run(_send(portions, server, tally, events))
    finally:
        if as_json:
            console.show_json(
                {"accepted": tally.accepted, "rejected": tally.rejected, "seed": seed, "import_id": import_id}
            )
        else:
            _report(tally, seed, days, now)
            if tally.accepted:
                console.out.print(f"to remove them: {escape(undo_command(import_id, url, None))}")
    if tally.rejected:
        raise typer.Exit(console.EXIT_DIFFERENCE)


Event = dict[str, Any]


def _send_example(url: str | None, key_file: str | None, site: str | None, as_json: bool) -> None:
    settings = options.load_settings(key_file=key_file)
    server = ServerClient(options.server_of(url, None, settings) or SERVER, key=settings.client_key())
    outcome = send_example(server, site)
    accepted, rejected = outcome.accepted, len(outcome.rejected)
    if as_json:
        console.show_json({"accepted": accepted, "rejected": rejected, "import_id": IMPORT_ID})
    else:
        console.out.print(f"{accepted:,} events accepted, {rejected:,} rejected (the example of June 2025)")
        console.out.print(f"to remove them: {escape(undo_command(IMPORT_ID, url, None))}")
    if outcome.rejected:
        raise typer.Exit(console.EXIT_DIFFERENCE)


class _Tally:
    accepted = 0
    rejected = 0

    def add(self, outcome: Outcome) -> None:
        self.accepted += outcome.accepted
        self.rejected += len(outcome.rejected)


def _report(tally: _Tally, seed: int, days: int | None, now: datetime) -> None:
    console.out.print(f"{tally.accepted:,} events accepted, {tally.rejected:,} rejected (seed {seed})")
    if tally.accepted and days is not None:
        console.out.print(f"they happened from {now - timedelta(days=days):%Y-%m-%d} to {now:%Y-%m-%d %H:%M} UTC")


def _marked(event: Event, site: str | None, import_id: str) -> Event:
    """The event with its site, and with the mark of an import that `tallystick import --undo` looks for."""
    named = {} if site is None else {"site_id": site}
    return {**event, **named, "properties": {**event["properties"], "$import": import_id}}


def _portions(
    world: World, duration: float | None, events: int | None, site: str | None, import_id: str
) -> Iterator[tuple[float, list[Event]]]:
    """The events of each tick, split into requests, with the second at which the tick ends."""
    sent: Iterator[Sent] = itertools.islice(world, events)
    if duration is not None:
        sent = itertools.takewhile(lambda one: one.at < duration, sent)
    for tick, group in itertools.groupby(sent, lambda one: int(one.at / TICK)):
        portion = [_marked(enriched(one.event), site, import_id) for one in group]
        for start in range(0, len(portion), MOST_EVENTS):
            yield (tick + 1) * TICK, portion[start : start + MOST_EVENTS]


def _past(events: Iterator[Event], site: str | None, import_id: str) -> Iterator[tuple[float, list[Event]]]:
    """Events that are sent as fast as the server takes them."""
    while portion := [_marked(event, site, import_id) for event in itertools.islice(events, MOST_EVENTS)]:
        yield 0.0, portion


async def _send(
    portions: Iterator[tuple[float, list[Event]]], to: ServerClient, tally: _Tally, events: int | None
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

            async def deliver(portion: list[Event]) -> None:
                try:
                    body = msgspec.json.Encoder().encode_lines(portion)
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
