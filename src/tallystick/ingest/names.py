"""How many different event names and property keys a site may have (G5): a client that writes ids into them is stopped.

Each process has the known ones in memory, so that an event with known names costs a lookup. New ones are appended to a
file of the data folder, which all processes of the folder read again every second: a restart forgets nothing, and
processes of one machine count nearly as one. Where there is no such file yet, the store says which names it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from tallystick.config import Settings
from tallystick.errors import TallystickError
from tallystick.ingest.normalise import Rejected
from tallystick.logs import Seldom
from tallystick.model.event import NO_PROPERTIES
from tallystick.names_file import Entry, Kind, NamesFile

SAVE_EVERY = 1.0
"""Seconds between two looks at the file: what other processes of the folder found, and what this one did."""
SEED_AGAIN = 60.0
"""Seconds until the store is read again after that failed: on ClickHouse it may take long."""
MOST = 1_000_000
"""Names and keys of all sites together that are remembered; what is new beyond them is taken and not counted.

Sites are not limited where a key is of every site, so without this a client could fill the memory with new sites."""
KEY_SHOWN = 255
"""A longer property key is remembered by its digest."""

FromStore: TypeAlias = Callable[[], Awaitable[Iterable[Entry] | None]]
"""Reads the names and keys that the store has; None: it is not open yet. Raises TallystickError."""

_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Named(Protocol):
    """What is counted of an event."""

    name: str
    site_id: str
    properties: msgspec.Raw


class _Site:
    """What a site has."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.keys: set[str] = set()

    def of(self, kind: Kind) -> set[str]:
        return self.names if kind == "name" else self.keys


