"""Connections to PostgreSQL: pools, sessions, errors as Tallystick's. The only file that imports the driver."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]

from tallystick.config import Settings
from tallystick.errors import BatchTooLarge, ConfigError, DataRejected, StoreDamaged, StoreUnavailable

Row = Sequence[Any]
"""A row: columns by position, or by name with the driver's `row["name"]`."""


class Connection(Protocol):
    """The methods of the driver's connection that this store uses."""

    # `timeout` is in seconds; None: as long as the pool's statements may take.
    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...  # noqa: ASYNC109
    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Any]: ...  # noqa: ASYNC109
    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Any: ...  # noqa: ASYNC109
    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any: ...  # noqa: ASYNC109
    async def prepare(self, query: str, *, timeout: float | None = None) -> Any: ...  # noqa: ASYNC109
    def cursor(self, query: str, *args: object, prefetch: int | None = None) -> Any: ...
    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False
    ) -> AbstractAsyncContextManager[object]: ...
    def terminate(self) -> None: ...
    def get_server_pid(self) -> int: ...
    async def copy_to_table(
        self, table_name: str, *, source: AsyncIterable[bytes], columns: Sequence[str] | None = None, format: str
    ) -> str: ...


Acquire = Callable[[], AbstractAsyncContextManager[Connection]]
"""Provides a connection for an `async with`."""

