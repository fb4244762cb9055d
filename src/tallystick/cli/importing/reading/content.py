"""A file's text as UTF-8: unpacked, without a byte order mark, whatever its encoding. Damage is found at its end."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec
import zstandard

from tallystick.errors import ConfigError, InvalidRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 1024 * 1024
"""Bytes that are read at a time."""
PACKED_PIECE = 16 * 1024
"""Compressed bytes that are unpacked at a time. Few, because they may unpack to ten thousand times as many."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class Survey(msgspec.Struct, frozen=True):
    """What one reading of the whole file says.

    Attributes:
        digest: of the file's bytes. Files with the same digest count as the same file.
        lines: how many lines its text has, whatever ends them; 0 for a Parquet file.
    """

    digest: str
    lines: int


def fingerprint(path: Path) -> str:
    """A digest of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def survey(path: Path, *, text: bool, encoding: str | None = None) -> Survey:
    """Read the whole file once, to identify it, to count its lines and to prove that it is complete.

    The lines are counted apart from what reads the rows, so that a lost row is noticed.

    Raises:
        InvalidRequest: the compressed data is damaged or cut short.
    """
    return Survey(fingerprint(path), _count_lines(path, encoding) if text else 0)


def _count_lines(path: Path, encoding: str | None) -> int:
    lines = 0
    last = b""
    with Content(path, encoding) as content, content.errors():
        while piece := content.stream.read(PIECE):
            lines += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")
            if last == b"\r" and piece[:1] == b"\n":
                lines -= 1
            last = piece[-1:]
    return lines + (last not in (b"", b"\n", b"\r"))


def check_encoding(name: str | None) -> None:
    """Raises ConfigError when Python knows no encoding of this name."""
    try:
        if name is not None and not codecs.lookup(name)._is_text_encoding:
            raise LookupError
    except LookupError as error:
        raise ConfigError(f"--encoding: {name!r} is no encoding; utf-16, cp1252 and latin-1 are") from error


class Content:
    """An opened text file.

    Attributes:
        stream: its text in UTF-8. What cannot be decoded is in it as bytes that are not UTF-8.
        size: of the file as it is on disk, in bytes.
    """

    stream: io.BufferedReader

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        """Open `path`. It counts as compressed when its suffix or its first bytes say so.

        Args:
            encoding: of the text; None: that of its byte order mark, else UTF-8.
        """
        self._path = path
        self.size = path.stat().st_size
        self._raw = path.open("rb")
        try:
            with self.errors():
                self.stream = self._decoded(self._unpacked(), encoding)
        except BaseException:
            self.close()
            raise

    def _unpacked(self) -> io.BufferedReader:
        start = self._raw.peek(4)[:4]
        if not start and self._path.suffix in (".gz", ".zst"):
            raise EOFError("it is empty, which no compressed file is")
        if self._path.suffix == ".gz" or start.startswith(_GZIP):
            return io.BufferedReader(gzip.GzipFile(fileobj=self._raw), PIECE)
        if self._path.suffix == ".zst" or start.startswith(_ZSTD):
            return io.BufferedReader(_Unzstd(self._raw), PIECE)
        return self._raw

    def _decoded(self, stream: io.BufferedReader, encoding: str | None) -> io.BufferedReader:
        start = stream.peek(4)[:4]
        for mark, marked in _MARKS.items():
            if start.startswith(mark) and encoding is None:
                stream.read(len(mark))
                return stream if marked == "utf-8" else io.BufferedReader(_Recoded(stream, marked), PIECE)
        if encoding is None and len(start) == 4:  # UTF-16 without a mark: its ASCII characters have a zero byte each
            zeros = [byte == 0 for byte in start]
            if zeros in ([False, True, False, True], [True, False, True, False]):
                return io.BufferedReader(_Recoded(stream, "utf-16-be" if zeros[0] else "utf-16-le"), PIECE)
        if encoding is None:
            return stream
        name = codecs.lookup(encoding).name
        if name == "utf-8":
            if start.startswith(codecs.BOM_UTF8):
                stream.read(len(codecs.BOM_UTF8))
            return stream
        return io.BufferedReader(_Recoded(stream, name), PIECE)

    def end_lines_with_lf(self) -> None:
        """Make the stream end lines with LF where the file has CR. Only for text in which no CR means itself."""
        self.stream = io.BufferedReader(_Newlines(self.stream), PIECE)

    @property
    def position(self) -> int:
        """Bytes of the file that are read so far, in its compressed form."""
        return self._raw.tell()

    @contextmanager
    def errors(self, after: Callable[[], str] | None = None) -> Iterator[None]:
        """Raises InvalidRequest for what damaged data makes the stream raise; `after` says where."""
        try:
            yield
        except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError, UnicodeError) as error:
            place = after() if after is not None else ""
            raise InvalidRequest(f"{self._path} cannot be read{place}: {error or 'it ends too early'}") from error

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, "stream"):
            self.stream.close()
        self._raw.close()

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Pieces(io.RawIOBase):
    """A stream made of pieces of any size."""

    def __init__(self) -> None:
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        while not self._rest:
            piece = self._next()
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self) -> bytes | None:
        """The next piece, which may be empty; None at the end."""
        raise NotImplementedError


class _Unzstd(_Pieces):
    """Unpacks Zstandard, several frames too. The library's own reader takes a cut file for a complete one."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__()
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    def _next(self) -> bytes | None:
        data = self._packed.read(PACKED_PIECE) if not self._frame.unused_data else self._frame.unused_data
        if self._frame.eof and data:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        if not data:
            if not self._frame.eof:
                raise EOFError("the compressed data ends too early")
            return None
        return self._frame.decompress(data)


class _Recoded(_Pieces):
    """Text of another encoding, as UTF-8. What cannot be decoded becomes bytes that are not UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        super().__init__()
        self._stream = stream
        errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._ended = False

    def _next(self) -> bytes | None:
        if self._ended:
            return None
        data = self._stream.read(PIECE)
        self._ended = not data
        return self._decoder.decode(data, final=self._ended).encode("utf-8", "surrogatepass")


class _Newlines(_Pieces):
    """Text that ends lines with CR alone, with LF instead."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    def _next(self) -> bytes | None:
        return self._stream.read(PIECE).replace(b"\r", b"\n") or None
