"""`tallystick import`: sends the events of a file through the queue. It can be resumed, and counts no event twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
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
from tallystick.cli.importing.access_log import AccessLog, read_key
from tallystick.cli.importing.checking import check
from tallystick.cli.importing.columns import Choices, Details, Ids, parse_choices
from tallystick.cli.importing.presets import PRESETS
from tallystick.cli.importing.reading.content import check_encoding, survey
from tallystick.cli.importing.reporting import notes_of, show_reasons, summary, times_of
from tallystick.cli.importing.sending import ServerSink, State, StateFile, run
from tallystick.cli.importing.source import Chunk, Format, Reading, Source, format_of, on_disk, open_source
from tallystick.cli.importing.times import Odd
from tallystick.cli.importing.undo import list_imports, times_undone, undo, undo_command
from tallystick.cli.target import running_pipeline
from tallystick.config import Settings, shown_url
from tallystick.errors import ConfigError
from tallystick.ingest.enrich.agent import Agents
from tallystick.ingest.enrich.enrichment import page_rules

MOST_EVENTS = 5_000
"""Events in one request, unless the server's limit is lower."""

EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  tallystick import events.ndjson

  tallystick import flights.csv --name flight --map timestamp=time_hour --map user_id=tailnum --map source=carrier

  tallystick import history.parquet --site shop --map name=event --drop debug --url http://127.0.0.1:8000

  zcat old.ndjson.gz | tallystick import - --format ndjson

  tallystick import website_event.csv --from umami --check

  tallystick import own.csv --map 'name=kind|page_view' --map user_id=data.user.id --time-format '%d/%m/%Y %H:%M'

  tallystick import access.log.1 --format combined --host shop.example

  tallystick import --undo 3f2a9c0d51b7e846 --data /var/lib/tallystick

A column with the name of an event's field is that field (event_id, site_id, name, timestamp, user_id, session_id,
source, path, properties); --map names another one. All other columns become properties. A CSV column is text, unless
every value of it is written as a number is (1.10 and 007 are not) or is true or false; --type decides otherwise. Empty
cells are left out.

A row whose time is missing, cannot be read, or lies outside 2000-01-01 to 24 hours ahead is rejected, never moved to
now. --check reads the whole file and sends nothing: it says what would be rejected, which times the file spans and
what the events look like.

Rows get their ids from the file's bytes and their number (unless a column is mapped to event_id), so the same file can
be imported again, at any time, without counting an event twice. With --ids content, --from and access logs they get
them from what they say, so that exports that overlap count once. After an interruption the same command continues
where it stopped.

Each event carries the import's id as the property $import; the report names it. --undo takes the import back: its
events are removed from every number, and the same file can be imported again. --list shows the imports that are stored.

A row that cannot be read is rejected with its line, and the rows after it are read; at the end accepted and rejected
rows must add up to the rows of the file. A file that is damaged, or compressed and cut short, is refused before
anything is sent.