PostgresError = asyncpg.PostgresError
InterfaceError = asyncpg.InterfaceError
QueryCanceledError = asyncpg.QueryCanceledError
OutOfMemoryError = asyncpg.exceptions.OutOfMemoryError
DriverErrors: tuple[type[BaseException], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""All errors of the driver: from the server, from the driver itself, from the network."""
Conflict = (
    asyncpg.exceptions.TransactionRollbackError,  # a deadlock, a serialization failure
    asyncpg.exceptions.LockNotAvailableError,
)
"""Errors of transactions that conflict; the same transaction may succeed when tried again."""
NoPartition = asyncpg.exceptions.CheckViolationError
"""The error for a row whose day has no partition."""
Duplicate = asyncpg.exceptions.UniqueViolationError
LockNotAvailable = asyncpg.exceptions.LockNotAvailableError

UNREACHABLE = (OSError, TimeoutError, asyncpg.exceptions.PostgresConnectionError)
"""Errors of a server that gives no answer; all others are the answers of one."""
DATA_ERRORS = (
    asyncpg.exceptions.DataError,  # class 22
    asyncpg.exceptions.ProgramLimitExceededError,  # nested too deeply, too long for an index
    asyncpg.exceptions.StatementTooComplexError,
    asyncpg.exceptions.NotNullViolationError,
)
"""What PostgreSQL raises when the data, not the server, is at fault."""
DAMAGE_ERRORS = (
    asyncpg.exceptions.DataCorruptedError,  # XX001: an invalid page, a checksum that does not match
    asyncpg.exceptions.IndexCorruptedError,  # XX002
    asyncpg.exceptions.PostgresIOError,  # 58030: its disk fails
)
"""What PostgreSQL raises when its files are not what it wrote."""
DAMAGE_SECONDS = 60.0
"""Seconds after damage for which a process is not ready. Undamaged data is still stored and read."""
SETTINGS_ERRORS = (
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,  # class 28, wrong passwords among them
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.InsufficientPrivilegeError,
    ssl.SSLError,
)
"""What stays wrong until the operator changes something."""

READ_SESSION: Mapping[str, str] = {
    "timezone": "UTC",
    "application_name": "tallystick",
    # A plan for any parameters would open every partition there is; compiling one takes longer than most questions.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}
WRITE_SESSION: Mapping[str, str] = {
    **READ_SESSION,
    # One batch's tables stay in memory: 65,536 events are some 25 MB.
    "temp_buffers": "64MB",
    "work_mem": "64MB",
    # Plans are made for each batch: a plan for any would open every partition there is.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    # What a worker held that is gone without a word (its machine, its network) is free again after this.
    "idle_in_transaction_session_timeout": "60s",
}
UNHURRIED = 86_400.0
"""Seconds that a housekeeping statement may take: effectively unlimited."""
CLOSE_SECONDS = 5.0
"""Seconds that a pool waits for its connections to close before it drops them."""


class Bare(asyncpg.Connection):  # type: ignore[misc]
    """A connection of a role that may call next to no functions, not even those that the driver calls by itself.

    It takes no advisory locks that it would have to release, and its session compiles nothing (`jit` is off).
    """

    _server_caps: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._server_caps = self._server_caps._replace(advisory_locks=False, jit=False)


class Pool:
    """Connections to one database, opened when needed and replaced when broken."""

    def __init__(
        self,
        settings: Settings,
        size: int,
        session: Mapping[str, str],
        prepare: Callable[[Connection], Awaitable[None]],
        statement_seconds: float,
        least: int = 1,
        *,
        url: str = "",
        variable: str = "TALLYSTICK_STORE_URL",
        kind: type[Any] = asyncpg.Connection,
    ) -> None:
        """`prepare` is called with each new connection.

        Args:
            least: how many are opened at once and kept.
            session: parameters of each connection's session.
            statement_seconds: how long a statement may run, unless it says otherwise itself.
            url: server and user; empty: the store's.
            variable: the setting that has the URL, for error messages.
            kind: the driver's class of a connection.
        """
        self._settings = settings
        self._url = url or settings.resolved_store_url
        self._variable = variable
        self._kind = kind
        self._size = size
        self._least = least
        self._session = {**session, "statement_timeout": f"{statement_seconds * 1000:.0f}ms"}
        self._prepare = prepare
        # The server ends what takes too long; the driver gives up a little later, on a server that says nothing.
        self._command_timeout = statement_seconds + CLOSE_SECONDS
        self._pool: Any = None

    async def open(self) -> None:
        """Connect once, so that what is wrong is found now.

        Raises:
            ConfigError: the URL, the user or the database is refused.
            StoreUnavailable: the server does not answer.
        """
        with config_errors(self._url, self._variable), errors():
            self._pool = asyncpg.create_pool(
                self._url,
                connection_class=self._kind,
                min_size=self._least,
                max_size=self._size,
                timeout=self._settings.store_connect_timeout,
                command_timeout=self._command_timeout,
                server_settings=self._session,
                init=self._prepare,
            )
            await self._pool

    async def close(self) -> None:
        """Give all connections back; those that do not end in time are dropped."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except DriverErrors:
            self._pool.terminate()
        self._pool = None

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection, for as long as the context lasts. Errors of the body pass as they are.

        A connection whose body was cancelled in the middle is put in step (its statement is cancelled, its transaction
        rolled back) or dropped before another caller gets it.

        Raises:
            StoreUnavailable: none became free in time, or the server cannot be reached.
        """
        if self._pool is None:
            raise StoreUnavailable("the store is closed")
        seconds = self._settings.store_acquire_timeout
        try:
            with errors():
                connection = await self._pool.acquire(timeout=seconds)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                message = f"no connection to PostgreSQL within {seconds:g} s: all are in use, or it does not answer"
                raise StoreUnavailable(message) from error.__cause__
            raise
        try:
            yield connection
        finally:
            with contextlib.suppress(*DriverErrors):  # a broken connection is dropped by the pool itself
                await self._pool.release(connection, timeout=CLOSE_SECONDS)


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """The driver's errors as Tallystick's: the data's fault, or the store's."""
    try:
        yield
    except DATA_ERRORS as error:
        raise DataRejected(str(error)) from error
    except DAMAGE_ERRORS as error:
        raise StoreDamaged from error
    except OutOfMemoryError as error:
        raise BatchTooLarge("PostgreSQL has no memory left for this") from error
    except TimeoutError as error:
        raise StoreUnavailable("PostgreSQL did not answer in time") from error
    except DriverErrors as error:
        raise StoreUnavailable("PostgreSQL cannot be reached, or failed") from error


@contextlib.contextmanager
def config_errors(url: str, variable: str = "TALLYSTICK_STORE_URL") -> Iterator[None]:
    """While opening: what only the operator can put right. No message repeats the URL, which may hold a password.

    Raises:
        ConfigError: the URL, the user or the database is refused.
        StoreUnavailable: the server does not answer; the message names the setting.
    """
    try:
        yield
    except StoreUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, SETTINGS_ERRORS):
            raise ConfigError(f"{variable}: PostgreSQL refuses: {cause}") from cause
        if isinstance(cause, asyncpg.exceptions.ClientConfigurationError):
            # Other complaints may repeat parts of the URL.
            why = f": {cause}" if str(cause).startswith(("root certificate", "`sslmode`")) else ""
            raise ConfigError(f"{variable}: not a PostgreSQL URL that can be used{why}") from None
        if isinstance(cause, FileNotFoundError) and "sslrootcert=" in url:
            raise ConfigError(f"{variable}: not a PostgreSQL URL that can be used: no such certificate") from None
        if isinstance(cause, UNREACHABLE):
            raise error.naming(variable) from cause
        raise
    except ValueError:
        # Among the parser's complaints are parts of the URL: a password with an unescaped "/" is taken for a port.
        raise ConfigError(f"{variable}: not a PostgreSQL URL that can be read; is the password escaped?") from None
