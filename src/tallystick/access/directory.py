"""The keys and accounts as one process has them in memory: no request that carries a key asks the database.

A task looks for changes every half second, and a change of this process is seen at once. While the database cannot be
reached, what was read last counts; before it was ever read, no key but those of the settings is accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from tallystick.access.model import Key, Site, User
from tallystick.access.scripts.state import Snapshot
from tallystick.access.secret import Secret, find_secret, make_secret
from tallystick.access.store import AccessStore
from tallystick.config import Settings
from tallystick.errors import ConfigError, NotFound, TallystickError, Unavailable
from tallystick.logs import Seldom

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at the version of what is stored."""
NOTE_EVERY = 60.0
"""Seconds in which the last use of a key is written at most once."""
_EMPTY = Snapshot(0, "", (), {}, {})


class Directory:
    """Sites, keys and accounts in memory. `Directory()` is that of a server that can have none.

    Attributes:
        known: False while what is stored could not be read yet.
        closed_to_writers, closed_to_readers: whether a key or an account was ever made that one needs from then on.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        make: Callable[[Settings], AccessStore] | None = None,
        why_none: str | None = "this process has no accounts",
    ) -> None:
        """
        Args:
            make: makes the store of keys and accounts, not opened yet.
            why_none: why there can be none, as a sentence; None: there can be.
        """
        self._settings = settings
        self._make = make
        self._store: AccessStore | None = None
        self._secret: Secret | None = None
        self._snapshot = _EMPTY
        self._used: dict[str, datetime] = {}
        self._look = asyncio.Lock()
        self._failing = Seldom(__name__, "keys and accounts cannot be read")
        self._task: asyncio.Task[None] | None = None
        self.known = True
        self._read = False
        self.why_none = why_none
        self.closed_to_writers = False
        self.closed_to_readers = False

    # --- keys: no I/O ---------------------------------------------------------------------------------------------

    @property
    def has_keys(self) -> bool:
        """Whether a presented key may be one of these, so that it is worth a digest."""
        return bool(self._snapshot.keys)

    def key(self, presented: bytes) -> Key | None:
        """The valid key with this text; None: none, or a revoked one. Notes that it is used."""
        if not self._snapshot.keys or self._secret is None:
            return None
        # A lookup by digest shows nothing that helps an attacker, who cannot compute a digest without the secret.
        digest = self._secret.digest(presented)
        found = self._snapshot.keys.get(digest)
        if found is None or found.revoked_at is not None:
            return None
        self._used[found.id] = datetime.now(UTC)
        return found

    @property
    def held(self) -> Snapshot | Unavailable | None:
        """What is known; why it is not; None: nothing was ever made."""
        if not self.known:
            return Unavailable("keys and accounts cannot be read yet")
        return self._snapshot if self._snapshot.proof else None

    @property
    def make_store(self) -> Callable[[Settings], AccessStore] | None:
        """Makes another store of keys and accounts, not opened yet; None: this server can have none."""
        return None if self.why_none else self._make

    @property
    def in_use(self) -> bool:
        """Whether a secret was made, so that there may be keys and accounts."""
        return self._secret is not None and self._store is not None

    def require_known(self) -> None:
        """Raises Unavailable while nothing could be read yet, so that a key may be one that is not known."""
        if not self.known:
            raise Unavailable("keys and accounts cannot be read yet")

    def require_any(self) -> None:
        """Raises NotFound where nothing was ever made, and what `require_known` raises."""
        if not self.known or not (self.sites or self.keys or self.users):
            self.require_known()
            raise NotFound("there are no sites, keys and accounts")

    # --- sites and accounts ---------------------------------------------------------------------------------------

    @property
    def sites(self) -> list[Site]:
        return list(self._snapshot.sites)

    @property
    def keys(self) -> list[Key]:
        """All keys, revoked ones included; their last use is up to a minute old."""
        return list(self._snapshot.keys.values())

    @property
    def users(self) -> list[User]:
        return list(self._snapshot.users.values())

    def user(self, user_id: str) -> User | None:
        return self._snapshot.users.get(user_id)

    @property
    def secret(self) -> Secret:
        """Raises Unavailable: there is none yet."""
        if self._secret is None:
            raise Unavailable("this server has no keys and accounts yet")
        return self._secret

    @property
    def store(self) -> AccessStore:
        """Raises Unavailable: there is none, or it is not open yet."""
        if self._store is None:
            raise Unavailable(self.why_none or "keys and accounts cannot be read yet")
        return self._store

    # --- reading --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read what is stored, and look for changes from now on. An unreachable database is tried again.

        Raises:
            ConfigError: the settings name no database that can be used, or the secret is not the one of what is
                stored.
        """
        if self._settings is None or self.why_none:
            return
        self.known = False
        try:
            await self.refresh()
        except ConfigError:
            raise
        except TallystickError as error:
            self._failing.warning(error=error.whole)
        self._task = asyncio.create_task(self._follow(), name="access")

    async def stop(self) -> None:
        """Write what is to be written, and close the database."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(TallystickError):
            await self._note_use()
        if self._store is not None:
            await self._store.close()
            self._store = None

    async def prepare(self) -> None:
        """Make secret and tables where they are missing, before the first key or account is saved.

        Raises:
            ConfigError: this server can have none; the message says why.
            Unavailable: the database cannot be reached.
        """
        if self._settings is None or self.why_none:
            raise ConfigError(self.why_none or "this process has no accounts")
        async with self._look:
            self._secret = make_secret(self._settings)
            store = await self._opened()
            await store.prepare(self._secret.proof)

    async def refresh(self) -> None:
        """Read what has changed. Raises Unavailable, and ConfigError when another secret made what is stored."""
        async with self._look:
            await self._refresh()

    async def _refresh(self) -> None:
        assert self._settings is not None
        if self._secret is None:
            self._secret = find_secret(self._settings)
        if self._secret is None:  # nothing was ever made here
            self.known = True
            return
        store = await self._opened()
        version = await store.version()
        if self._read and version == self._snapshot.version:
            return
        snapshot = _EMPTY if version is None else await store.snapshot()
        if snapshot.proof and not hmac.compare_digest(snapshot.proof, self._secret.proof):
            raise ConfigError(
                "another secret made the keys and accounts that are stored: set the TALLYSTICK_ACCESS_SECRET with "
                "which they were made, or restore access.secret in the data folder"
            )
        self._take(snapshot)

    async def _opened(self) -> AccessStore:
        assert self._settings is not None
        assert self._make is not None
        if self._store is None:
            store = self._make(self._settings)
            await store.open()
            self._store = store
        return self._store

    def _take(self, snapshot: Snapshot) -> None:
        kinds = {key.kind for key in snapshot.keys.values()}
        self._snapshot = snapshot
        self._read = True
        self.closed_to_writers = "write" in kinds
        self.closed_to_readers = bool(kinds - {"write"} or snapshot.users)
        self.known = True

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        noted = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.refresh()
                if loop.time() - noted >= NOTE_EVERY:
                    noted = loop.time()
                    await self._note_use()
            except TallystickError as error:
                if isinstance(error, ConfigError) and not self._read:
                    self.known = False  # there is a secret that cannot be used: keys and accounts may have been made
                self._failing.warning(error=error.whole)

    async def _note_use(self) -> None:
        if self._used and self._store is not None:
            used, self._used = self._used, {}
            await self._store.touch_keys(used)
