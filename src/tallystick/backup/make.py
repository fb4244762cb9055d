"""Makes a backup of queue and store while both are in use.

Both are held at the same moment, while the store writes nothing. An event that was accepted before it is in the queue's
copy, or in the store's, or in both: a block leaves the queue only after the store has committed it, and nothing is
committed between the two. What was accepted later is in neither.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from tallystick.access.secret import find_secret
from tallystick.access.store import AccessStore
from tallystick.backup.archive import (
    ACCESS,
    FORMAT,
    FORMAT_WITHOUT_ACCESS,
    IMPORTS,
    QUEUE,
    SECRET,
    STORE,
    About,
    Books,
    Part,
    Writer,
)
from tallystick.config import Settings, shown_url, split_url
from tallystick.disk import DiskGuard, private_folder
from tallystick.errors import ConfigError, InUse, InvalidRequest, Unavailable
from tallystick.model.books import IngesterLedger, QueueBooks, close_books
from tallystick.queue.base import Queue
from tallystick.store.base import Store
from tallystick.store.waiting import in_thread

NAME = "backup-"
"""How the folder of the queue's copy begins. One that a killed process left is removed by the next backup."""
_under_way: set[Path] = set()
"""Data folders of which this process makes a backup now."""
ON_SERVERS = {
    "postgresql": "pg_dump --format=custom --file=store.dump {url}",
    "clickhouse": "BACKUP DATABASE {database} TO Disk('backups', 'tallystick.zip')",
}
"""How stores on servers are backed up."""


MakeAccess: TypeAlias = Callable[[Settings], AccessStore]


class OnServers(InvalidRequest):
    """Queue and store are not both files of this process."""


class HeldFile(Protocol):
    """The first `size` bytes of a file."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...


class HeldStore(Protocol):
    """One moment of a store's files; see `tallystick.store.duckdb.hold`."""

    @property
    def files(self) -> Sequence[HeldFile]: ...
    @property
    def schema(self) -> int: ...
    @property
    def ledger(self) -> Mapping[str, IngesterLedger]: ...
    def check(self) -> None: ...


class HeldQueue(Protocol):
    """One moment of a queue; see `tallystick.queue.sqlite.hold`."""

    def books(self) -> QueueBooks: ...
    def copy(self, target: Path) -> list[Path]: ...
    def close(self) -> None: ...


@runtime_checkable
class FileStore(Protocol):
    """A store that is a file of this process."""

    def hold(self, meanwhile: Callable[[], None]) -> contextlib.AbstractAsyncContextManager[HeldStore]: ...


@runtime_checkable
class FileQueue(Protocol):
    """A queue that is a file of this process."""

    def hold(self) -> HeldQueue: ...


@dataclass(frozen=True)
class Backup:
    """A backup under way.

    Attributes:
        size: bytes of the archive.
        pieces: the archive.
    """

    size: int
    pieces: AsyncGenerator[bytes, None]


@contextlib.asynccontextmanager
async def making(
    store: Store, queue: Queue, settings: Settings, versions: Mapping[str, str], make_access: MakeAccess | None
) -> AsyncIterator[Backup]:
    """A backup of this moment. Events are accepted and stored while the block runs.

    The store makes no checkpoint meanwhile, so its log grows. A disk that is down to its reserve ends the backup.

    Args:
        make_access: makes a store of keys and accounts, not opened yet; None: there can be none.

    Raises:
        OnServers: queue or store are on servers; the message has the commands that back them up.
        InUse: another backup is being made.
        Unavailable: queue, store, or the database of keys and accounts failed, or the disk has no room.
        ConfigError: the secret of keys and accounts is not the one that made them.
    """
    if not isinstance(store, FileStore) or not isinstance(queue, FileQueue):
        raise OnServers(_elsewhere(settings))
    disk = DiskGuard(settings.data, settings)
    # Marks of imports before the moment: a later one would say of events that they were accepted which are not in it.
    with _scratch(settings) as folder:
        imports = await in_thread(_imports, settings.data / IMPORTS, folder)
        access, counts = await _access(settings, make_access, folder)
        began: list[HeldQueue] = []
        try:
            async with store.hold(lambda: began.append(queue.hold())) as held:
                moment = datetime.now(UTC)
                totals, differences = await in_thread(lambda: close_books(began[0].books(), held.ledger))
                if disk.low():
                    raise Unavailable("the disk is down to its reserve: the queue cannot be copied")
                copies = await in_thread(began[0].copy, folder / QUEUE)
                began[0].close()
                parts = [Part(path.name, path, path.stat().st_size) for path in copies]
                first = held.files[0].path
                parts += [
                    Part(STORE + file.path.name.removeprefix(first.name), file.path, file.size) for file in held.files
                ]
                parts += [*access, *imports]
                about = About(
                    FORMAT_WITHOUT_ACCESS if counts is None else FORMAT,
                    moment,
                    versions,
                    held.schema,
                    sum(part.size for part in parts),
                    Books(totals.accepted, totals.stored, totals.duplicates, totals.dead, totals.queued),
                    [difference.message for difference in differences],
                    counts,
                )
                writer = Writer(about, parts)
                pieces = _pieces(writer, held, disk)
                async with contextlib.aclosing(pieces):
                    yield Backup(writer.size, pieces)
        finally:
            for held_queue in began:
                held_queue.close()