Exit code: 0 all rows accepted, 1 some were rejected, 2 the import could not be done.
""")


FileArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        help="NDJSON, CSV, Parquet or an access log; also .gz, .zst and a .zip of NDJSON; - is standard input.",
    ),
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="The file's format, when its ending does not say it.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="Read an event's field from this column, or from inside its object (a.b.c); repeatable. "
        "FIELD=COLUMN|VALUE gives rows without a value this one.",
    ),
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
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="SYSTEM",
        help=f"Read another system's export: {', '.join(PRESETS)}. --map, --drop and --type change what it makes.",
    ),
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="COLUMN=TYPE",
        help="Type of a column that becomes a property: text, number, boolean or time; repeatable. A row with another "
        "value is rejected. Default for CSV: text, unless every value is written as a number is.",
    ),
]
TimeFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--time-format",
        metavar="FORMAT",
        help="Form of the times, as strptime takes it, such as '%d/%b/%Y %H:%M'; repeatable.",
    ),
]
IdsOption = Annotated[
    Ids | None,
    typer.Option(
        "--ids",
        help="What an event's id follows from: the file and the row's number, or the event's content, so that an event "
        "of two overlapping files counts once. Default: row; content with --from and for access logs.",
    ),
]
HostOption = Annotated[
    str | None,
    typer.Option("--host", metavar="NAME", help="Host name of the site, for access logs whose lines do not have it."),
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
EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Encoding of a text file, such as cp1252. Default: that of its byte order mark, else UTF-8.",
    ),
]
OddTimesOption = Annotated[
    Odd,
    typer.Option(
        "--odd-times",
        help="Rows without a time, or with one before 2000 or over 24 hours ahead: reject them, or store them now.",
    ),
]
CheckOption = Annotated[
    bool,
    typer.Option("--check", "--dry-run", help="Read the whole file, send nothing, and say what an import would do."),
]
AllowRejectedOption = Annotated[
    bool, typer.Option("--allow-rejected", help="Exit with 0 even when rows were rejected.")
]
AgainOption = Annotated[
    bool,
    typer.Option("--again", help="Send every row of a file that was imported before; none counts twice."),
]
UndoOption = Annotated[
    str | None,
    typer.Option("--undo", metavar="ID", help="Take an import back: remove its events (with --site: of one site)."),
]
ListOption = Annotated[bool, typer.Option("--list", help="List the imports of which events are stored.")]
YesOption = Annotated[bool, typer.Option("--yes", help="With --undo: do not ask.")]


def import_(
    file: FileArgument = None,
    format_: FormatOption = None,
    maps: MapOption = None,
    name: NameOption = None,
    site: SiteOption = None,
    drop: DropOption = None,
    timezone: TimezoneOption = "UTC",
    preset: FromOption = None,
    types: TypeOption = None,
    time_formats: TimeFormatOption = None,
    ids: IdsOption = None,
    host: HostOption = None,
    delimiter: DelimiterOption = None,
    null: NullOption = None,
    encoding: EncodingOption = None,
    odd_times: OddTimesOption = "reject",
    check_only: CheckOption = False,
    url: options.UrlOption = None,
    data: options.DataOption = None,
    key_file: options.KeyFileOption = None,
    allow_rejected: AllowRejectedOption = False,
    again: AgainOption = False,
    undo_id: UndoOption = None,
    show_list: ListOption = False,
    yes: YesOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Import events from a file: NDJSON, CSV, Parquet, an access log, another system's export. List or undo imports."""
    options.refuse_url_with_data(url, data)
    if (file is not None) + (undo_id is not None) + show_list != 1:
        raise ConfigError("name one file to import, or the import to take back with --undo, or add --list")
    if file is None:
        settings = options.load_settings(data=data, key_file=key_file)
        if undo_id is None:
            list_imports(options.server_of(url, data, settings), settings, as_json)
        else:
            undo(undo_id, site, yes, options.server_of(url, data, settings), settings, as_json)
        return
    if delimiter is not None and len(delimiter.encode()) != 1:
        raise ConfigError(f"--delimiter: {delimiter!r} is not a single character")
    check_encoding(encoding)
    details = Details(types or (), time_formats or (), ids, preset, host)
    choices = parse_choices(maps or (), name, site, drop or (), timezone, details)
    reading = Reading(delimiter, null or (), encoding, odd_times)
    settings = options.load_settings(data=data, key_file=key_file)
    with on_disk(file, format_) as path:
        kind = format_of(path, format_)
        if kind == "combined" and ids is None:
            choices = msgspec.structs.replace(choices, ids="content")  # logs are rotated, and overlap
        asked = None if check_only else options.server_of(url, data, settings)
        job = _Job(file, path, kind, choices, reading, asked, settings, again, data, url, as_json)
        rejected = job.check() if check_only else asyncio.run(job.run())
    if rejected and not allow_rejected:
        raise typer.Exit(console.EXIT_DIFFERENCE)


