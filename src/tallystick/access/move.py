"""Carries keys and accounts from beside one store to beside another, as `tallystick move` does after the events.

Where they are kept follows the store, unless TALLYSTICK_ACCESS_URL names a place of their own: that stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from tallystick.access import make_access_store, why_none
from tallystick.access.scripts.carried import AccessData
from tallystick.access.secret import FILE, copy_secret, find_secret
from tallystick.config import Settings, shown_url, url_path
from tallystick.errors import ConfigError, Unavailable

Outcome: TypeAlias = Literal["none", "would carry", "carried", "stays"]


class AccessMoved(msgspec.Struct, frozen=True):
    """What a move did with keys and accounts.

    Attributes:
        outcome: `none`: the source has none; `stays`: they are not carried.
        counts: rows of each table.
        say: what the operator has to know or do, as sentences.
    """

    outcome: Outcome
    counts: Mapping[str, int] = {}
    say: tuple[str, ...] = ()


def beside(settings: Settings) -> Settings:
    """Settings by which keys and accounts are found beside the store that they name: a DuckDB file's in its folder."""
    url = settings.resolved_store_url
    if urlsplit(url).scheme != "duckdb":
        return settings
    return settings.model_copy(update={"data": url_path(url).parent, "store_url": ""})


class AccessMove:
    """The move of keys and accounts between two stores, of which no server uses either."""

    def __init__(self, source: Settings, destination: Settings) -> None:
        """`source`, `destination`: each with its own store's URL."""
        self._from, self._to = beside(source), beside(destination)
        self._data: AccessData | None = None
        self._stays = ""

    async def check(self) -> None:
        """Read what there is, and whether the destination can take it. Changes nothing.

        Raises:
            ConfigError: the destination has others, or another secret.
            Unavailable: one of the two cannot be reached.
        """
        if why_none(self._from) or not (data := await _dump(self._from)):
            return
        kept = shown_url(self._from.resolved_access_url)
        if self._from.access_url:
            self._stays = f"keys and accounts stay in {kept}, which TALLYSTICK_ACCESS_URL names"
        elif why_none(self._to):
            self._stays = (
                f"keys and accounts stay in {kept}, since the new store keeps none: start its servers with "
                "TALLYSTICK_ACCESS_URL for that place"
            )
        self._data = data
        if self._stays:
            return
        there = await _dump(self._to)
        if there is not None and any(there.counts.values()) and not there.same_as(data):
            where = shown_url(self._to.resolved_access_url)
            raise ConfigError(f"--to: {where} has other sites, keys and accounts already: nothing was changed")
        secret = find_secret(self._to) if self._to.data != self._from.data else None
        if secret is not None and self._is_file(self._to) and secret.proof != data.proof:
            raise ConfigError(f"--to: another secret is in {self._to.data_folder / FILE}: nothing was changed")

    async def carry(self, *, dry_run: bool) -> AccessMoved:
        """Carry what `check` read, and compare both sides.

        Raises:
            ConfigError: as `check`.
            Unavailable: the destination failed, or it has not what it was given.
        """
        data = self._data
        if data is None:
            return AccessMoved("none")
        if self._stays:
            return AccessMoved("stays", data.counts, (self._stays,))
        if dry_run:
            return AccessMoved("would carry", data.counts)
        store = make_access_store(self._to)
        await store.open()
        try:
            await store.load(data)
            if not (await store.dump()).same_as(data):
                raise Unavailable("the destination has not the sites, keys and accounts that it was given")
        finally:
            await store.close()
        return AccessMoved("carried", data.counts, tuple(self._to_do(data)))

    def _to_do(self, data: AccessData) -> list[str]:
        """Bring the secret along where it is a file, and say what else servers need."""
        say = ["logins are not carried: everybody logs in again"]
        if self._is_file(self._to):
            copy_secret(self._from, self._to)
        if self._is_file(self._from) and not self._is_file(self._to):
            kept = url_path(self._from.resolved_access_url)
            say.append(f"move {kept} away before a server of the new store starts on that data folder")
        secret = find_secret(self._to)
        if secret is None or secret.proof != data.proof:
            say.append(f"servers of the new store need the secret: {self._where_secret()}")
        return say

    def _where_secret(self) -> str:
        file: Path = self._from.data_folder / FILE
        if not self._from.access_secret.get_secret_value() and file.exists():
            return f"copy {file} into their data folder, or set its content as TALLYSTICK_ACCESS_SECRET"
        return "the TALLYSTICK_ACCESS_SECRET with which keys and accounts were made"

    @staticmethod
    def _is_file(settings: Settings) -> bool:
        return settings.resolved_access_url.startswith("sqlite:")


async def _dump(settings: Settings) -> AccessData | None:
    """What is kept; None: there are no tables."""
    store = make_access_store(settings)
    await store.open()
    try:
        return await store.dump() if await store.exists() else None
    finally:
        await store.close()
