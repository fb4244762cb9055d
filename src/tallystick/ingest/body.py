"""Reading a request's body with a cap on its size, before and after decompression."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

import zstandard
from starlette.types import Receive, Scope

from tallystick.config import MIB, Settings
from tallystick.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedEncoding

_ZLIB_PIECE = 4096
"""Bytes unpacked at a time: they become at most 4 MiB."""
_ZSTD_PIECE = 256
"""Bytes unpacked at a time: a block of 4 bytes may become 128 KiB, so they become at most 8 MiB."""

_ZSTD_WINDOW_MAX = 8 * MIB
"""Memory that a zstd frame may ask for: what RFC 8878 (3.1.1.1.2) wants every decoder to give."""
_MEMBERS_MAX = 1000
"""Most gzip members or zstd frames in a body: millions of empty ones would cost time and give nothing."""


_MOST_DIGITS = 20
"""The HTTP parser refuses a Content-Length of 2^64 and more."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete; no client waits for an answer."""


async def read_body(scope: Scope, receive: Receive, settings: Settings, most: int | None = None) -> bytes:
    """The request's body, decompressed.

    Args:
        most: bytes it may have, when that is less than `max_body_bytes`.

    Raises:
        TooLarge: more bytes than it may have, compressed or not; what is over is not read or unpacked.
        UnsupportedEncoding: a Content-Encoding other than gzip, deflate, zstd, identity.
        InvalidRequest: the compressed data is broken.
        RequestTimeout: the body did not arrive within `body_timeout` seconds.
        ClientGone: the client left.
    """
    encoding = header(scope, b"content-encoding").strip().lower()
    limit = settings.max_body_bytes if most is None else min(most, settings.max_body_bytes)
    if (declared := declared_bytes(scope)) > limit:
        raise TooLarge(f"the body has {declared} bytes; at most {limit} are taken")
    try:
        async with asyncio.timeout(settings.body_timeout):
            body = await _read_all(receive, limit)
    except TimeoutError as error:
        raise RequestTimeout(f"the body did not arrive within {settings.body_timeout:g} s") from error
    if len(body) > limit:
        raise TooLarge(f"the body has more than {limit} bytes")
    return decompress(body, encoding, limit) if encoding else body


async def _read_all(receive: Receive, limit: int) -> bytes:
    """The body's chunks, until their end or until they are over the limit."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= limit:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
    return b"".join(chunks)


def header(scope: Scope, name: bytes) -> bytes:
    """A header's value, empty when it is not there. `name` in lower case."""
    headers: dict[bytes, bytes] | None = scope.get("tallystick.headers")
    if headers is None:
        headers = scope["tallystick.headers"] = dict(scope["headers"])
    return headers.get(name, b"")


def declared_bytes(scope: Scope) -> int:
    """What Content-Length says; 0 where it says nothing. Zeros before a number may be more than Python reads."""
    digits = header(scope, b"content-length").lstrip(b"0")
    return int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else 0


def repeats_a_header(scope: Scope) -> bool:
    """Whether any header comes twice."""
    header(scope, b"")
    return len(scope["tallystick.headers"]) != len(scope["headers"])


def decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    """`body` decoded, stopping as soon as the result is over `limit` bytes."""
    try:
        if encoding == b"identity":
            return body
        if encoding in (b"gzip", b"x-gzip"):
            return _unpack(body, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), _ZLIB_PIECE, limit)
        if encoding == b"deflate":
            # RFC 9110 means the zlib format; some clients send raw deflate, which its first bytes show.
            zlib_format = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
            bits = zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS
            return _unpack(body, lambda: zlib.decompressobj(bits), _ZLIB_PIECE, limit)
        if encoding == b"zstd":
            frames = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX)
            return _unpack(body, frames.decompressobj, _ZSTD_PIECE, limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise InvalidRequest(f"the body is no valid {encoding.decode('ascii', 'replace')}: {error}") from error
    raise UnsupportedEncoding


def _unpack(body: bytes, start: Callable[[], Any], piece_bytes: int, limit: int) -> bytes:
    """One or more members (gzip) or frames (zstd), a piece at a time, so that a bomb is found while it is small."""
    parts: list[bytes] = []
    size = 0
    member: Any = None
    members = 0
    for at in range(0, len(body), piece_bytes):
        piece = body[at : at + piece_bytes]
        while piece:
            if member is None:
                members += 1
                if members > _MEMBERS_MAX:
                    raise InvalidRequest(f"the body has more than {_MEMBERS_MAX} compressed parts")
                member = start()
            parts.append(member.decompress(piece))
            size += len(parts[-1])
            if size > limit:
                raise TooLarge(f"the body unpacks to more than {limit} bytes")
            if not member.eof:
                break
            piece, member = member.unused_data, None
    if member:
        raise InvalidRequest("the compressed body ends too early")
    return b"".join(parts)
