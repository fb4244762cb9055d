"""Event ids: what a client's id becomes, and what an event without one gets."""

from __future__ import annotations

import random
import re
import time
from uuid import UUID, uuid5

import msgspec

ORIGINAL_ID_MAX = 512
NAMESPACE = UUID("b4a6c1de-5f0e-4b7c-9d0e-6a1f3f1c2d77")
"""Namespace of all UUIDv5 that Runnel derives."""

_UUID = re.compile("[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(?:\\1[0-9a-fA-F]{4}){2}\\1[0-9a-fA-F]{12}")
"""With its hyphens or without. Braces, `urn:` and whatever else Python's UUID takes would make one of two ids."""


def event_id(given: str | None, site_id: str, user_id: str | None) -> tuple[UUID, str | None]:
    """The id, and the client's own text when it was no UUID.

    A text that is no UUID becomes UUIDv5 of site, user and text: two users may produce the same one (SmolHog's SDK
    does), and they are not the same event.
    """
    if not given:
        return uuid7(), None
    if _UUID.fullmatch(given):
        return UUID(given), None
    return derived("\x1f".join((site_id, user_id or "", given))), given


def derived(text: str) -> UUID:
    """The UUIDv5 of a text in Runnel's namespace; lone surrogates count as U+FFFD."""
    return uuid5(NAMESPACE, text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits.

    The random bits keep ids apart and guard nothing, so they need not come from the system's random source.
    """
    value = (time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF) << 80 | random.getrandbits(80)
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    return msgspec.convert(value.to_bytes(16), UUID)  # a third of the time of UUID(int=…)
