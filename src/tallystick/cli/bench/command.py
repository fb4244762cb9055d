"""`tallystick bench`: measures this version on this machine and disk. docs/build/benchmarks.md explains the figures."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallystick.cli import console, options

if TYPE_CHECKING:
    from tallystick.cli.bench.report import Report

EPILOG = """
[bold]Examples[/bold]

  tallystick bench

  tallystick bench --size 1000 --events 5000000 --json bench.json

  tallystick bench --queue redis://127.0.0.1:6379/1 --store postgresql://tallystick@127.0.0.1/bench

  tallystick bench query --events 10000000 --data /fast-disk/history

  tallystick bench dedupe --rows 1,10

  tallystick bench scenario spike

  tallystick bench scale --queue kafka://127.0.0.1/bench --store clickhouse://default@127.0.0.1/bench
"""

MOST_PROCESSES = 64
ERRORS_MOST = 0.01
"""Share of failed requests from which on a scenario has failed."""

app = typer.Typer(
    help="Measure events per second, acknowledgement times, memory and disk; `query` and `dedupe` measure the store.",
    epilog=EPILOG,
    invoke_without_command=True,
    rich_markup_mode="rich",
)

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures, with a description of the machine.")
]
ScratchOption = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Folder for temporary data folders: on the disk to measure."),
]

QueueOption = Annotated[
    str,
    typer.Option(
        metavar="URL", help="An empty queue for the measurement (redis://, amqp://, kafka://). Default: SQLite."
    ),
]
StoreOption = Annotated[
    str, typer.Option(metavar="URL", help="An empty database for the measurement (postgresql://). Default: DuckDB.")
]


@app.callback()
def bench(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running server that no other client uses. Default: one is started."),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(min=1, max=5_000, help="Events in one body; repeatable. Default: 1, 100 and 1000."),
    ] = None,
    events: Annotated[
        int | None, typer.Option(min=1_000, help="Events per body size. Default: as many as take some seconds.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, help="Requests per second of the open loop. Default: a quarter of the rate of the closed loop."
        ),
    ] = None,
    queue: QueueOption = "",
    store: StoreOption = "",
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Worker processes, when queue and store are servers.")
    ] = 2,
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """Send events as fast as the server accepts them, in bodies of 1, 100 and 1,000, each size to a new server.

    Then send single events at a fixed rate, and measure how soon an event can be queried. At the end, check that the
    books close.
    """
    # A measurement that is terminated stops its servers, too: SIGTERM raises KeyboardInterrupt.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    context.call_on_close(lambda: signal.signal(signal.SIGTERM, before))
    if context.invoked_subcommand is not None:
        return
    from tallystick.cli.bench.load import SIZES, Subject, measure_load

    key = options.load_settings(key_file=key_file).client_key().get_secret_value()
    subject = Subject(url, key, queue, store, workers)
    _show_and_write(measure_load(console.err, scratch, subject, size or SIZES, events, rate), json)


@app.command(epilog=EPILOG)
def query(
    events: Annotated[int, typer.Option(min=30_000, help="Events of the history, over 30 days.")] = 10_000_000,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the history here for the next run.")] = None,
    store: StoreOption = "",
    load: Annotated[
        int,
        typer.Option(min=0, help="Events per second of a load under which the analyses run again; 0: no such run."),
    ] = 5_000,
    runs: Annotated[
        int, typer.Option(min=1, max=100, help="How often each query is timed, after one that is not.")
    ] = 7,
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
) -> None:
    """Fill a store with 30 days of a busy site (200,000 users, 20,000 of them a day); time queries and analyses."""
    from tallystick.cli.bench.load import scratch_folder
    from tallystick.cli.bench.query import measure_queries

    if data is not None:
        _show_and_write(measure_queries(console.err, data, events, store, load, runs), json)
        return
    with scratch_folder(scratch) as folder:
        _show_and_write(measure_queries(console.err, folder, events, store, load, runs), json)


scenarios = typer.Typer(
    help="Virtual users, as load testing tools have them: 50 for five minutes, or 200 for 30 seconds.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(scenarios, name="scenario")

UsersOption = Annotated[int, typer.Option(min=1, max=10_000, help="Virtual users, each with a connection.")]
SecondsOption = Annotated[float, typer.Option(min=1, help="How long they send.")]
BodyOption = Annotated[int, typer.Option(min=1, max=5_000, help="Events in one body.")]
PauseOption = Annotated[float, typer.Option(min=0, help="Seconds between an answer and the user's next request.")]
UrlOption = Annotated[
    str | None, typer.Option(metavar="URL", help="A running server that no other client uses. Default: one is started.")
]
WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Worker processes, when queue and store are servers.")]
SCENARIO_EPILOG = """
[bold]Examples[/bold]

  tallystick bench scenario sustained

  tallystick bench scenario spike --url http://127.0.0.1:8000

  tallystick bench scenario sustained --users 100 --seconds 60 --size 1000

