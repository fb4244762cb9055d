"""Hashes of passwords: Argon2id, computed in threads, few at a time."""

from __future__ import annotations

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tallystick.errors import InvalidRequest

LEAST, MOST = 12, 256
"""Characters of a password. No rule asks for kinds of characters: they make passwords no harder to guess."""
AT_ONCE = 2
"""How many are computed at a time; each takes 19 MiB of memory and a core."""


class Passwords:
    """Makes and checks hashes."""

    def __init__(self) -> None:
        # Argon2id with 19 MiB, two passes and one lane: the least that OWASP's Password Storage Cheat Sheet advises.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """The hash of a new password. Raises InvalidRequest as `check_new`."""
        check_new(password)
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def right(self, password: str, against: str | None) -> bool:
        """Whether a password has this hash. None (there is no such account) takes as long as a wrong password."""
        async with self._turns:
            return await asyncio.to_thread(self._verify, password, against)

    def outdated(self, against: str) -> bool:
        """Whether the hash was made with other parameters than these."""
        return self._hasher.check_needs_rehash(against)

    def _verify(self, password: str, against: str | None) -> bool:
        try:
            given = password[:MOST].encode("utf-8", "replace")
            found = self._hasher.verify(against or _nobodys(self._hasher), given)
        except (VerificationError, InvalidHashError):
            return False
        return found and bool(against)


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    return hasher.hash(secrets.token_hex(32))


def check_new(password: str) -> None:
    """Raises InvalidRequest when a password is too short or too long, or has characters that no keyboard makes."""
    if not LEAST <= len(password) <= MOST:
        raise InvalidRequest(f"password: it has {LEAST} to {MOST} characters")
    if not password.isprintable():
        raise InvalidRequest("password: it has a character that cannot be seen")
