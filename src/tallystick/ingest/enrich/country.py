"""The country of an address, from a file in MaxMind's format. maxminddb is imported here, and by
`tallystick.doctor`, which asks for the file's age.

The file is read into memory, because a memory-mapped file would crash the process when it is overwritten in place.
"""

from __future__ import annotations

import os
import re
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tallystick.address import Address
from tallystick.errors import ConfigError

if TYPE_CHECKING:
    from maxminddb.reader import Reader

log = structlog.get_logger(__name__)

CACHED = 8192
"""Most addresses whose country is cached, in memory only."""
LOOK_EVERY = 10.0
"""Seconds between two checks whether the file has changed."""
_CODE = re.compile(r"[A-Za-z]{2}")


class Countries:
    """Looks up countries by address, and reads the file again when it has changed."""

    def __init__(self, file: Path, look_every: float = LOOK_EVERY) -> None:
        """Raises ConfigError: the file cannot be read, has another format, or maxminddb is not installed."""
        self._file = file
        self._look_every = look_every
        self._look_at = time.monotonic() + look_every
        self._loading: threading.Thread | None = None
        self._load()

    def country(self, address: Address) -> str | None:
        """Two capital letters (ISO 3166-1); None when the file does not have the address."""
        if time.monotonic() >= self._look_at:
            self._look()
        return self._known(address)

    def _look(self) -> None:
        self._look_at = time.monotonic() + self._look_every
        if self._loading is not None and self._loading.is_alive():
            return
        if _state(self._file) not in (None, self._state):
            self._loading = threading.Thread(target=self._load_again, daemon=True, name="country file")
            self._loading.start()

    def _load_again(self) -> None:
        """Runs in a thread, because reading takes too long for a request. The old data stay until it succeeds."""
        try:
            self._load()
        except ConfigError as error:
            log.warning("the changed country file is not taken", error=error.whole)
        else:
            log.info("country file read anew", file=str(self._file))

    def _load(self) -> None:
        state = _state(self._file)
        reader = _open(self._file)

        @lru_cache(CACHED)
        def known(address: Address) -> str | None:
            return _country(reader, address)

        self._known = known
        self._state = state


def _state(file: Path) -> tuple[int, int, int] | None:
    """A value that changes when the file is replaced or written; None when the file does not exist."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _open(file: Path) -> Reader:
    try:
        import maxminddb
    except ImportError as error:
        raise ConfigError(
            f"TALLYSTICK_ENRICH_COUNTRY_FILE: a package is missing ({error}): pip install maxminddb"
        ) from None
    try:
        return maxminddb.open_database(file, maxminddb.MODE_MEMORY)
    except OSError as error:
        raise ConfigError(f"TALLYSTICK_ENRICH_COUNTRY_FILE: {file} cannot be read: {error.strerror or error}") from None
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise ConfigError(f"TALLYSTICK_ENRICH_COUNTRY_FILE: {file} is no file in MaxMind's format: {error}") from None


def _country(reader: Reader, address: Address) -> str | None:
    """The code in a record of MaxMind, DB-IP (`country.iso_code`) or IPinfo (`country_code`, `country`)."""
    from maxminddb import InvalidDatabaseError

    try:
        record = reader.get(address)
    except (ValueError, InvalidDatabaseError):
        return None  # an IPv6 address in an IPv4-only file, or a damaged record
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code", country)
    return code.upper() if isinstance(code, str) and _CODE.fullmatch(code) else None
