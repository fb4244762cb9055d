"""Headers of HTTP that no route decides about alone: what every answer has, and what a request may have once only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.errors import InvalidRequest

Headers = Sequence[tuple[bytes, bytes]]

_EVERYWHERE: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
READ: Headers = (*_EVERYWHERE, (b"cross-origin-resource-policy", b"same-origin"))
"""On answers about events and on Tallystick's own pages: no foreign page embeds them."""
WRITE: Headers = (*_EVERYWHERE, (b"cross-origin-resource-policy", b"cross-origin"))
"""On answers that foreign pages get: of routes that take events, and the script that sends them."""

ONCE = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"smolhog-api-key",
        b"idempotency-key",
        b"content-encoding",
        b"content-type",
        b"content-length",
        b"host",
        b"origin",
    }
)
"""Request headers that decide something. Of two of them, a proxy in front may have looked at the other one."""


def with_headers(wanted: Headers, app: ASGIApp) -> ASGIApp:
    """The app, with these headers in its answers, but for those that a route has decided about."""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                present = {name for name, _ in own}
                message = {**message, "headers": [*own, *(one for one in wanted if one[0] not in present)]}
            await send(message)

        await app(scope, receive, adding)

    return whole


def refuse_repeated(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises InvalidRequest when a header that decides something comes twice, even with the same value."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in ONCE and name in seen:
            raise InvalidRequest(f"the request has the header {name.decode('ascii')} twice: send it once")
        seen.add(name)
