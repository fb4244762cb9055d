"""`tallystick import`: sends the events of a file through the queue. It can be resumed, and counts no event twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from tallystick import queue
from tallystick.cli import console, options
from tallystick.cli.client import ServerClient
from tallystick.cli.importing.columns import Choices, parse_choices
from tallystick.cli.importing.sending import REASONS_SHOWN, ServerSink, State, StateFile, run
from tallystick.cli.importing.source import Chunk, Format, Source, fingerprint, format_of, on_disk, open_source
from tallystick.cli.target import running_pipeline
from tallystick.config import Settings, shown_url
from tallystick.errors import ConfigError

MOST_EVENTS = 5_000
"""Events in one request, unless the server's limit is lower."""

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick import events.ndjson

  tallystick import flights.csv --name flight --map timestamp=time_hour --map user_id=tailnum --map source=carrier

  tallystick import history.parquet --site shop --map name=event --drop debug --url http://127.0.0.1:8000

  zcat old.ndjson.gz | tallystick import - --format ndjson

A column with the name of an event's field is that field (event_id, site_id, name, timestamp, user_id, session_id,
source, path, properties); --map names another one. All other columns become properties: a CSV column
of only numbers or only true/false keeps that type, other columns are text, and empty cells are left out. A row whose
time column is empty is rejected.

Rows get their ids from the file's bytes and their number (unless a column is mapped to event_id), so the same file can
be imported again, at any time, without counting an event twice. After an interruption the same command continues where
it stopped.