class _Job(msgspec.Struct):
    """One run of the command."""

    shown: str
    path: Path
    kind: Format
    choices: Choices
    reading: Reading
    url: str | None
    settings: Settings
    again: bool
    data: Path | None = None
    named: str | None = None
    """The server as the command line names it; `url` is the one of the settings where it names none."""
    as_json: bool = False

    def check(self) -> int:
        """Report what an import would do; the number of rows that would be rejected."""
        with console.waiting("reading the file; nothing is sent"):
            source, _ = self._open()
            with closing(source):
                return check(source, self.shown, self.settings, self.as_json)

    async def run(self) -> int:
        """Import the file; the number of rows that were rejected."""
        async with self._server() as server:
            with console.waiting("reading the file once, to identify it"):
                source, digest = await asyncio.to_thread(self._open)
            with closing(source):
                import_id = self._key(digest, None)
                source.import_id = import_id
                state = await self._send(source, server, StateFile(self._state_path(digest)), import_id)
                return state.rejected + source.file.broken_count

    def _open(self) -> tuple[Source, str]:
        """The file, ready to be read, and its digest."""
        found = survey(self.path, text=self.kind != "parquet", encoding=self.reading.encoding)
        log = self._log() if self.kind == "combined" else None
        rules = page_rules(self.settings)
        return open_source(self.path, self.kind, found, self.choices, self.reading, log, rules), found.digest

    def _log(self) -> AccessLog:
        """What reads an access log."""
        return AccessLog(read_key(self.settings.data / "imports"), self.choices.host, Agents().properties)

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[ServerClient]:
        """The running server; or the pipeline in this process, whose queue is drained at the end."""
        if self.url is None:
            async with running_pipeline(self.settings) as (server, drained):
                yield server
                with console.waiting("storing what is queued"):
                    await drained()
        else:
            async with ServerClient(self.url, key=self.settings.client_key()) as server:
                await server.get("/healthz")
                yield server

    async def _send(self, source: Source, server: ServerClient, file: StateFile, import_id: str) -> State:
        state = State() if self.again else file.load()
        undone = await times_undone(server, import_id)
        if undone is not None and undone != state.undone:
            if state.row:
                console.err.print("this import was taken back; all rows are sent again")
            state = State(undone=undone)
        if state.complete:
            console.err.print(
                f"{escape(self.shown)} was imported before, to its last row; nothing was sent. "
                "--again sends all rows once more (none counts twice)."
            )
            if self.as_json:
                console.show_json({"import_id": import_id, **summary(source, state), "seconds": 0.0})
            return state
        if state.row:
            console.err.print(f"continuing after row {state.row:,}")
        started, first, accepted = time.monotonic(), state.row, state.accepted
        try:
            with _progress(source) as progress:
                bar = progress.add_task(
                    escape(Path(self.shown).name), total=source.file.total, completed=_done(source, state), rows=0
                )

                def show(chunk: Chunk, now: State) -> None:
                    position = chunk.end if source.file.unit == "rows" else chunk.progress
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
        if self.as_json:
            console.show_json({"import_id": import_id, **summary(source, state), "seconds": time.monotonic() - started})
            return state
        _report(source, state, state.row - first, state.accepted - accepted, time.monotonic() - started)
        if state.accepted:
            take_back = undo_command(import_id, self.named, self.data)
            console.out.print(f"import {import_id}: `{escape(take_back)}` takes it back")
        return state

    def _key(self, digest: str, target: str | None) -> str:
        """What tells an import from others: its input and its options; for the state file also its target."""
        reading = self.reading
        read = (reading.delimiter, tuple(reading.empty))
        identity: tuple[object, ...] = (digest, target, self.kind, self.choices.identity(), *read)
        if reading.encoding is not None or reading.odd_times != "reject":  # else the name is that of earlier versions
            identity += (reading.encoding, reading.odd_times)
        return blake2b(msgspec.json.encode(identity), digest_size=8).hexdigest()

    def _state_path(self, digest: str) -> Path | None:
        """The file that holds how far this import came: one for each input, target and set of options."""
        shared = not queue.is_embedded(self.settings)
        target = self.url or (shown_url(self.settings.queue_url) if shared else None)
        key = self._key(digest, target)
        if target is None:
            return self.settings.data / "imports" / f"{key}.json"
        if self.shown == "-":
            return None
        input_ = Path(self.shown)  # `path` is a copy of what an archive holds
        before_renaming = input_.with_name(f".{input_.name}.runnel-{key}.json")
        if before_renaming.is_file():  # an import that Runnel began goes on where it stopped
            return before_renaming
        return input_.with_name(f".{input_.name}.tallystick-{key}.json")


def _done(source: Source, state: State) -> int:
    return state.row if source.file.unit == "rows" else 0


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
    rejected = state.rejected + source.file.broken_count
    rate = rows / seconds if seconds > 0 else 0.0
    console.out.print(
        f"{state.accepted:,} events accepted, {rejected:,} rows rejected; "
        f"{rows:,} rows in {seconds:.1f} s, {rate:,.0f} rows/s"
    )
    if accepted != state.accepted:
        console.out.print(f"({accepted:,} of the accepted events in this run)")
    for line in (*times_of(source), *notes_of(source)):
        console.out.print(escape(line))
    show_reasons(source, state.reasons, rejected)
