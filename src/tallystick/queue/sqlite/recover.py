"""Recovery of a damaged queue: the damaged files are kept, a new one is made of every block that can be read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec

from tallystick.errors import QueueBroken
from tallystick.model.books import IngesterLedger, Published, QueueBooks, QueuedBlock, close_books
from tallystick.queue.sqlite.opening import SQL, Files, errors, fetch, transaction
from tallystick.queue.sqlite.salvage import Found, Salvage, is_stored, published_rows
from tallystick.queue.sqlite.tally import Row, Tally, decode, tally_of
from tallystick.queue.sqlite.watermark import Watermark

REBUILT = "rebuilt.sqlite"
"""The new file, in the folder of the damaged ones until they are all there."""


class Recovery(msgspec.Struct, frozen=True):
    """What a recovery did.

    Attributes:
        folder: where the damaged files are.
        blocks, events: that wait in the new queue, whole.
        damaged_blocks, damaged_events: that wait in it although their bytes are damaged: they become dead letters.
        stored: blocks that were found and left out, because the store has them.
        missing: accepted events that are neither in the queue nor in the store; None: the store could not be read.
        missing_blocks: one sentence for each ingester whose blocks are missing.
        resumed: an interrupted recovery was brought to its end; the counts are not known any more.
    """

    folder: Path
    blocks: int = 0
    events: int = 0
    damaged_blocks: int = 0
    damaged_events: int = 0
    stored: int = 0
    missing: int | None = None
    missing_blocks: list[str] = []
    resumed: bool = False


def recover(path: Path, ledger: Mapping[str, IngesterLedger] | None) -> Recovery:
    """Rebuild the queue at `path`; its lock must be held. Interrupted at any moment, the same call goes on.

    Args:
        ledger: what the store has; None: it could not be read.

    Raises:
        QueueFull: there is no room for the new file; nothing was changed.
        QueueBroken: a file cannot be read at all; nothing was changed.
    """
    files = Files.of(path)
    if files.recovering.exists() and (begun := _begun(files)) is not None:
        _put_in_place(files, begun)
        return Recovery(begun, resumed=True)
    now = datetime.now(UTC)
    folder = path.with_name(f"damaged-{now:%Y-%m-%dT%H%M%S.%fZ}")
    folder.mkdir(mode=0o700)
    try:
        with errors():
            result = _rebuild(path, folder, ledger)
    except BaseException as error:
        with contextlib.suppress(OSError):
            (folder / REBUILT).unlink(missing_ok=True)
            folder.rmdir()
        if isinstance(error, OSError):
            where = error.filename or path
            raise QueueBroken(f"{where}: {error.strerror}: copy what can be copied to a sound disk first") from error
        raise
    _sync(folder)
    files.recovering.touch(0o600)
    files.recovering.write_text(folder.name, "utf-8")
    _sync(path.parent)
    _put_in_place(files, folder)
    return result


def _begun(files: Files) -> Path | None:
    """The folder of a recovery that was interrupted while it moved its files."""
    rebuilt = sorted(files.queue.parent.glob(f"damaged-*/{REBUILT}"))
    if rebuilt:
        return rebuilt[-1].parent
    named = files.queue.with_name(files.recovering.read_bytes().decode("utf-8", "replace") or "?")
    return named if named.is_dir() and files.queue.exists() else None


def _put_in_place(files: Files, folder: Path) -> None:
    """Move the damaged files into the folder, and the new file to where they were. No process opens the queue
    meanwhile, because `recovering` exists.
    """
    rebuilt = folder / REBUILT
    if rebuilt.exists():
        for file in (files.wal, files.shm, files.watermark, files.queue):
            if file.exists():
                os.replace(file, folder / file.name)
        os.replace(rebuilt, files.queue)
    _sync(folder)
    _sync(files.queue.parent)
    connection = apsw.Connection(str(files.queue))
    tally = decode(bytes(fetch(connection, "tally")[0][0]))
    connection.close()
    watermark = Watermark(files.watermark)
    watermark.read()
    if watermark.tally is None and tally is not None:
        watermark.begin(tally)
        watermark.close()
    files.recovering.unlink()
    _sync(files.queue.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- the new file ---------------------------------------------------------------------------------------------------


class _New:
    """The file under construction."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        os.chmod(path, 0o600)
        for pragma in ("journal_mode=OFF", "synchronous=FULL"):  # a file that fails is thrown away as a whole
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(SQL["schema"])
        self._ids: set[int] = set()
        self.rows: list[Row] = []

    def add(self, found: Found) -> None:
        id_: int | None = found.id if found.id > 0 and found.id not in self._ids else None
        row = (found.ingester, found.seq, found.events, len(found.data), found.enqueued_at)
        self._connection.execute(SQL["restore_block"], (id_, *row, found.data))
        self.rows.append(Row(self._connection.last_insert_rowid(), *row))
        self._ids.add(self.rows[-1].id)

    def finish(self, published: Mapping[str, Published], tally: Tally) -> None:
        for ingester, row in published.items():
            self._connection.execute(SQL["restore_ingester"], (ingester, row.next_seq, row.events))
        after = tally_of(self.rows, published, tally)
        self._connection.execute(SQL["forget_last_id"])
        self._connection.execute(SQL["restore_last_id"], (after.last_id,))
        self._connection.execute(SQL["set_tally"], (after.encode(),))

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        return transaction(self._connection)

    def close(self) -> None:
        self._connection.close()


class _Kept(msgspec.Struct):
    """Which blocks were found: those in the new file by their events, damaged ones apart, and those that are stored."""

    whole: dict[tuple[str, int], int] = msgspec.field(default_factory=dict)
    damaged: dict[tuple[str, int], int] = msgspec.field(default_factory=dict)
    stored: set[tuple[str, int]] = msgspec.field(default_factory=set)


def _keep(salvage: Salvage, ledger: Mapping[str, IngesterLedger], new: _New) -> _Kept:
    """Copy every block into the new file once; a damaged copy only where no whole one is found."""
    kept = _Kept()
    damaged: dict[tuple[str, int], Found] = {}
    for found in salvage.blocks():
        if is_stored(ledger, *found.key):
            kept.stored.add(found.key)
        elif not found.sound:
            damaged[found.key] = found
        elif found.key not in kept.whole:
            kept.whole[found.key] = found.events
            new.add(found)
    for key, found in damaged.items():
        if key not in kept.whole:
            kept.damaged[key] = found.events
            new.add(found)
    return kept


def _rebuild(path: Path, folder: Path, ledger: Mapping[str, IngesterLedger] | None) -> Recovery:
    salvage = Salvage(path)
    new = _New(folder / REBUILT)
    try:
        with new.transaction():
            kept = _keep(salvage, ledger or {}, new)
            here = kept.whole | kept.damaged
            published = published_rows(salvage.ingesters, salvage.tally, here, ledger)
            before = salvage.tally or Tally()
            new.finish(published, before._replace(commits=before.commits + 1))
    finally:
        new.close()
        salvage.close()
    result = Recovery(
        folder=folder,
        blocks=len(kept.whole),
        events=sum(kept.whole.values()),
        damaged_blocks=len(kept.damaged),
        damaged_events=sum(kept.damaged.values()),
        stored=len(kept.stored),
    )
    if ledger is None:
        return result
    queued = [QueuedBlock(ingester, seq, count) for (ingester, seq), count in here.items()]
    totals, differences = close_books(QueueBooks(published, queued), ledger)
    return msgspec.structs.replace(
        result, missing=totals.missing, missing_blocks=[difference.message for difference in differences]
    )
