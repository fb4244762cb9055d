"""Reading a request's body with a cap on its size, before and after decompression."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import zstandard
from starlette.types import Receive, Scope

from runnel.config import Settings
from runnel.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedEncoding


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody waits for an answer."""


async def read_body(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """The request's body, decompressed.

    Raises:
        TooLarge: more than `max_body_bytes`, compressed or not; what is over is not read or unpacked.
        UnsupportedEncoding: a Content-Encoding other than gzip, deflate, zstd, identity.
        InvalidRequest: the compressed data is broken.
        RequestTimeout: the body did not arrive within `body_timeout` seconds.
        ClientGone: the client left.
    """
    encoding = header(scope, b"content-encoding").strip().lower()
    limit = settings.max_body_bytes
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"the body has {int(declared)} bytes; at most {limit} are taken")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        try:
            async with asyncio.timeout(settings.body_timeout):
                body = await _read_rest(receive, body, limit)
        except TimeoutError as error:
            raise RequestTimeout(f"the body did not arrive within {settings.body_timeout:g} s") from error
    if len(body) > limit:
        raise TooLarge(f"the body has more than {limit} bytes")
    return decompress(body, encoding, limit) if encoding else body


async def _read_rest(receive: Receive, first: bytes, limit: int) -> bytes:
    chunks = [first]
    size = len(first)
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
    headers: dict[bytes, bytes] | None = scope.get("runnel.headers")
    if headers is None:
        headers = scope["runnel.headers"] = dict(scope["headers"])
    return headers.get(name, b"")


def decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    """`body` decoded, stopping as soon as the result is over `limit` bytes."""
    try:
        if encoding == b"identity":
            return body
        if encoding in (b"gzip", b"x-gzip"):
            return _inflate(body, zlib.MAX_WBITS | 16, limit)
        if encoding == b"deflate":
            # RFC 9110 means the zlib format; some clients send raw deflate, told by its first bytes.
            zlib_format = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
            return _inflate(body, zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS, limit)
        if encoding == b"zstd":
            return _unzstd(body, limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise InvalidRequest(f"the body is no valid {encoding.decode('ascii', 'replace')}: {error}") from error
    raise UnsupportedEncoding


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    """One or more concatenated members."""
    parts: list[bytes] = []
    size = 0
    while body:
        member = zlib.decompressobj(wbits)
        parts.append(member.decompress(body, limit + 1 - size))
        size += len(parts[-1])
        if size > limit:
            raise TooLarge(f"the body unpacks to more than {limit} bytes")
        if not member.eof:
            raise InvalidRequest("the compressed body ends too early")
        body = member.unused_data
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=max(limit, 1024))
    with decompressor.stream_reader(body, read_across_frames=True) as reader:
        unpacked = reader.read(limit + 1)
    if len(unpacked) > limit:
        raise TooLarge(f"the body unpacks to more than {limit} bytes")
    return unpacked