class KnownNames:
    """The names and property keys of each site."""

    def __init__(self, settings: Settings) -> None:
        self._most = {"name": settings.quota_site_names, "key": settings.quota_site_properties}
        self._counts_keys = settings.quota_site_properties > 0
        self._sites: dict[str, _Site] = {}
        self._total = 0
        self._new: list[Entry] = []
        self._file = NamesFile(settings)
        self._open = False
        self._task: asyncio.Task[None] | None = None
        self._full = Seldom(__name__, "events rejected: their site has its quota of names")
        self._failing = Seldom(__name__, "the names of sites cannot be read or kept")

    # --- events: no I/O -------------------------------------------------------------------------------------------

    @property
    def counts(self) -> bool:
        """Whether there is a quota."""
        return self._counts_keys or self._most["name"] > 0

    def admit_all(self, events: Sequence[Named]) -> bool:
        """Whether all names and keys of some events are known, or may be new, and are known from now on.

        False: `admit` has to say which event may not come in; nothing was changed but what is known.
        """
        if len(events) == 1:
            event = events[0]
            site = self._sites.get(event.site_id)
            if site is not None and event.name in site.names and not self._counts_keys:
                return True
        if len({event.site_id for event in events}) > 1:
            return all(self.admit_all([event]) for event in events)
        site_id = events[0].site_id
        found = self._sites.get(site_id)
        names = {event.name for event in events}
        if (found is None or not found.names.issuperset(names)) and not self._add("name", site_id, names):
            return False
        if not self._counts_keys:
            return True
        # Properties of a canonical line have no line break.
        decoded = _keys.decode_lines(b"\n".join([event.properties for event in events]))
        keys: set[str] = set().union(*decoded)
        found = self._sites.get(site_id)
        return (found is not None and found.keys.issuperset(keys)) or self._add("key", site_id, keys)

    def admit(self, event: Named) -> None:
        """Let an event in with its names.

        Raises:
            Rejected: its name, or one of its property keys, is new, and its site has as many as it may have.
        """
        site = self._sites.get(event.site_id)
        if site is not None and event.name in site.names and not self._counts_keys:
            return
        if not self._add("name", event.site_id, {event.name}):
            self._full.warning(site=event.site_id, quota="TALLYSTICK_QUOTA_SITE_NAMES")
            raise Rejected(
                "too_many_names",
                f"the site has {self._most['name']:,} different event names, as many as it may have, and this one is "
                "new: a name says what happened, and ids belong into properties",
            )
        if self._counts_keys and event.properties != NO_PROPERTIES:
            keys = _keys.decode(event.properties).keys()
            if not self._add("key", event.site_id, set(keys)):
                self._full.warning(site=event.site_id, quota="TALLYSTICK_QUOTA_SITE_PROPERTIES")
                raise Rejected(
                    "too_many_properties",
                    f"the site has {self._most['key']:,} different property keys, as many as it may have, and this "
                    "event has a new one: ids belong into values",
                )

    def _add(self, kind: Literal["name", "key"], site_id: str, found: set[str]) -> bool:
        """Make all of these known; False: the site may not have so many, and nothing was changed."""
        most = self._most[kind]
        if not most:
            return True
        site = self._sites.get(site_id) or _Site()
        known = site.of(kind)
        new = found - known
        if kind == "key" and any(len(key) > KEY_SHOWN for key in new):
            new = {_short(key) for key in new} - known
        if not new or (self._total + len(new) > MOST and len(known) + len(new) <= most):
            return True
        if len(known) + len(new) > most and not self._open:
            return False
        self._sites[site_id] = site
        known |= new
        self._total += len(new)
        self._new += [(kind, site_id, one) for one in new]
        return True

    def count(self, kind: Literal["name", "key"], site_id: str) -> int:
        """How many a site has, as far as this process knows."""
        site = self._sites.get(site_id)
        return 0 if site is None else len(site.of(kind))

    # --- the file -------------------------------------------------------------------------------------------------

    async def start(self, from_store: FromStore | None) -> None:
        """Read what is known, and keep what is new from now on.

        Args:
            from_store: where the file does not say that the store's names are in it, they are read in the background,
                and nothing is refused meanwhile: what is stored already goes on. None: the process has no store.
        """
        if not self.counts:
            return
        entries: list[Entry] = []
        try:
            entries = await asyncio.to_thread(self._file.read)
        except OSError as error:
            self._failing.warning(error=error.strerror or str(error))
        self._learn(entries)
        wanted = {kind for kind, most in self._most.items() if most}
        self._open = from_store is not None and not wanted <= {of for kind, of, _ in entries if kind == "whole"}
        self._task = asyncio.create_task(self._follow(from_store if self._open else None), name="names")

    async def stop(self) -> None:
        """Keep what is new, and end."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self._save()

    async def _follow(self, from_store: FromStore | None) -> None:
        clock = asyncio.get_running_loop().time
        seed_at = clock()
        while True:
            if from_store is not None and clock() >= seed_at:
                try:
                    if await self._seed(from_store):
                        from_store = None
                except TallystickError as error:
                    self._failing.warning(error=error.whole)
                    seed_at = clock() + SEED_AGAIN
            await asyncio.sleep(SAVE_EVERY)
            await self._save()

    async def _seed(self, from_store: FromStore) -> bool:
        """Learn what the store has; False: it is not open yet. Raises TallystickError: it cannot be read."""
        found = await from_store()
        if found is None:
            return False
        self._new += self._learn(found)
        self._new += [("whole", kind, "") for kind, most in self._most.items() if most]
        self._open = False
        return True

    async def _save(self) -> None:
        new, self._new = self._new, []
        try:
            self._learn(await asyncio.to_thread(self._file.exchange, new))
        except OSError as error:
            self._new = new + self._new
            self._failing.warning(error=error.strerror or str(error))

    def _learn(self, entries: Iterable[Entry]) -> list[Entry]:
        """Know what a file or the store says, beyond any quota. Returns what was new."""
        new: list[Entry] = []
        for kind, site_id, name in entries:
            if kind == "whole" or self._total >= MOST or not self._most[kind]:
                continue
            known = self._sites.setdefault(site_id, _Site()).of(kind)
            if (kept := _short(name)) not in known:
                known.add(kept)
                self._total += 1
                new.append((kind, site_id, kept))
        return new


def _short(key: str) -> str:
    return key if len(key) <= KEY_SHOWN else "#" + hashlib.blake2b(key.encode("utf-8", "replace")).hexdigest()
