"""The block: what goes in comes out, and bytes that are not what was written are never taken for a block."""

from __future__ import annotations

import struct
import zlib

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import BlockCorrupt
from tallystick.model.block import (
    UNPACKED_MAX,
    Block,
    RefusedLine,
    RequestPart,
    decode_block,
    encode_block,
    make_block,
    parse_receipt,
    receipt_of,
)
from tests.helpers.samples import INGESTER, block_of_lines, sample_block

ingesters = st.text("0123456789abcdef", min_size=16, max_size=16)
seqs = st.integers(0, 2**62)
lines_of_block = st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=20)
requests = st.lists(st.builds(RequestPart, st.text(max_size=128), st.integers(1, 5_000)), max_size=5).map(tuple)
refusals = st.lists(st.builds(RefusedLine, st.integers(0, 20), st.text(max_size=20), st.text()), max_size=3).map(tuple)


@given(ingesters, seqs, lines_of_block, requests, refusals)
def test_round_trip(
    ingester: str,
    seq: int,
    lines: list[bytes],
    parts: tuple[RequestPart, ...],
    refused: tuple[RefusedLine, ...],
) -> None:
    payload = b"".join(line + b"\n" for line in lines)
    block = make_block(ingester, seq, payload, len(lines), parts, refused)

    read = decode_block(encode_block(block))

    assert read == block
    assert read.lines() == payload
    assert read.key == (ingester, seq)


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    """G6: a damaged record is recognised as one, wherever the damage is."""
    wire = bytearray(encode_block(sample_block(3, range(4))))
    position = data.draw(st.integers(0, len(wire) - 1))
    wire[position] ^= data.draw(st.integers(1, 255))

    with pytest.raises(BlockCorrupt):
        decode_block(bytes(wire))


def test_any_cut_is_noticed() -> None:
    """G6: a torn tail is recognised, however long what is left of it."""
    wire = encode_block(sample_block(3, range(4)))

    for size in range(len(wire)):
        with pytest.raises(BlockCorrupt):
            decode_block(wire[:size])


@given(st.binary(max_size=100))
def test_noise_is_no_block(noise: bytes) -> None:
    with pytest.raises(BlockCorrupt):
        decode_block(noise)


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_that_is_not_the_number_of_lines_is_corrupt(count: int) -> None:
    with pytest.raises(BlockCorrupt, match=f"holds 2 lines, not {count}"):
        block_of_lines(0, b"{}\n{}\n", count).lines()


def test_a_block_without_events_has_no_lines() -> None:
    """By such a block `tallystick move` takes the destination, which may have tombstones that look at its lines."""
    assert block_of_lines(0, b"", 0).lines() == b""
    with pytest.raises(BlockCorrupt, match="holds 0 lines, not 1"):
        block_of_lines(0, b"", 1).lines()


def test_a_last_line_without_its_end_is_corrupt() -> None:
    with pytest.raises(BlockCorrupt):
        block_of_lines(0, b"{}\n{}", 1).lines()


@pytest.mark.parametrize(
    "payload", [b"", b"not compressed", zstandard.compress(b"{}\n")[:-1]], ids=["empty", "noise", "cut"]
)
def test_a_payload_that_does_not_unpack_is_corrupt(payload: bytes) -> None:
    with pytest.raises(BlockCorrupt):
        Block(INGESTER, 0, 1, payload).lines()


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = _frame_that_declares(UNPACKED_MAX + 1)
    assert zstandard.get_frame_parameters(bomb).content_size == UNPACKED_MAX + 1

    with pytest.raises(BlockCorrupt, match="larger than"):
        Block(INGESTER, 0, 1, bomb).lines()


def test_a_payload_of_unknown_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    endless = compressor.compress(b"{}\n") + compressor.flush()

    with pytest.raises(BlockCorrupt, match="of no known size"):
        Block(INGESTER, 0, 1, endless).lines()


@given(ingesters, st.integers(0, 10**18 - 1))
def test_a_receipt_names_its_block(ingester: str, seq: int) -> None:
    assert parse_receipt(receipt_of(ingester, seq)) == (ingester, seq)


@pytest.mark.parametrize(
    "receipt",
    [
        "",
        "-",
        "0123456789abcdef",
        "0123456789abcdef-",
        "0123456789ABCDEF-1",
        "0123456789abcde-1",
        "0123456789abcdef--1",
        "0123456789abcdef-1.5",
        "0123456789abcdef-٣",
        f"0123456789abcdef-{10**18}",
        "x123456789abcdef-1",
    ],
)
def test_what_is_no_receipt_is_not_read_as_one(receipt: str) -> None:
    assert parse_receipt(receipt) is None


def _frame_that_declares(size: int) -> bytes:
    """The header of a Zstandard frame with an 8-byte content size, and one small block after it."""
    descriptor = 0b11100000  # content size in 8 bytes, single segment, no checksum, no dictionary
    raw_last_block = (1 | (3 << 3)).to_bytes(3, "little") + b"{}\n"
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + size.to_bytes(8, "little") + raw_last_block


def test_a_block_of_a_version_without_refused_lines_is_read() -> None:
    """Such a block may wait in a queue while Tallystick is upgraded; without refused lines the bytes are the same."""
    header = msgspec.msgpack.encode([INGESTER, 3, 2, [["request-1", 2]]])
    payload = zstandard.ZstdCompressor().compress(b"{}\n{}\n")
    lengths = struct.pack(">4sII", b"RNL1", len(header), zlib.crc32(payload, zlib.crc32(header)))

    block = decode_block(lengths + header + payload)

    assert block == Block(INGESTER, 3, 2, payload, (RequestPart("request-1", 2),))
    assert encode_block(block) == lengths + header + payload
