"""Sites, keys, accounts and logins (G12). Only this module knows where they can be kept."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tallystick.access.directory import Directory
from tallystick.access.secret import FILE, find_secret
from tallystick.access.store import AccessStore
from tallystick.config import Settings, check_files, url_path
from tallystick.errors import ConfigError
from tallystick.extras import needed_for
from tallystick.keys import Right

__all__ = ["AccessStore", "closed_rights", "directory_of", "make_access_store", "why_none"]

SCHEMES = ("sqlite", "postgresql", "postgres")
"""All schemes that TALLYSTICK_ACCESS_URL takes."""


def why_none(settings: Settings) -> str | None:
    """Why a server with these settings keeps no keys and accounts beside those of the settings; None: it does."""
    if settings.resolved_access_url:
        return None
    return "set TALLYSTICK_ACCESS_URL to a file or database for keys and accounts: this store keeps none"


def make_access_store(settings: Settings) -> AccessStore:
    """The store of keys and accounts that the settings name, not opened yet.

    Raises:
        ConfigError: there is none, its scheme is unknown, or it needs packages that are not installed.
    """
    if reason := why_none(settings):
        raise ConfigError(reason)
    url = settings.resolved_access_url
    variable = "TALLYSTICK_ACCESS_URL" if settings.access_url else "TALLYSTICK_STORE_URL"
    check_files(variable, url)
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        from tallystick.access.sqlite import SqliteAccess

        return SqliteAccess(url_path(url), settings)
    if scheme in ("postgresql", "postgres"):
        with needed_for(f"{variable}: {scheme}://"):
            from tallystick.access.postgres import PostgresAccess

        return PostgresAccess(settings, url, variable)
    raise ConfigError(
        f"TALLYSTICK_ACCESS_URL: {scheme!r} is no scheme for keys and accounts; there are {', '.join(SCHEMES)}"
    )


def directory_of(settings: Settings) -> Directory:
    """The sites, keys and accounts that the settings name, not read yet.

    Raises:
        ConfigError: the data folder holds some, and the settings name another place, or their secret is not there: a
            server that forgot them would be open again.
    """
    kept = settings.data_folder / "access.db"
    if not settings.access_url and not settings.resolved_access_url.startswith("sqlite:") and kept.exists():
        raise ConfigError(
            f"{kept} holds keys and accounts, and the store is another one now: set TALLYSTICK_ACCESS_URL="
            f"sqlite:///{kept} to keep them, or move the file away to begin anew"
        )
    if settings.resolved_access_url == f"sqlite:///{kept}" and kept.exists() and find_secret(settings) is None:
        raise ConfigError(
            f"{kept} holds keys and accounts, and the secret that made them is not here: set the "
            f"TALLYSTICK_ACCESS_SECRET with which they were made, or restore {settings.data_folder / FILE}; "
            "or move the first file away to begin anew"
        )
    return Directory(settings, make_access_store, why_none(settings))


def closed_rights(settings: Settings) -> frozenset[Right]:
    """The rights for which a key or an account was ever made. Blocks; for the start, before there is an event loop.

    Raises:
        ConfigError: as `Directory.start`.
        Unavailable: the database cannot be reached.
    """
    if why_none(settings) or find_secret(settings) is None:
        return frozenset()

    async def read() -> frozenset[Right]:
        directory = directory_of(settings)
        try:
            await directory.refresh()
        finally:
            await directory.stop()
        made: dict[Right, bool] = {"write": directory.closed_to_writers, "read": directory.closed_to_readers}
        return frozenset(right for right, closed in made.items() if closed)

    with ThreadPoolExecutor(1) as pool:  # a caller's thread may have an event loop
        return pool.submit(asyncio.run, read()).result()
