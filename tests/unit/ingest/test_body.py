"""Reading request bodies: encodings, bombs, and clients that are slow or gone."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from starlette.types import Message, Receive, Scope

from tallystick.config import MIB, Settings
from tallystick.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedEncoding
from tallystick.ingest.body import ClientGone, decompress, read_body

BODY = b'{"name":"page_view"}' * 500
LIMIT = 8 * MIB


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def zstd_stream(body: bytes) -> bytes:
    """Without the size in the frame's header."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(body) + packer.flush()


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstandard.compress),
    ("zstd", zstd_stream),
]


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
def test_encodings(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert decompress(pack(BODY), encoding.encode(), LIMIT) == BODY
    assert decompress(pack(BODY), encoding.encode(), len(BODY)) == BODY
    with pytest.raises(TooLarge):
        decompress(pack(BODY), encoding.encode(), len(BODY) - 1)


@pytest.mark.parametrize(("encoding", "pack"), [PACKERS[0], PACKERS[4], PACKERS[5]])
def test_several_members(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert decompress(pack(BODY) + pack(b"") + pack(b"x"), encoding.encode(), LIMIT) == BODY + b"x"
    with pytest.raises(InvalidRequest, match="more than 1000"):
        decompress(pack(b"") * 1001, encoding.encode(), LIMIT)


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
def test_a_bomb_costs_little_memory(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decompress(bomb, encoding.encode(), 1 * MIB)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
def test_truncated_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """Also where what is there unpacks to whole lines: half a request must not pass for a request."""
    packed = pack(BODY)
    for length in (1, 5, len(packed) // 2, len(packed) - 1):
        with pytest.raises(InvalidRequest):
            decompress(packed[:length], encoding.encode(), LIMIT)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"zstd"])
def test_broken_is_refused(encoding: bytes) -> None:
    for body in (BODY, b"\xff" * 50, zlib.compress(BODY)[:20] + b"garbage"):
        with pytest.raises(InvalidRequest):
            decompress(body, encoding, LIMIT)


@pytest.mark.parametrize(("encoding", "pack"), [PACKERS[0], PACKERS[2], PACKERS[4]])
def test_garbage_behind_the_end_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidRequest):
        decompress(pack(BODY) + b"garbage", encoding.encode(), LIMIT)


def test_zstd_window_beyond_the_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(InvalidRequest, match="memory"):
        decompress(packer.compress(BODY) + packer.flush(), b"zstd", LIMIT)


@pytest.mark.parametrize("encoding", [b"br", b"gzip, gzip", b"\xff"])
def test_other_encodings(encoding: bytes) -> None:
    with pytest.raises(UnsupportedEncoding):
        decompress(BODY, encoding, LIMIT)


# --- reading --------------------------------------------------------------------------------------------------------


def scope_of(**headers: str) -> Scope:
    return {"type": "http", "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]}


def receiver(*messages: Message) -> Receive:
    """The messages, then silence."""
    waiting = list(messages)

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def chunk(body: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_chunks_are_joined() -> None:
    receive = receiver(chunk(b"a"), chunk(b""), chunk(b"b", more=False))
    assert await read_body(scope_of(content_encoding=" Identity "), receive, Settings()) == b"ab"


@pytest.mark.parametrize("messages", [[], [chunk(b"a")], [chunk(b"a"), chunk(b"b")]])
async def test_a_slow_body_times_out(messages: list[Message]) -> None:
    """Also when nothing of it ever comes."""
    with pytest.raises(RequestTimeout):
        await asyncio.wait_for(read_body(scope_of(), receiver(*messages), Settings(body_timeout=0.05)), 60)


@pytest.mark.parametrize("messages", [[], [chunk(b"a")]])
async def test_client_gone(messages: list[Message]) -> None:
    with pytest.raises(ClientGone):
        await read_body(scope_of(), receiver(*messages, {"type": "http.disconnect"}), Settings())


async def test_what_is_over_the_limit_is_not_read() -> None:
    settings = Settings(max_body_bytes=1024)
    with pytest.raises(TooLarge):
        await read_body(scope_of(content_length="1025"), receiver(), settings)
    with pytest.raises(TooLarge):
        await read_body(scope_of(), receiver(chunk(b"x" * 1000), chunk(b"x" * 25)), settings)
    whole = chunk(b"x" * 1024, more=False)
    assert await read_body(scope_of(content_length="1024"), receiver(whole), settings) == whole["body"]
