"""Reading a request's body with a cap on its size, before and after decompression."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import zstandard
from starlette.types import Receive, Scope

from tallystick.config import MIB, Settings
from tallystick.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedEncoding

T = TypeVar("T")

_ZLIB_PIECE = 4096
"""Bytes unpacked at a time: they become at most 4 MiB."""
_ZSTD_PIECE = 256
"""Bytes unpacked at a time: a block of 4 bytes may become 128 KiB, so they become at most 8 MiB."""

_ZSTD_WINDOW_MAX = 8 * MIB
"""Most memory that a zstd frame may require: the window that RFC 8878 (3.1.1.1.2) asks all decoders to support."""
_MEMBERS_MAX = 1000
"""Most gzip members or zstd frames in a body: millions of empty ones would cost time and have no data."""
_KEPT_MAX = 16 * MIB
"""Most unpacked bytes that are kept while it is unknown whether the body is within its limit, which may be higher."""


_MOST_DIGITS = 20
"""The HTTP parser refuses a Content-Length of 2^64 and more."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete, so no answer is sent."""


async def read_body(scope: Scope, receive: Receive, settings: Settings, most: int | None = None) -> bytes:
    """The request's body, decompressed.

    Args:
        most: limit in bytes; None: `max_body_bytes`.

    Raises:
        TooLarge: the body is over the limit, compressed or not; the rest is not read or unpacked.
        UnsupportedEncoding: a Content-Encoding other than gzip, deflate, zstd, identity.
        InvalidRequest: the compressed data is broken.
        RequestTimeout: the body did not arrive within `body_timeout` seconds.
        ClientGone: the client closed the connection.
    """
    encoding = header(scope, b"content-encoding").strip().lower()
    limit = settings.max_body_bytes if most is None else most
    if (declared := declared_bytes(scope)) > limit:
        raise TooLarge(f"the body has {declared} bytes; at most {limit} are taken")
    arrived = scope.get("tallystick.whole_body")
    body = arrived() if arrived is not None else None
    if body is None:
        try:
            async with asyncio.timeout(settings.body_timeout):
                body = await _read_all(receive, limit)
        except TimeoutError as error:
            raise RequestTimeout(f"the body did not arrive within {settings.body_timeout:g} s") from error
    if len(body) > limit:
        raise TooLarge(f"the body has more than {limit} bytes")
    return decompress(body, encoding, limit) if encoding else body


async def _read_all(receive: Receive, limit: int) -> bytes:
    """The body's bytes, up to its end or until they exceed the limit."""
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
    """A header's value; empty when the request does not have it. `name`: in lower case."""
    headers: dict[bytes, bytes] | None = scope.get("tallystick.headers")
    if headers is None:
        headers = scope["tallystick.headers"] = dict(scope["headers"])
    return headers.get(name, b"")


def of_head(scope: Scope, name: str, find: Callable[[Scope], T]) -> T:
    """What `find` says of a request's head. It is asked once for all requests whose heads are the same, byte for byte,
    where the server says which these are.

    Args:
        find: depends on the head alone. What it raises is not remembered.
    """
    known: dict[str, Any] | None = scope.get("tallystick.of_head")
    if known is None:
        return find(scope)
    if name not in known:
        known[name] = find(scope)
    found: T = known[name]
    return found


def declared_bytes(scope: Scope) -> int:
    """Content-Length in bytes; 0 without one. Leading zeros are cut, since Python refuses very long numbers."""
    digits = header(scope, b"content-length").lstrip(b"0")
    return int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else 0


def repeats_a_header(scope: Scope) -> bool:
    """Whether the request has any header twice."""
    header(scope, b"")
    return len(scope["tallystick.headers"]) != len(scope["headers"])


def decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    """`body`, decoded. Decoding stops as soon as the result exceeds `limit` bytes."""
    try:
        if encoding == b"identity":
            return body
        if encoding in (b"gzip", b"x-gzip"):
            return _unpack(body, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), _ZLIB_PIECE, limit)
        if encoding == b"deflate":
            # By RFC 9110 `deflate` is the zlib format. Some clients send raw deflate; the first bytes show which.
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
    """Unpack gzip members or zstd frames piece by piece, so that a decompression bomb is found early.

    Where the limit is a large one, a bomb is measured before it is kept, and a large body is unpacked twice.
    """
    kept: list[bytes] = []
    size = 0
    for part in _unpacked(body, start, piece_bytes, limit):
        size += len(part)
        if size > _KEPT_MAX:
            kept.clear()
        else:
            kept.append(part)
    return b"".join(kept if size <= _KEPT_MAX else _unpacked(body, start, piece_bytes, limit))


def _unpacked(body: bytes, start: Callable[[], Any], piece_bytes: int, limit: int) -> Iterator[bytes]:
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
            part = member.decompress(piece)
            size += len(part)
            if size > limit:
                raise TooLarge(f"the body unpacks to more than {limit} bytes")
            yield part
            if not member.eof:
                break
            piece, member = member.unused_data, None
    if member:
        raise InvalidRequest("the compressed body ends too early")
