"""Whole bodies, and what each API answers to them."""

from __future__ import annotations

import gzip
import zlib

import zstandard

from tests.attack.http.bad_input.shapes import EVENT, MIB, Body


def deflated(size: int, bits: int = zlib.MAX_WBITS) -> bytes:
    """So many zero bytes in the zlib format, or in that of `bits`."""
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return b"".join([packer.compress(bytes(MIB)) for _ in range(size // MIB)]) + packer.flush()


def gzipped(size: int) -> bytes:
    return deflated(size, zlib.MAX_WBITS | 16)


def zstd(size: int) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join([packer.compress(bytes(MIB)) for _ in range(size // MIB)]) + packer.flush()


BODIES: tuple[Body, ...] = (
    Body(
        "an empty body",
        b"",
        """
        own | 400 invalid_request: Input data was truncated
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: Input data was truncated
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body: this field is required
        """,
    ),
    Body(
        "white space alone",
        b" \r\n\t",
        """
        own | 400 invalid_request: Input data was truncated
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: Input data was truncated
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting value
        """,
    ),
    Body(
        "a byte order mark alone",
        b"\xef\xbb\xbf",
        """
        own | 400 invalid_request: Input data was truncated
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting value
        """,
    ),
    Body(
        "a NUL byte",
        b"\0",
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting value
        """,
    ),
    Body(
        "half an object",
        b"{",
        """
        own | 400 invalid_request: Input data was truncated
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: Input data was truncated
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting property name enclosed in
        """,
    ),
    Body(
        "null",
        b"null",
        """
        own | 400 invalid_request: Expected `object`, got `null`
        smolhog, eventflux | 422 model_type: body: Input should be a valid dictionary or instance of
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "value" must be of type object
        json | 400 invalid_request: the body: Input should be a valid dictionary or object to
        """,
    ),
    Body(
        "a number",
        b"5",
        """
        own | 400 invalid_request: Expected `object`, got `int`
        smolhog, eventflux | 422 model_type: body: Input should be a valid dictionary or instance of
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "value" must be of type object
        json | 400 invalid_request: the body: Input should be a valid dictionary or object to
        """,
    ),
    Body(
        "a text",
        b'"events"',
        """
        own | 400 invalid_request: Expected `object`, got `str`
        smolhog, eventflux | 422 model_type: body: Input should be a valid dictionary or instance of
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "value" must be of type object
        json | 400 invalid_request: the body: Input should be a valid dictionary or object to
        """,
    ),
    Body(
        "NaN",
        b"NaN",
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: NaN is no number there
        """,
    ),
    Body(
        "a form",
        b"name=a&user_id=b",
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting value
        """,
    ),
    Body(
        "XML",
        b"<?xml version='1.0'?><a/>",
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting value
        """,
    ),
    Body(
        "single quotes",
        b"{'name':'a'}",
        """
        own | 400 invalid_request: JSON is malformed: object keys must be strings
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: object keys must be
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Expecting property name enclosed in
        """,
    ),
    Body(
        "a trailing comma",
        b'{"name":"a",}',
        """
        own | 400 invalid_request: JSON is malformed: trailing comma in object
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: trailing comma in
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON
        """,
    ),
    Body(
        "two documents",
        b"{}{}",
        """
        own | 400 invalid_request: JSON is malformed: trailing characters
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: trailing characters
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: Extra data
        """,
    ),
    Body(
        "UTF-16",
        '{"name":"a"}'.encode("utf-16"),
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: it is not UTF-8, or nested too deep
        """,
    ),
    Body(
        "100,000 open brackets",
        b"[" * 100_000,
        """
        own | 400 invalid_request: nested too deeply
        smolhog, eventflux | 422 json_invalid: body: JSON is nested too deeply
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: it is not UTF-8, or nested too deep
        """,
    ),
    Body(
        "100,000 nested objects",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        """
        own | 400 invalid_request: nested too deeply
        smolhog, eventflux | 422 json_invalid: body: JSON is nested too deeply
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body is not JSON: it is not UTF-8, or nested too deep
        """,
    ),
    Body(
        "a number of 50,000 digits",
        b"1" * 50_000,
        """
        own | 400 invalid_request: Number out of range
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: Integer value out of range
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        json | 400 invalid_request: the body holds a number of too many digits
        """,
    ),
    Body(
        "events that are null",
        b'{"events":null}',
        """
        own | 400 invalid_request: Expected `array`, got `null`
        smolhog, eventflux | 422 list_type: body.events: Input should be a valid list
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "site_id" is required
        json | 400 invalid_request
        """,
    ),
    Body(
        "events that are no list",
        b'{"events":{"0":{}}}',
        """
        own | 400 invalid_request: Expected `array`, got `object`
        smolhog, eventflux | 422 list_type: body.events: Input should be a valid list
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "site_id" is required
        json | 400 invalid_request
        """,
    ),
    Body(
        "no events",
        b'{"events":[]}',
        """
        own | 400 invalid_request: the body holds no event
        smolhog | 200
        eventflux | 422 too_short: body.events: List should have at least 1 item after validation,
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "site_id" is required
        json | 400 invalid_request
        """,
    ),
    Body(
        "a list of nulls",
        b"[null,null]",
        """
        own | 400 event_invalid: the event is no JSON object: Expected `object`, got `null`
        smolhog, eventflux | 422 model_type: body: Input should be a valid dictionary or instance of
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "value" must be of type object
        json | 400 invalid_request: the body: Input should be a valid dictionary or object to
        """,
    ),
    Body(
        "5,001 events",
        b'{"events":[' + b"{}," * 5_000 + b"{}]}",
        """
        own | 413 too_large: the request has 5001 events
        smolhog | 422 missing: body.events.0.event_id: Field required
        eventflux | 422 missing: body.events.0.event_type: Field required
        fast_worker | 400: Validation failed: site_id is required and must be a string;
        backend | 400: "site_id" is required
        json | 400 invalid_request
        """,
    ),
    Body(
        "more bytes than are taken",
        b" " * (8 * MIB + 1),
        """
        own | 413 too_large: the body has 8388609 bytes
        smolhog | 422 json_invalid: body: JSON decode error: Input data was truncated
        eventflux, fast_worker, backend | 413: the body has 8388609 bytes
        json | 413 too_large: the body is larger than TALLYSTICK_MAX_BODY_BYTES
        """,
    ),
    Body(
        "a deflate bomb of 64 MiB",
        deflated(64 * MIB),
        """
        own | 413 too_large: the body unpacks to more than 8388608 bytes
        smolhog | 413: the body unpacks to more than 33554432 bytes
        eventflux, fast_worker, backend | 413: the body unpacks to more than 8388608 bytes
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "deflate",
    ),
    Body(
        "a gzip bomb of 64 MiB",
        gzipped(64 * MIB),
        """
        own | 413 too_large: the body unpacks to more than 8388608 bytes
        smolhog | 413: the body unpacks to more than 33554432 bytes
        eventflux, fast_worker, backend | 413: the body unpacks to more than 8388608 bytes
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip",
    ),
    Body(
        "a zstd bomb of 256 MiB",
        zstd(256 * MIB),
        """
        own | 413 too_large: the body unpacks to more than 8388608 bytes
        smolhog | 413: the body unpacks to more than 33554432 bytes
        eventflux, fast_worker, backend | 413: the body unpacks to more than 8388608 bytes
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "zstd",
    ),
    Body(
        "gzip that is cut off",
        gzip.compress(EVENT)[:-5],
        """
        own | 400 invalid_request: the compressed body ends too early
        smolhog, eventflux, fast_worker, backend | 400: the compressed body ends too early
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip",
    ),
    Body(
        "gzip with bytes after its end",
        gzip.compress(EVENT) + b"more",
        """
        own | 400 invalid_request: the body is no valid gzip: Error -3 while decompressing data
        smolhog, eventflux, fast_worker, backend | 400: the body is no valid gzip: Error -3 while decompressing data
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip",
    ),
    Body(
        "1,100 empty gzip members",
        gzip.compress(b"") * 1_100,
        """
        own | 400 invalid_request: the body has more than 1000 compressed parts
        smolhog, eventflux, fast_worker, backend | 400: the body has more than 1000 compressed parts
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip",
    ),
    Body(
        "plain text called gzip",
        EVENT,
        """
        own | 400 invalid_request: the body is no valid gzip: Error -3 while decompressing data
        smolhog, eventflux, fast_worker, backend | 400: the body is no valid gzip: Error -3 while decompressing data
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip",
    ),
    Body(
        "gzip with a wrong checksum",
        gzip.compress(EVENT)[:-8] + bytes(8),
        """
        own | 400 invalid_request: the body is no valid gzip: Error -3 while decompressing data
        smolhog, eventflux, fast_worker, backend | 400: the body is no valid gzip: Error -3 while decompressing data
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip",
    ),
    Body(
        "a zstd window of 2 GiB",
        b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(3),
        """
        own | 400 invalid_request: the body is no valid zstd: zstd decompressor error: Frame
        smolhog, eventflux, fast_worker, backend | 400: the body is no valid zstd: zstd decompressor error: Frame
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "zstd",
    ),
    Body(
        "zstd magic 50 times",
        b"\x28\xb5\x2f\xfd" * 50,
        """
        own | 400 invalid_request: the body is no valid zstd: zstd decompressor error: Unsupported
        smolhog, eventflux, fast_worker, backend | 400: the body is no valid zstd: zstd decompressor error
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "zstd",
    ),
    Body(
        "deflate that is none",
        b"\x78\x9c\xff\xff",
        """
        own | 400 invalid_request: the body is no valid deflate: Error -3 while decompressing
        smolhog, eventflux, fast_worker, backend | 400: the body is no valid deflate: Error -3 while decompressing
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "deflate",
    ),
    Body(
        "brotli",
        EVENT,
        """
        own | 415 unsupported_encoding: The Content-Encoding is not one of gzip, deflate, zstd,
        smolhog, eventflux, fast_worker, backend | 415: The Content-Encoding is not one of gzip, deflate, zstd,
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "br",
    ),
    Body(
        "an encoding of two",
        gzip.compress(gzip.compress(EVENT)),
        """
        own | 415 unsupported_encoding: The Content-Encoding is not one of gzip, deflate, zstd,
        smolhog, eventflux, fast_worker, backend | 415: The Content-Encoding is not one of gzip, deflate, zstd,
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "gzip, gzip",
    ),
    Body(
        "an encoding that is no text",
        EVENT,
        """
        own | 415 unsupported_encoding: The Content-Encoding is not one of gzip, deflate, zstd,
        smolhog, eventflux, fast_worker, backend | 415: The Content-Encoding is not one of gzip, deflate, zstd,
        json | 415 unsupported_encoding: this route takes no Content-Encoding: send the body as it is
        """,
        "ÿ",
    ),
)