Exit code: 0 done, 1 one request of a hundred or more failed, 2 an accepted event is not stored.
"""


@scenarios.command(epilog=SCENARIO_EPILOG)
def sustained(
    url: UrlOption = None,
    users: UsersOption = 50,
    seconds: SecondsOption = 300.0,
    size: BodyOption = 100,
    pause: PauseOption = 0.1,
    queue: QueueOption = "",
    store: StoreOption = "",
    workers: WorkersOption = 2,
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """A steady load: 50 users for five minutes. Checks afterwards that every accepted event is stored."""
    _run_scenario("sustained", users, seconds, size, pause, (url, queue, store, workers), scratch, json, key_file)


@scenarios.command(epilog=SCENARIO_EPILOG)
def spike(
    url: UrlOption = None,
    users: UsersOption = 200,
    seconds: SecondsOption = 30.0,
    size: BodyOption = 100,
    pause: PauseOption = 0.1,
    queue: QueueOption = "",
    store: StoreOption = "",
    workers: WorkersOption = 2,
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
    key_file: options.KeyFileOption = None,
) -> None:
    """A burst: 200 users for 30 seconds. Checks afterwards that every accepted event is stored."""
    _run_scenario("spike", users, seconds, size, pause, (url, queue, store, workers), scratch, json, key_file)


def _run_scenario(
    name: str,
    users: int,
    seconds: float,
    size: int,
    pause: float,
    subject: tuple[str | None, str, str, int],
    scratch: Path,
    json: Path | None,
    key_file: str | None,
) -> None:
    from tallystick.cli.bench.load import Subject
    from tallystick.cli.bench.scenario import Scenario, error_share, measure_scenario

    url, queue, store, workers = subject
    key = options.load_settings(key_file=key_file).client_key().get_secret_value()
    scenario = Scenario(name, users, seconds, size, pause)
    report = measure_scenario(console.err, scratch, Subject(url, key, queue, store, workers), scenario)
    _show_and_write(report, json)
    if error_share(report.scenario) >= ERRORS_MOST:
        raise typer.Exit(console.EXIT_DIFFERENCE)


@app.command(epilog=EPILOG)
def dedupe(
    rows: Annotated[str, typer.Option(help="Sizes of the table in millions of rows, with commas between.")] = "1,10,50",
    recent: Annotated[
        bool, typer.Option("--recent", help="All of the table's events arrived just now, within the dedupe window.")
    ] = False,
    store: StoreOption = "",
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
) -> None:
    """Time one transaction of the store (events, dedupe, rollups, ledger) while its table grows."""
    from tallystick.cli.bench.dedupe import measure_dedupe
    from tallystick.cli.bench.load import scratch_folder

    levels = _millions(rows)
    with scratch_folder(scratch) as folder:
        _show_and_write(measure_dedupe(console.err, folder, levels, store, recent=recent), json)


@app.command(epilog=EPILOG)
def experiments(
    store: Annotated[str, typer.Option(metavar="URL", help="An empty PostgreSQL database: postgresql://….")],
    events: Annotated[int, typer.Option(min=30_000, help="Events of the history, over 30 days.")] = 2_000_000,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Note here that the database is filled, for the next run.")
    ] = None,
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
) -> None:
    """Compare on PostgreSQL: a partitioned table with a flat one, COPY with INSERT, a queue with direct writes."""
    from tallystick.cli.bench.experiments import measure_experiments
    from tallystick.cli.bench.load import scratch_folder

    if data is not None:
        _show_and_write(measure_experiments(console.err, data, store, events), json)
        return
    with scratch_folder(scratch) as folder:
        _show_and_write(measure_experiments(console.err, folder, store, events), json)


SCALE_EPILOG = """
[bold]Examples[/bold]

  tallystick bench scale --queue kafka://127.0.0.1/bench --store clickhouse://default@127.0.0.1/bench

  tallystick bench scale --queue redis://127.0.0.1/1 --store postgresql://tallystick@127.0.0.1/bench --processes 1,3

