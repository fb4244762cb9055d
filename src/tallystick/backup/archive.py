"""The archive of a backup: a tar file whose first member says what follows, and whose last what it has to be.

`about.json`, then the files, then `manifest.json` with the size and the SHA-256 of each of them. So an archive that was
cut off has no manifest, and what a backup needs is known before the first large file. The standard `tar` reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import zstandard

from tallystick.errors import ConfigError

FORMAT = 2
"""Newest version of the archive; it may have keys and accounts, which 1 had not."""
FORMAT_WITHOUT_ACCESS = 1
"""Version of an archive without them, which an older Tallystick reads too."""
ABOUT, MANIFEST = "about.json", "manifest.json"
QUEUE, STORE, IMPORTS = "queue.sqlite", "store.duckdb", "imports"
ACCESS, SECRET = "access.db", "access.secret"
FILES = (QUEUE, f"{QUEUE}.mark", STORE, f"{STORE}.wal", ACCESS, SECRET)
"""Names of its files, beside those of `imports/`."""
PIECE = 1 << 20
"""Bytes that are read at a time."""
TEXT_MAX = 64 << 20
"""Most bytes of `about.json` and `manifest.json`."""
NO_DIGEST = "0" * 64

Shape = TypeVar("Shape", bound=msgspec.Struct)


class BadArchive(ConfigError):
    """The file is no whole backup."""


class Books(msgspec.Struct, frozen=True):
    """The books of the moment, in events."""

    accepted: int
    stored: int
    duplicates: int
    dead: int
    queued: int


class About(msgspec.Struct, frozen=True):
    """What a backup is.

    Attributes:
        created_at: its moment, UTC.
        versions: of tallystick, python, sqlite and duckdb.
        schema: the version of the store's schema.
        bytes: the size of all files.
        books: of the moment.
        differences: what was wrong with them, as sentences.
        access: rows of each table of keys and accounts; None: there were none, or the backup is of format 1.
    """

    format: int
    created_at: datetime
    versions: Mapping[str, str]
    schema: int
    bytes: int
    books: Books
    differences: Sequence[str]
    access: Mapping[str, int] | None = None


class FileEntry(msgspec.Struct, frozen=True):
    """A file as it has to be. `sha256` is in hexadecimal."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """The files, in the archive's order."""

    files: Sequence[FileEntry]


@dataclass(frozen=True)
class Part:
    """The first `size` bytes of a file, under the name that they get."""

    name: str
    path: Path
    size: int