async def _pieces(writer: Writer, held: HeldStore, disk: DiskGuard) -> AsyncGenerator[bytes, None]:
    made = writer.pieces(held.check)
    while (piece := await in_thread(next, made, None)) is not None:
        if disk.low():
            raise Unavailable(
                "the disk is down to its reserve: the backup was ended, so that the store can free its log"
            )
        yield piece


def _elsewhere(settings: Settings) -> str:
    """Which commands back up a queue and a store on servers."""
    url = settings.resolved_store_url
    scheme = {"postgres": "postgresql", "clickhouses": "clickhouse"}.get(split_url(url).scheme, split_url(url).scheme)
    if scheme in ON_SERVERS:
        shown = shown_url(url)
        command = ON_SERVERS[scheme].format(url=shown, database=split_url(url).path.strip("/") or "default")
        return (
            f"the store is {shown}, which its own tools back up: `{command}`, and the queue before it "
            "(docs/run/deployment.md#backup-and-restore)"
        )
    return (
        f"the queue is {shown_url(settings.resolved_queue_url)}, which its own tools back up: only a queue and a store "
        "that are both files are backed up together (docs/run/deployment.md#backup-and-restore)"
    )


@contextlib.contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    """A new folder on the data disk, deleted afterwards, as are those that killed processes left. One at a time."""
    own = settings.data.resolve()
    if own in _under_way:
        raise InUse("another backup is being made: wait until it ends")
    _under_way.add(own)
    try:
        private_folder(settings.data, settings)
        for left in settings.data.glob(f"{NAME}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=NAME, dir=settings.data))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        _under_way.discard(own)


async def _access(
    settings: Settings, make_access: MakeAccess | None, folder: Path
) -> tuple[list[Part], dict[str, int] | None]:
    """Keys and accounts as a file of their own, wherever they are kept, and their rows; None: there are none.

    The secret that made them goes with them when it is a file of the data folder. One of the settings does not: no
    setting is in a backup.

    Raises:
        ConfigError, Unavailable: as `making`.
    """
    if make_access is None:
        return [], None
    source = make_access(settings)
    await source.open()
    try:
        if not await source.exists():
            return [], None
        data = await source.dump()
    finally:
        await source.close()
    secret = find_secret(settings)
    if secret is None or secret.proof != data.proof:
        raise ConfigError(
            "the secret of keys and accounts is not the one that made them, so a backup could not be used: set the "
            f"TALLYSTICK_ACCESS_SECRET with which they were made, or restore {settings.data_folder / SECRET}"
        )
    copy = make_access(settings.model_copy(update={"access_url": f"sqlite:///{(folder / ACCESS).resolve()}"}))
    try:
        await copy.load(data)
    finally:
        await copy.close()
    names = [ACCESS]
    if not settings.access_secret.get_secret_value():
        await in_thread(shutil.copyfile, settings.data_folder / SECRET, folder / SECRET)
        names.append(SECRET)
    return [Part(name, folder / name, (folder / name).stat().st_size) for name in names], data.counts


def _imports(source: Path, folder: Path) -> list[Part]:
    """Copies of the marks of imports and their key."""
    if not source.is_dir():
        return []
    target = folder / IMPORTS
    target.mkdir()
    found = []
    for path in sorted(source.iterdir()):
        if path.is_file() and not path.is_symlink():
            copy = Path(shutil.copyfile(path, target / path.name))
            found.append(Part(f"{IMPORTS}/{path.name}", copy, copy.stat().st_size))
    return found
