"""Answers that a process gives without calling its application, and the limits that cause them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tallystick.config import KIB
from tallystick.http_headers import WRITE

HEAD_MAX = 64 * KIB
"""Most bytes of a URL, and of all headers together; also of trailers and of chunk size lines."""
HEADERS_MAX = 256
"""Most headers of a request."""
PIPELINED_MAX = 256
"""Most pipelined requests that may wait on a connection while an earlier one is answered."""
_SAFE = b"".join(b"%b: %b\r\n" % header for header in WRITE)
"""Headers that let a page of another origin read these answers."""


@dataclass(frozen=True)
class Refusal:
    """An answer that the process gives without calling the application. It ends the connection.

    Attributes:
        reason: the label of `tallystick_http_connections_ended_total`.
    """

    status: int
    code: str
    message: str
    reason: str
    retry_after: int | None = None

    def fields(self) -> bytes:
        """The answer's headers and body, without the status line."""
        body = msgspec.json.encode({"error": {"code": self.code, "message": self.message}})
        again = b"" if self.retry_after is None else b"retry-after: %d\r\n" % self.retry_after
        return b"content-type: application/json\r\nconnection: close\r\n%b%bcontent-length: %d\r\n\r\n%b" % (
            _SAFE,
            again,
            len(body),
            body,
        )


FULL = Refusal(503, "too_many_connections", "this server has all the connections that it takes", "full", 1)
CROWDED = Refusal(429, "too_many_connections", "this address has all the connections that it may have", "address", 1)
TOO_MUCH = Refusal(503, "unavailable", "too much is being sent at once, and this took longest", "memory", 1)
URL_TOO_LONG = Refusal(414, "url_too_long", f"a URL may have {HEAD_MAX} bytes", "url")
HEAD_TOO_LARGE = Refusal(
    431, "headers_too_large", f"there may be {HEADERS_MAX} headers, with {HEAD_MAX} bytes in all", "headers"
)
HEAD_TOO_SLOW = Refusal(
    408, "request_timeout", "the headers did not arrive within TALLYSTICK_HEADER_TIMEOUT", "header_timeout"
)
MALFORMED = Refusal(400, "invalid_request", "this is no valid HTTP/1.1 request", "malformed")
NO_PROXY = Refusal(405, "method_not_allowed", "this server is no proxy: there is no CONNECT", "malformed")
TOO_MANY_AT_ONCE = Refusal(
    429, "too_many_requests", f"{PIPELINED_MAX} requests wait on this connection: read the answers", "pipeline", 1
)
