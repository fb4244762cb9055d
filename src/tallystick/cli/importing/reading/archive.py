"""Zip archives of exports, such as Amplitude's: their files of JSON lines as one file."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from tallystick.errors import InvalidRequest

_START = b"PK\x03\x04"
_LINES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive."""
    with path.open("rb") as file:
        return file.read(4) == _START


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """All JSON lines of an archive, in the order of its files' names, in one temporary file.

    Raises:
        InvalidRequest: the archive is damaged, or has anything else in it.
    """
    with tempfile.NamedTemporaryFile(prefix="tallystick-import-", suffix=".ndjson") as whole:
        try:
            with zipfile.ZipFile(path) as archive:
                for name in _names(path, archive):
                    with archive.open(name) as packed:
                        _append(packed, name, whole)
        except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise InvalidRequest(f"{path} cannot be unpacked: {error}") from error
        whole.flush()
        yield Path(whole.name)


def _names(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir() and not _hidden(entry.filename))
    tables = [name for name in names if not name.lower().endswith(_LINES)]
    if any("imported_" in name and name.endswith(".csv") for name in tables):
        raise InvalidRequest(
            f"{path} is Plausible's CSV export: daily sums, from which no event can be made again. Export the events "
            "of a self-hosted Plausible from its ClickHouse instead: SELECT * FROM plausible_events_db.events_v2 "
            "FORMAT JSONEachRow"
        )
    if tables or not names:
        raise InvalidRequest(
            f"{path} is a zip archive with {tables[0] if tables else 'nothing'} in it; only archives of JSON lines are "
            "read: unpack it and import each file"
        )
    return names


def _hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _append(packed: IO[bytes], name: str, whole: IO[bytes]) -> None:
    """Add the lines of one of the archive's files; the last one gets an end."""
    lines = cast("IO[bytes]", gzip.GzipFile(fileobj=packed)) if name.lower().endswith(".gz") else packed
    shutil.copyfileobj(lines, whole)
    if whole.tell() and not _ends_with_line(whole):
        whole.write(b"\n")


def _ends_with_line(whole: IO[bytes]) -> bool:
    whole.seek(-1, 2)
    return whole.read(1) == b"\n"
