"""The block: the unit in the queue. Many events travel as one message, which is what makes Tallystick fast.

On the wire a block is `RNL1`, the header's length (4 bytes, big-endian), the header (MessagePack), the CRC-32 of header
and payload (4 bytes), and the payload (canonical lines, Zstandard). Every queue stores exactly these bytes.
"""

from __future__ import annotations

import struct
import threading
import zlib

import msgspec
import zstandard

from tallystick.errors import BlockCorrupt

MAGIC = b"RNL1"
_LENGTHS = struct.Struct(">4sII")
ZSTD_LEVEL = 1
UNPACKED_MAX = 256 * 1024 * 1024
"""Largest payload in bytes after decompression; a larger one is treated as corrupt, not unpacked."""


BlockKey = tuple[str, int]
"""A block's identity in the ledger: its ingester and its seq."""


class RequestPart(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One request of a block, and how many of the block's events it brought, in the block's order."""

    request_id: str
    count: int


class RefusedLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line of a block that is no canonical event: an event that was refused after its client had to get a success.

    Such a client sends what was refused again for ever, and nothing else. So its bytes travel with the others, and the
    store keeps them as a dead letter.

    Attributes:
        index: position of the line in the block, from 0.
        code: stable word for programs, such as `name_too_long`.
        reason: one sentence for people.
    """

    index: int
    code: str
    reason: str


class Block(msgspec.Struct, frozen=True, gc=False):
    """Canonical events of one or several requests, with the header that makes losses visible.

    Attributes:
        ingester: fresh random id of the ingest process (16 hex digits); a new one after a publish of unknown outcome.
        seq: position among the ingester's blocks, from 0 without gaps.
        count: number of events (lines) in the payload.
        payload: the canonical lines, Zstandard-compressed.
        requests: the requests that the events came with.
        refused: lines that are no canonical events; the store makes dead letters of them.
    """

    ingester: str
    seq: int
    count: int
    payload: bytes
    requests: tuple[RequestPart, ...] = ()
    refused: tuple[RefusedLine, ...] = ()

    @property
    def key(self) -> BlockKey:
        """The block's identity in the ledger."""
        return (self.ingester, self.seq)

    @property
    def size(self) -> int:
        """Bytes of the lines, read from the payload's frame header; the payload's own size when that is broken."""
        try:
            size = zstandard.frame_content_size(self.payload)
        except zstandard.ZstdError:
            size = -1
        return size if size >= 0 else len(self.payload)

    def lines(self) -> bytes:
        """The canonical lines, each ended by a newline.

        Raises:
            BlockCorrupt: the payload does not decompress, is too large, or does not hold `count` lines.
        """
        try:
            # Check the declared size first: the decoder allocates it before unpacking, regardless of `max_output_size`.
            if zstandard.get_frame_parameters(self.payload).content_size > UNPACKED_MAX:
                what = f"larger than {UNPACKED_MAX} bytes, or of no known size"
                raise BlockCorrupt(f"block {self.ingester}-{self.seq}: {what}")
            lines = _decompressor().decompress(self.payload)
        except zstandard.ZstdError as error:
            raise BlockCorrupt(f"block {self.ingester}-{self.seq}: {error}") from error
        if lines.count(b"\n") != self.count or (lines and not lines.endswith(b"\n")):
            raise BlockCorrupt(f"block {self.ingester}-{self.seq}: holds {lines.count(10)} lines, not {self.count}")
        return lines


def split_lines(lines: bytes) -> list[bytes]:
    """The lines one by one, each with its newline."""
    return [line + b"\n" for line in lines.split(b"\n")[:-1]]


class _Header(msgspec.Struct, array_like=True, frozen=True):
    ingester: str
    seq: int
    count: int
    requests: tuple[RequestPart, ...]


class _HeaderWithRefused(_Header, array_like=True, frozen=True):
    """A version without it reads the other fields; its store then refuses these lines itself, one by one."""

    refused: tuple[RefusedLine, ...] = ()


_header_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(_HeaderWithRefused)


_of_thread = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's compressor. It is not thread-safe, and a new one costs more than compressing a small block."""
    found: zstandard.ZstdCompressor | None = getattr(_of_thread, "compressor", None)
    if found is None:
        found = _of_thread.compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    """This thread's decompressor, for the same reasons."""
    found: zstandard.ZstdDecompressor | None = getattr(_of_thread, "decompressor", None)
    if found is None:
        found = _of_thread.decompressor = zstandard.ZstdDecompressor()
    return found


def make_block(
    ingester: str,
    seq: int,
    lines: bytes,
    count: int,
    requests: tuple[RequestPart, ...] = (),
    refused: tuple[RefusedLine, ...] = (),
) -> Block:
    """A block around canonical lines; compresses them (releases the GIL)."""
    return Block(ingester, seq, count, _compressor().compress(lines), requests, refused)


def encode_block(block: Block) -> bytes:
    """The block's bytes on the wire and on disk."""
    fields = (block.ingester, block.seq, block.count, block.requests)
    header = _header_encoder.encode(_HeaderWithRefused(*fields, block.refused) if block.refused else _Header(*fields))
    checksum = zlib.crc32(block.payload, zlib.crc32(header))
    return b"".join((_LENGTHS.pack(MAGIC, len(header), checksum), header, block.payload))


def decode_block(data: bytes) -> Block:
    """The block whose bytes `encode_block` wrote; the payload stays compressed.

    Raises:
        BlockCorrupt: wrong magic, length or checksum.
    """
    try:
        magic, header_size, checksum = _LENGTHS.unpack_from(data)
    except struct.error as error:
        raise BlockCorrupt(f"a block of {len(data)} bytes is too short") from error
    header = data[_LENGTHS.size : _LENGTHS.size + header_size]
    payload = data[_LENGTHS.size + header_size :]
    if magic != MAGIC or zlib.crc32(payload, zlib.crc32(header)) != checksum:
        raise BlockCorrupt("a block's checksum does not match its bytes")
    try:
        fields = _header_decoder.decode(header)
    except msgspec.DecodeError as error:
        raise BlockCorrupt(f"a block's header is broken: {error}") from error
    return Block(fields.ingester, fields.seq, fields.count, payload, fields.requests, fields.refused)


def receipt_of(ingester: str, seq: int) -> str:
    """The receipt that a client gets for events in this block."""
    return f"{ingester}-{seq}"


def parse_receipt(receipt: str) -> tuple[str, int] | None:
    """`(ingester, seq)` of a receipt; None when the text does not have a receipt's form."""
    ingester, _, seq = receipt.partition("-")
    if len(ingester) != 16 or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
        return None
    return (ingester, int(seq)) if all(c in "0123456789abcdef" for c in ingester) else None