class Writer:
    """Makes the archive of some parts, piece by piece.

    Attributes:
        size: bytes of the whole archive.
    """

    def __init__(self, about: About, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._about = _member(ABOUT, msgspec.json.encode(about))
        empty = Manifest([FileEntry(part.name, part.size, NO_DIGEST) for part in parts])
        heads = sum(len(_head(part.name, part.size)) + _padded(part.size) for part in parts)
        # A digest has as many characters as any other, so the manifest's size is known before.
        self.size = len(self._about) + heads + len(self._end(empty))

    def pieces(self, check: Callable[[], None]) -> Iterator[bytes]:
        """The archive's bytes. Blocks.

        Args:
            check: is called when all parts were read; raises when they are not what they should be.

        Raises:
            OSError: a part cannot be read, or is shorter than it was.
        """
        entries = []
        yield self._about
        for part in self._parts:
            yield _head(part.name, part.size)
            digest, left = hashlib.sha256(), part.size
            with part.path.open("rb") as file:
                while left:
                    piece = file.read(min(left, PIECE))
                    if not piece:
                        raise OSError(f"{part.path} is shorter than it was")
                    digest.update(piece)
                    left -= len(piece)
                    yield piece
            if rest := _padded(part.size) - part.size:
                yield bytes(rest)
            entries.append(FileEntry(part.name, part.size, digest.hexdigest()))
        check()
        yield self._end(Manifest(entries))

    def _end(self, manifest: Manifest) -> bytes:
        return _member(MANIFEST, msgspec.json.encode(manifest)) + bytes(2 * tarfile.BLOCKSIZE)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _member(name: str, content: bytes) -> bytes:
    return _head(name, len(content)) + content + bytes(_padded(len(content)) - len(content))


class Reader:
    """Reads an archive from its beginning to its end.

    Attributes:
        about: what it says of itself.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Raises BadArchive: this is no backup, or one of a later format."""
        with _reading():
            self._tar = tarfile.TarFile.open(fileobj=file, mode="r|")
            first = self._tar.next()
            if first is None or first.name != ABOUT:
                raise BadArchive(f"it is no backup: its first member is not {ABOUT}")
            # The format first: a later one may say other things.
            text = self._text(first)
            later = _decoded(text, _Format).format
            if later > FORMAT:
                raise BadArchive(f"its format is {later}; this Tallystick knows {FORMAT}: upgrade Tallystick")
            self.about = _decoded(text, About)

    def read(self, target: Path | None, done: Callable[[int], None]) -> Manifest:
        """Read all files and compare them with the manifest, which is returned. Blocks.

        Args:
            target: an empty folder to write them into, durably; None: they are only read.
            done: is told how many bytes of files were read.

        Raises:
            BadArchive: something is missing, changed, or has no place in a backup.
            OSError: a file cannot be written.
        """
        found: list[FileEntry] = []
        read = 0
        while True:
            with _reading():
                member = self._tar.next()
            if member is None:
                raise BadArchive(f"it was cut off: it has no {MANIFEST}")
            if member.name == MANIFEST:
                manifest = _decoded(self._text(member), Manifest)
                break
            if not member.isreg() or not _has_a_place(member.name) or member.name in [entry.name for entry in found]:
                raise BadArchive(f"{member.name!r} has no place in a backup")
            digest, size = hashlib.sha256(), 0
            with _written(target and target / member.name) as file:
                for piece in self._pieces(member):
                    digest.update(piece)
                    size += len(piece)
                    file.write(piece)
                    done(read + size)
            read += size
            found.append(FileEntry(member.name, size, digest.hexdigest()))
        wrong = sorted({entry.name for entry in {*found} ^ {*manifest.files}})
        if wrong:
            raise BadArchive(f"it is damaged: {', '.join(wrong)} is not what was written")
        if missing := {QUEUE, STORE} - {entry.name for entry in found}:
            raise BadArchive(f"it has no {' and no '.join(sorted(missing))}")
        return manifest

    def _pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        with _reading():
            content = self._tar.extractfile(member)
        assert content is not None  # only a regular file comes here
        while True:
            with _reading():
                piece = content.read(PIECE)
            if not piece:
                return
            yield piece

    def _text(self, member: tarfile.TarInfo) -> bytes:
        if not member.isreg() or member.size > TEXT_MAX:
            raise BadArchive(f"{member.name} is not what a backup has")
        return b"".join(self._pieces(member))


class _Format(msgspec.Struct):
    format: int


def _decoded(text: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadArchive(f"it is no backup, or is damaged: {error}") from error


def _has_a_place(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return name in FILES if not folder else folder == IMPORTS and file not in ("", ".", "..")


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise BadArchive(f"it is no backup, or is damaged: {error}") from error


@contextlib.contextmanager
def _written(target: Path | None) -> Iterator[IO[bytes]]:
    """A new private file that is on disk when the block ends; None: one that forgets."""
    if target is None:
        with open(os.devnull, "wb") as nothing:
            yield nothing
        return
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def opened(path: Path, name: str = "") -> Iterator[Reader]:
    """The backup in a file, to be read from its beginning.

    Args:
        name: how messages call it; empty: by its path.

    Raises:
        BadArchive: it is none.
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as content:
            yield Reader(content)
    except BadArchive as error:
        raise BadArchive(f"{name or path}: {error.message}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