A queue of Kafka needs as many partitions as there are workers (`?partitions=12` when its topic is made).
"""
PidOption = Annotated[
    list[int] | None,
    typer.Option(metavar="PID", min=1, help="A process of that server; repeatable. Default: who listens at its URL."),
]


@app.command(epilog=SCALE_EPILOG)
def scale(
    queue: Annotated[
        str, typer.Option(metavar="URL", help="An empty queue on servers: kafka://, redis://, amqp://.")
    ] = "",
    store: Annotated[
        str, typer.Option(metavar="URL", help="An empty database on servers: clickhouse://, postgresql://.")
    ] = "",
    processes: Annotated[
        str, typer.Option(help="Numbers of ingest processes, and of workers, with commas between.")
    ] = "1,2,4",
    events: Annotated[
        int, typer.Option(min=1_000, help="Events for each ingest process, and so for each worker.")
    ] = 500_000,
    size: BodyOption = 1_000,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each number; every second round is in reverse order.")
    ] = 2,
    queue_pid: PidOption = None,
    store_pid: PidOption = None,
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
) -> None:
    """Start 1, 2 and 4 ingest processes and workers on a queue and a store; compare the processor time an event takes.

    One client sends as many events for each process, while the workers stand still; then they store them in full
    batches. At the end of each step the books have to close.
    """
    from tallystick.cli.bench.scale.measure import Plan, measure_scale

    numbers = _numbers(processes)
    plan = Plan(queue, store, numbers, rounds, events, size, queue_pid or (), store_pid or ())
    _show_and_write(measure_scale(console.err, scratch, plan), json)


@app.command("all", epilog=EPILOG)
def everything(
    events: Annotated[int, typer.Option(min=30_000, help="Events of the history that is queried.")] = 10_000_000,
    rows: Annotated[str, typer.Option(help="Sizes of the table that is written to, in millions of rows.")] = "1,10",
    scratch: ScratchOption = Path(),
    json: JsonOption = None,
) -> None:
    """Run all of these measurements, with one report at the end. Takes some minutes."""
    from tallystick.cli.bench.dedupe import measure_dedupe
    from tallystick.cli.bench.load import SIZES, Subject, measure_load, scratch_folder
    from tallystick.cli.bench.query import measure_queries

    levels = _millions(rows)
    report = measure_load(console.err, scratch, Subject(), SIZES, None, None)
    with scratch_folder(scratch) as folder:
        queries = measure_queries(console.err, folder, events)
    for name in ("query", "query_events", "fill", "query_loaded", "query_load", "query_peak_bytes"):
        setattr(report, name, getattr(queries, name))
    with scratch_folder(scratch) as folder:
        report.dedupe = measure_dedupe(console.err, folder, levels).dedupe
    _show_and_write(report, json)


def _millions(text: str) -> list[int]:
    try:
        return [int(float(part) * 1_000_000) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a list such as 1,10,50", param_hint="--rows") from error


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(numbers) < len(parts) or not all(1 <= number <= MOST_PROCESSES for number in numbers):
        raise typer.BadParameter(
            f"{text!r} is not a list such as 1,2,4, with numbers from 1 to {MOST_PROCESSES}", param_hint="--processes"
        )
    return list(dict.fromkeys(numbers))


def _show_and_write(report: Report, json: Path | None) -> None:
    from tallystick.cli.bench.tables import show

    show(report, console.out)
    if json is not None:
        report.write(json)