Exit code: 0 all rows accepted, 1 some were rejected, 2 the import could not be done.
""")


FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="NDJSON, CSV or Parquet; also .gz and .zst; - is standard input.")
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="The file's format, when its ending does not say it.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Read an event's field from this column; repeatable."),
]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Name of all events, such as page_view.")
]
SiteOption = Annotated[
    str | None,
    typer.Option("--site", metavar="SITE", help="Site of all events. Default: the column site_id, else default."),
]
DropOption = Annotated[
    list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Leave this column out; repeatable.")
]
TimezoneOption = Annotated[
    str, typer.Option("--timezone", metavar="ZONE", help="IANA name of the zone of times without an offset.")
]
DelimiterOption = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHARACTER",
        help="Separator of a CSV file's columns. Default: , ; tab or |, whichever its header uses.",
    ),
]
NullOption = Annotated[
    list[str] | None,
    typer.Option("--null", metavar="TEXT", help="Text in a CSV file that means no value, such as NA; repeatable."),
]
AllowRejectedOption = Annotated[
    bool, typer.Option("--allow-rejected", help="Exit with 0 even when rows were rejected.")
]
AgainOption = Annotated[
    bool,
    typer.Option("--again", help="Send every row of a file that was imported before; none counts twice."),
]


def import_(
    file: FileArgument,
    format_: FormatOption = None,
    maps: MapOption = None,
    name: NameOption = None,
    site: SiteOption = None,
    drop: DropOption = None,
    timezone: TimezoneOption = "UTC",
    delimiter: DelimiterOption = None,
    null: NullOption = None,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    allow_rejected: AllowRejectedOption = False,
    again: AgainOption = False,
) -> None:
    """Import events from a NDJSON, CSV or Parquet file."""
    options.refuse_url_with_data(url, data)
    if delimiter is not None and len(delimiter.encode()) != 1:
        raise ConfigError(f"--delimiter: {delimiter!r} is not a single character")
    choices = parse_choices(maps or (), name, site, drop or (), timezone)
    settings = options.load_settings(data=data, key_file=key_file)
    with on_disk(file, format_) as path:
        job = _Job(file, path, format_of(path, format_), choices, delimiter, null or (), url, settings, again)
        state, broken = asyncio.run(job.run())
    if (state.rejected or broken) and not allow_rejected:
        raise typer.Exit(console.EXIT_DIFFERENCE)


class _Job(msgspec.Struct):
    """One run of the command."""

    shown: str
    path: Path
    kind: Format
    choices: Choices
    delimiter: str | None
    empty: Sequence[str]
    url: str | None
    settings: Settings
    again: bool

    async def run(self) -> tuple[State, int]:
        """The state at the end, and the number of lines that could not be parsed."""
        async with self._server() as server:
            with console.err.status("reading the file once, to identify it"):
                digest = await asyncio.to_thread(fingerprint, self.path)
                source = await asyncio.to_thread(
                    open_source, self.path, self.kind, digest, self.choices, self.delimiter, self.empty
                )
            with closing(source):
                return await self._send(source, server, StateFile(self._state_path(digest))), len(source.broken)

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[ServerClient]:
        """The running server; or the pipeline in this process, whose queue is drained at the end."""
        if self.url is None:
            async with running_pipeline(self.settings) as (server, drained):
                yield server
                with console.err.status("storing what is queued"):
                    await drained()
        else:
            async with ServerClient(self.url, key=self.settings.client_key()) as server:
                await server.get("/healthz")
                yield server

    async def _send(self, source: Source, server: ServerClient, file: StateFile) -> State:
        state = State() if self.again else file.load()
        if state.complete:
            console.err.print(
                f"{escape(self.shown)} was imported before, to its last row; nothing was sent. "
                "--again sends all rows once more (none counts twice)."
            )
            return state
        if state.row:
            console.err.print(f"continuing after row {state.row:,}")
        started, first, accepted = time.monotonic(), state.row, state.accepted
        try:
            with _progress(source) as progress:
                bar = progress.add_task(
                    escape(Path(self.shown).name), total=source.total, completed=_done(source, state), rows=0
                )

                def show(chunk: Chunk, now: State) -> None:
                    position = chunk.end if source.unit == "rows" else chunk.progress
                    progress.update(
                        bar, completed=position, rows=now.row - first, description=escape(Path(self.shown).name)
                    )

                def waits(reason: str) -> None:
                    progress.update(bar, description=f"waiting: {escape(reason)}")

                limit = min(MOST_EVENTS, self.settings.max_request_events) if self.url is None else MOST_EVENTS
                await run(source, ServerSink(server, waits), state, file, limit, show)
        except BaseException:
            console.err.print(f"stopped after row {state.row:,}; the same command continues from there")
            raise
        _report(source, state, state.row - first, state.accepted - accepted, time.monotonic() - started)
        return state

    def _state_path(self, digest: str) -> Path | None:
        """The file that holds how far this import came: one for each input, target and set of options."""
        shared = not queue.is_embedded(self.settings)
        target = self.url or (shown_url(self.settings.queue_url) if shared else None)
        identity = (digest, target, self.kind, self.choices, self.delimiter, tuple(self.empty))
        key = blake2b(msgspec.json.encode(identity), digest_size=8).hexdigest()
        if target is None:
            return self.settings.data / "imports" / f"{key}.json"
        if self.shown == "-":
            return None
        before_renaming = self.path.with_name(f".{self.path.name}.runnel-{key}.json")
        if before_renaming.is_file():  # an import that Runnel began goes on where it stopped
            return before_renaming
        return self.path.with_name(f".{self.path.name}.tallystick-{key}.json")


def _done(source: Source, state: State) -> int:
    return state.row if source.unit == "rows" else 0


class _Rate(ProgressColumn):
    """Confirmed rows per second, averaged over the whole run."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        rows = int(task.fields.get("rows", 0))
        return Text(f"{rows:,} rows  {rows / elapsed if elapsed > 0 else 0.0:,.0f}/s", style="cyan")


def _progress(source: Source) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    )


def _report(source: Source, state: State, rows: int, accepted: int, seconds: float) -> None:
    rejected = state.rejected + len(source.broken)
    rate = rows / seconds if seconds > 0 else 0.0
    console.out.print(
        f"{state.accepted:,} events accepted, {rejected:,} rows rejected; "
        f"{rows:,} rows in {seconds:.1f} s, {rate:,.0f} rows/s"
    )
    if accepted != state.accepted:
        console.out.print(f"({accepted:,} of the accepted events in this run)")
    reasons = [*(f"line {broken.row}: {broken.reason}" for broken in source.broken[:REASONS_SHOWN]), *state.reasons]
    for reason in reasons[:REASONS_SHOWN]:
        console.out.print(f"  [yellow]{escape(reason)}[/]")
    if rejected > len(reasons[:REASONS_SHOWN]) > 0:
        console.out.print(f"  … and {rejected - len(reasons[:REASONS_SHOWN]):,} more")
