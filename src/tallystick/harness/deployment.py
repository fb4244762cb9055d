"""A pipeline of Tallystick's processes, for measurements and fault tests: all in one, or each part by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from tallystick.config import split_url
from tallystick.harness.server import TALLYSTICK, ServerProcess

Number = TypeVar("Number", int, float)

EMBEDDED = {"", "sqlite", "memory", "duckdb"}
"""Schemes of what lives inside a single process."""


class Deployment:
    """`tallystick up` where the queue or the store is embedded, else `ingest`, `work` and `serve`.

    Args:
        data: the data folder; logs lie beside it.
        queue_url, store_url: empty: the embedded ones.
        workers: how many `tallystick work`.
        ingesters: how many `tallystick ingest`, each with a port of its own.
        settings: environment variables for all of them.
        command: what to run instead of the installed `tallystick`.
    """

    def __init__(
        self,
        data: Path,
        queue_url: str = "",
        store_url: str = "",
        *,
        workers: int = 1,
        ingesters: int = 1,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = TALLYSTICK,
    ) -> None:
        self.data = data
        self.schemes = (split_url(queue_url).scheme, split_url(store_url).scheme)
        self.separate = not EMBEDDED.intersection(self.schemes)
        given = {**(settings or {}), "TALLYSTICK_QUEUE_URL": queue_url, "TALLYSTICK_STORE_URL": store_url}
        if self.separate:
            self.ingest = [ServerProcess(data, given, command, role="ingest", number=n) for n in range(ingesters)]
            self.work = [ServerProcess(data, given, command, role="work", number=n) for n in range(workers)]
            self.serve = ServerProcess(data, given, command, role="serve")
        else:
            self.serve = ServerProcess(data, given, command)
            self.ingest, self.work = [self.serve], []

    @property
    def processes(self) -> list[ServerProcess]:
        """Each process once, in the order in which they are started."""
        return [*self.work, self.serve, *(self.ingest if self.separate else [])]

    @property
    def write_url(self) -> str:
        """Where events are sent to; the first of several places."""
        return self.ingest[0].url

    @property
    def read_url(self) -> str:
        """Where queries are answered."""
        return self.serve.url

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> float:
        """Seconds until the slowest was ready. Raises ServerFailed."""
        return max(process.start() for process in self.processes)

    def stop(self) -> None:
        """SIGTERM to each, those that take events first. Raises ServerFailed."""
        for process in reversed(self.processes):
            process.stop()

    def kill(self) -> None:
        """SIGKILL to all that still run."""
        for process in self.processes:
            process.kill()

    def cpu_seconds(self) -> float | None:
        """Processor time of Tallystick's own processes so far; servers beside them are not counted."""
        return total(process.cpu_seconds() for process in self.processes)

    def resident(self) -> int | None:
        """Resident memory of all processes in bytes, now."""
        return total(process.resident() for process in self.processes)

    def descriptors(self) -> int | None:
        """Open file descriptors of all processes, now."""
        return total(process.descriptors() for process in self.processes)

    def resident_peak(self) -> int | None:
        """The sum of the most resident memory of each so far, in bytes."""
        return total(process.resident_peak() for process in self.processes)


def total(values: Iterable[Number | None]) -> Number | None:
    """The sum of those that are known; None when none is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None
