"""A visitor's id without a cookie: a keyed hash of site, address and User-Agent, whose key lives for one UTC day.

The key ("salt") is 256 random bits. It is in the memory of the processes that accept events and in one file a day, so
that ids survive a restart and several processes agree. After the day it is removed from both. From then on no one, not
even the operator, can find the address of an id by trying all addresses.

Processes on several machines have no folder in common. They compute the salt from a secret of the operator's, who can
compute it after the day, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import structlog

from tallystick.errors import ConfigError

log = structlog.get_logger(__name__)

PREFIX = "visitor-"
SALT_BYTES = 32
CHECK_BYTES = 8
"""Bytes of checksum after the salt in its file. One wrong bit in a salt would count every visitor twice."""
ID_BYTES = 15
"""Bytes of hash in an id: 120 bits, written as 20 characters, so that two visitors never share an id."""
DAY = 86_400
FILE = "visitor-salt-"
"""Name of a salt's file, before the number of its UTC day since 1970."""


def visitor_id(salt: bytes, site: str, address: str, agent: str) -> str:
    """The id of a visitor of a site, from the address and the User-Agent. It lasts as long as the salt."""
    text = f"{site}\0{address}\0{agent}".encode("utf-8", "replace")
    return PREFIX + urlsafe_b64encode(blake2b(text, key=salt, digest_size=ID_BYTES).digest()).decode("ascii")


class Salts:
    """Today's salt, shared by all processes that have the same folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            clock: seconds since 1970.

        Raises:
            ConfigError: the folder cannot be written.
        """
        self._folder = folder
        self._clock = clock
        self._day = -1
        self._salt = b""
        self._midnight: asyncio.TimerHandle | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take(self._today())
            self._forget_at_midnight()
        except OSError as error:
            raise ConfigError(
                f"TALLYSTICK_ENRICH_SALT_FOLDER: the visitors' salt cannot be kept in {folder}: "
                f"{error.strerror or error}"
            ) from None

    def salt(self) -> bytes:
        """Today's salt."""
        day = self._today()
        if day != self._day:
            try:
                self._take(day)
            except OSError as error:
                # Without a file the ids are right until this process ends, which is better than events without ids.
                self._day, self._salt = day, secrets.token_bytes(SALT_BYTES)
                log.error("the visitors' salt is kept in memory alone", folder=str(self._folder), error=str(error))
        if self._midnight is None:
            self._forget_at_midnight()
        return self._salt

    def forget(self) -> None:
        """Remove the salts of days before today from memory and folder."""
        today = self._today()
        if self._day < today:
            self._day, self._salt = -1, b""
        for file in self._folder.glob(f"{FILE}*"):
            day = file.name.removeprefix(FILE)
            if day.isdigit() and int(day) < today:
                with contextlib.suppress(OSError):
                    file.unlink()

    def _today(self) -> int:
        return int(self._clock() // DAY)

    def _take(self, day: int) -> None:
        """Read the day's salt, or make it. All processes with this folder get the one that was made first."""
        file = self._folder / f"{FILE}{day}"
        if not file.exists():
            fresh = secrets.token_bytes(SALT_BYTES)
            _write_once(file, fresh + _check(fresh))
        content = file.read_bytes()
        salt, check = content[:SALT_BYTES], content[SALT_BYTES:]
        if len(salt) != SALT_BYTES or (check and check != _check(salt)):  # an older Tallystick wrote no checksum
            raise OSError(f"{file.name} is damaged: delete it, and today's visitors count anew from now on")
        self._day, self._salt = day, salt
        self.forget()

    def _forget_at_midnight(self) -> None:
        """Forget the salt at midnight. Without an event loop, the first event of the next day does it."""
        with contextlib.suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            self._midnight = loop.call_later(DAY - self._clock() % DAY + 1, self._day_is_over)

    def _day_is_over(self) -> None:
        self._midnight = None
        self.forget()
        if self._salt:  # the clock was put back
            self._forget_at_midnight()


class ComputedSalts:
    """Each day's salt, computed from a secret that processes on several machines share. Nothing is kept in a file."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            clock: seconds since 1970.
        """
        self._key = blake2b(secret.encode()).digest()
        self._clock = clock
        self._day = -1
        self._salt = b""

    def salt(self) -> bytes:
        """Today's salt."""
        day = int(self._clock() // DAY)
        if day != self._day:
            text = f"{FILE}{day}".encode()
            self._day, self._salt = day, blake2b(text, key=self._key, digest_size=SALT_BYTES).digest()
        return self._salt


def _check(salt: bytes) -> bytes:
    return blake2b(salt, digest_size=CHECK_BYTES).digest()


def _write_once(file: Path, content: bytes) -> None:
    """Create a file atomically with its content, unless it exists. Only its owner can read it."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
