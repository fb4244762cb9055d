"""Share links (G12): a request with the token of a link may read its board, and nothing else.

A token is `sh_<id of the link>_<256 random bits>`. It is accepted in the Authorization header only, and the store keeps
its SHA-256 only. Unknown, revoked and expired tokens get the same answer.
"""

from __future__ import annotations

import hmac
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.types import Scope

from tallystick.errors import TallystickError, Unauthorized
from tallystick.http_headers import refuse_repeated
from tallystick.keys import RANDOM_BYTES
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.store.base import Store
from tallystick.store.library import Share
from tallystick.store.turns import CALLER

TOUCH_EVERY = timedelta(minutes=1)
"""The precision of `last_used_at`: a link costs at most one write in this time."""
_TOKEN = re.compile(r"sh_([a-z0-9]{12})_[A-Za-z0-9_-]{43}")
_SCHEME = "bearer "
_NO_DIGEST = bytes(32)
"""Compared with when there is no such link, so that an unknown id takes as long as a wrong secret."""


def new_token(share_id: str) -> str:
    """The token of a new link."""
    return f"sh_{share_id}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def digest_of(token: str) -> bytes:
    """The SHA-256 of a token, which the store keeps."""
    return sha256(token.encode("ascii")).digest()


def page_of(token: str) -> str:
    """The dashboard's page for a link. What follows the # is never sent to a server, so no log has it."""
    return f"/ui/shared#{token}"


class ShareGate:
    """Admits requests that have the token of a share link, and refuses all others."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._seldom = Seldom(__name__, "access refused")

    async def admit(self, scope: Scope) -> Share:
        """The link whose token the request presents.

        Raises:
            Unauthorized: there is no token, or no link that is still valid has it.
            StoreUnavailable: the store cannot be asked for the link.
            InvalidRequest: a header that decides about access comes twice.
        """
        headers = Headers(scope=scope)
        refuse_repeated(headers.raw)
        share = await self._share_of(headers.get("authorization", ""))
        CALLER.set("" if share is None else f"share {share.id}")
        now = datetime.now(UTC)
        if share is None or (share.expires_at is not None and share.expires_at <= now):
            self._metrics.access_refused.labels("share", Unauthorized.code).inc()
            self._seldom.warning(side="share", code=Unauthorized.code)
            raise Unauthorized("this needs the token of a share link that is neither revoked nor expired")
        if share.last_used_at is None or now - share.last_used_at >= TOUCH_EVERY:
            with suppress(TallystickError):  # a store that refuses writes may still answer
                await self._store.library.touch_share(share.id, now)
        return share

    async def _share_of(self, authorization: str) -> Share | None:
        token = authorization[len(_SCHEME) :].strip() if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
        form = _TOKEN.fullmatch(token)
        if form is None:
            return None
        share = await self._store.library.share(form[1])
        same = hmac.compare_digest(digest_of(token), _NO_DIGEST if share is None else share.digest)
        return share if same else None
