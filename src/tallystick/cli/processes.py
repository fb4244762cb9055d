"""`tallystick ingest`, `work` and `serve`: each part of the pipeline as a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from tallystick.cli import console, options
from tallystick.config import Settings
from tallystick.errors import Unavailable

if TYPE_CHECKING:
    from tallystick.app import Role

INGEST_EPILOG = console.paragraphs("""
[bold]Examples[/bold]

  TALLYSTICK_QUEUE_URL=redis://127.0.0.1:6379/0 tallystick ingest --workers 2

  TALLYSTICK_QUEUE_URL=amqp://tallystick:…@127.0.0.1:5672/ tallystick ingest --port 9000

A second `tallystick ingest` on the same port and machine takes over the port: start it, wait until it is ready, then
stop the first one. No request is lost (docs/run/deployment.md).
""")
WORK_EPILOG = console.paragraphs("""
[bold]Example[/bold]

  export TALLYSTICK_QUEUE_URL=redis://127.0.0.1:6379/0 TALLYSTICK_STORE_URL=postgresql://tallystick@127.0.0.1/tallystick

  tallystick work
""")
SERVE_EPILOG = console.paragraphs("""
[bold]Example[/bold]

  export TALLYSTICK_QUEUE_URL=redis://127.0.0.1:6379/0 TALLYSTICK_STORE_URL=postgresql://tallystick@127.0.0.1/tallystick

  tallystick serve --port 8080
""")

HostOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Address to listen on (TALLYSTICK_HOST, else 127.0.0.1).")
]
PortOption = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one (TALLYSTICK_PORT, else 8000)."),
]


def ingest(
    host: HostOption = None,
    port: PortOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes accept events on the port.")] = 1,
) -> None:
    """Accept events over HTTP and put them into a queue that several processes share."""
    from tallystick.app import Role

    settings = options.load_settings(host=host, port=port)
    if workers == 1:
        run(settings, Role.INGEST, _says("takes events"))
        return
    from tallystick.process.children import serve_many

    serve_many(settings, Role.INGEST, workers, _says(f"takes events in {workers} processes"))


def work(
    host: HostOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of /healthz, /readyz and /metrics; 0: none (TALLYSTICK_STATUS_PORT, else 8001).",
        ),
    ] = None,
) -> None:
    """Load events from a queue into a store that several processes share; any number of workers may run."""
    from tallystick.app import Role

    run(options.load_settings(host=host, status_port=port), Role.WORK, _says("loads events"))


def serve(host: HostOption = None, port: PortOption = None) -> None:
    """Answer queries from a store that several processes share."""
    from tallystick.app import Role

    run(options.load_settings(host=host, port=port), Role.SERVE, _says("answers queries"))


def run(settings: Settings, role: Role, announce: Callable[[str], None]) -> None:
    """Run a process of this role until it gets a signal to stop."""
    from tallystick import queue, store
    from tallystick.app import Role
    from tallystick.process import server

    try:
        server.serve(settings, role, announce)
    except Unavailable as error:
        if role is Role.UP and queue.is_embedded(settings) and store.is_embedded(settings):
            raise  # a damaged file: exit code 2 says that a restart would not help
        console.show_error(error.whole)
        raise typer.Exit(1) from error


def _says(does: str) -> Callable[[str], None]:
    def announce(url: str) -> None:
        where = f" on {url}" if url else ""
        console.out.print(escape(f"Tallystick {does}{where}"))

    return announce
