"""Connections to ClickHouse: requests, and errors as Tallystick's. The only file that imports the driver.

Every statement is one HTTP request. Its values are parameters that the server puts in (`{name:Type}`), never text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Protocol

import aiohttp
from clickhouse_connect.driver import create_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.exceptions import Error as DriverError
from clickhouse_connect.driver.external import ExternalData

from tallystick.config import Settings
from tallystick.errors import (
    BatchTooLarge,
    ConfigError,
    DataRejected,
    MemoryTaken,
    QueryTimeout,
    QueryTooExpensive,
    StoreDamaged,
    StoreUnavailable,
    TallystickError,
)
from tallystick.store.clickhouse.server.address import parse_address
from tallystick.store.clickhouse.server.session import CLUSTER_SESSION, REPLICATED_SESSION
from tallystick.store.clickhouse.tables.schema import Cluster

Row = Sequence[Any]
"""A row: its columns by position."""

_LOCAL = re.compile(r"\{(\w+)\}")
"""The place of a local table's name in a statement for every server."""
GRACE_SECONDS = 2.0
"""Seconds after its deadline in which the server may still end a statement; then the request is dropped, which ends it
too.
"""
UNHURRIED = 86_400.0
"""Seconds that a housekeeping statement may take: effectively unlimited."""

DATA_CODES = frozenset({6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 72, 117, 131, 320, 321, 349, 376, 407, 467})
"""Codes of ClickHouse for data that it cannot read or that fits into no column."""
MEMORY_CODES = frozenset({241, 173})
"""Codes for too little memory."""
WHOLE_SERVER = "(total)"
"""Is in the message where the limit is that of all statements together."""
COSTLY_CODES = MEMORY_CODES | {158, 161, 167, 168, 191, 306, 307, 396}
"""Codes for a statement beyond a limit: of memory, rows, bytes, depth, size."""
TIMEOUT_CODES = frozenset({159, 160})
DAMAGE_CODES = frozenset({40, 226, 228, 246, 271, 740})
"""Codes for files that are not what ClickHouse wrote: checksums, sizes, compressed blocks."""
SHARD_CODES = frozenset({32, 101, 102, 198, 209, 210, 279, 425})
"""Codes for another server that cannot be reached, or whose answer stops."""
SETTINGS_CODES = frozenset({81, 164, 192, 193, 194, 195, 452, 497, 516})
"""Codes for what stays wrong until the operator changes something: user, password, database, grants, constraints."""


class ServerError(Exception):
    """An error that ClickHouse answered with; the cause of Tallystick's.

    Attributes:
        code: ClickHouse's number of it; 0: unknown.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class _NoAnswer(StoreUnavailable):
    """ClickHouse did not end a statement in time."""


class ShardUnavailable(StoreUnavailable):
    """A server of the cluster cannot be reached by the one that was asked."""


class Connection:
    """Requests to one database, a limited number at a time."""

    def __init__(
        self,
        settings: Settings,
        session: Mapping[str, object],
        seconds: float,
        *,
        size: int,
        url: str = "",
        variable: str = "TALLYSTICK_STORE_URL",
        fixed: bool = False,
    ) -> None:
        """
        Args:
            session: settings of every statement.
            seconds: how long a statement may take, unless it says otherwise itself.
            size: how many requests run at a time.
            url: another address than the store's.
            variable: the setting that has the address, for error messages.
            fixed: the user may change no settings: a statement that takes too long is ended by dropping its request.

        Raises:
            ConfigError: see `parse_address`.
        """
        self._settings = settings
        self._variable = variable
        self._fixed = fixed
        self._address = at = parse_address(url or settings.resolved_store_url, variable)
        self._session = dict(session)
        if at.cluster is not None and not fixed:
            self._session |= {**CLUSTER_SESSION, **(REPLICATED_SESSION if at.cluster.replicated else {})}
        self._seconds = seconds
        self._free = asyncio.Semaphore(size)
        self._size = size
        self._clients: dict[int, AsyncClient] = {}
        self._connecting = asyncio.Lock()
        self._is_open = False
        self._is_sharded = parse_address(settings.resolved_store_url).cluster is not None

    async def open(self) -> None:
        """Connect once, so that what is wrong is found now.

        Raises:
            ConfigError: the URL, the user or the database is refused.
            StoreUnavailable: the server does not answer.
        """
        self._is_open = True
        await self._client_of(0)

    async def _client_of(self, server: int) -> AsyncClient:
        """The client of a server, connected when it is first needed."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        if server not in self._clients:
            async with self._connecting:
                if server not in self._clients:
                    await self._connect(server)
        return self._clients[server]

    async def _connect(self, server: int) -> None:
        at = self._address
        # Its errors are raised, and logged where they are caught.
        logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
        with config_errors(self._variable), errors():
            async with asyncio.timeout(self._settings.store_connect_timeout + GRACE_SECONDS):
                client = await create_async_client(
                    host=at.servers[server][0],
                    port=at.servers[server][1],
                    username=at.user,
                    password=at.password,
                    database=at.database,
                    interface="https" if at.secure else "http",
                    settings=self._session,
                    compress=False,
                    connect_timeout=self._settings.store_connect_timeout,
                    send_receive_timeout=UNHURRIED,  # each request has its own deadline
                    connector_limit=self._size,
                    connector_limit_per_host=self._size,
                    query_retries=0,
                    tz_mode="aware",
                    show_clickhouse_errors="scrub",
                    autogenerate_session_id=False,
                    **at.driver,
                )
                self._clients[server] = client
                await client.command("SELECT 1")  # in the database

    @property
    def cluster(self) -> Cluster | None:
        """The cluster that the tables are spread over; None: there is one server."""
        return self._address.cluster

    @property
    def servers(self) -> range:
        """The servers that the URL names, by number."""
        return range(len(self._address.servers))

    def local(self, table: str) -> str:
        """The table that holds the rows of a table on each server."""
        return f"{table}_local" if self._address.cluster is not None else table

    @property
    def user(self) -> str:
        """The user that it connects as."""
        return self._address.user

    @property
    def database(self) -> str:
        return self._address.database

    @property
    def version(self) -> tuple[int, ...]:
        """The server's version, such as (26, 9, 2, 1)."""
        text = str(self._clients[0].server_version)
        return tuple(int(part) for part in text.split(".") if part.isdigit())

    async def close(self) -> None:
        """End all requests, which fail with StoreUnavailable."""
        self._is_open = False
        clients, self._clients = self._clients, {}
        for client in clients.values():
            with contextlib.suppress(*DRIVER_ERRORS):
                await client.close()

    async def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        seconds: float | None = None,
        external: ExternalData | None = None,
        server: int = 0,
    ) -> list[Row]:
        """The rows of a SELECT. Instants are aware, in UTC.

        Args:
            settings: of this statement alone.
            seconds: how long it may take.
            external: a table of this statement alone, such as many ids; see `table_of`.
            server: which of the URL's servers is asked.

        Raises:
            StoreUnavailable, DataRejected, BatchTooLarge: see `errors`.
        """
        async with self._request(settings, seconds, server) as (client, limits):
            found = await client.query(sql, dict(parameters or {}), settings=limits, external_data=external)
            return list(found.result_rows)

    async def value(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        seconds: float | None = None,
    ) -> Any:
        """The first column of the first row; None: there is no row."""
        rows = await self.query(sql, parameters, settings=settings, seconds=seconds)
        return rows[0][0] if rows else None

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        seconds: float | None = None,
        server: int = 0,
    ) -> None:
        """Run one statement that returns no rows. Its parameters have to fit into a URL: some 100 kB."""
        async with self._request(settings, seconds, server) as (client, limits):
            await client.command(sql, dict(parameters or {}), settings=limits)

    async def everywhere(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, seconds: float = UNHURRIED
    ) -> None:
        """Run a statement on each server, for what cannot be done over all shards: it names local tables as `{events}`.
        It has to be one that can be repeated, since it may fail on a later server.
        """
        statement = _LOCAL.sub(lambda table: self.local(table[1]), sql)
        for server in self.servers:
            await self.command(statement, parameters, seconds=seconds, server=server)

    async def script(self, sql: str, *, seconds: float = UNHURRIED, server: int = 0) -> None:
        """Run statements that end with `;` at the end of a line, one after the other. ClickHouse has no transactions:
        those before one that fails are done.
        """
        for statement in sql.split(";\n"):
            if any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
                await self.command(statement.strip().removesuffix(";"), seconds=seconds, server=server)

    async def insert(
        self,
        statement: str,
        data: bytes,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        seconds: float | None = None,
        here: bool = False,
    ) -> None:
        """Run an `INSERT … FORMAT …` with its rows in that format. The driver never repeats it.

        Args:
            here: the rows go into a table of the server that is asked: input that stops short is the data's fault.
        """
        if not data:  # the driver would send the statement as data
            return
        async with self._request(settings, seconds, here=here) as (client, limits):
            await client.command(statement, dict(parameters or {}), data=data, settings=limits)

    async def stream(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        seconds: float = UNHURRIED,
    ) -> AsyncGenerator[list[Row], None]:
        """The rows of a SELECT in pieces, as the server sends them. Close it (`aclose`) to stop early."""
        given = {"wait_end_of_query": 0, **(settings or {})}
        async with self._request(given, seconds) as (client, limits):
            async with await client.query_row_block_stream(sql, dict(parameters or {}), settings=limits) as pieces:
                async for piece in pieces:
                    yield list(piece)

    @contextlib.asynccontextmanager
    async def raw(
        self, sql: str, parameters: Mapping[str, object], form: str, seconds: float
    ) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """The answer of a SELECT in one of ClickHouse's formats, as it comes. Leaving early ends the statement.

        Args:
            form: the format, such as JSONCompactEachRow.
            seconds: how long it may take, to its last piece.
        """
        async with self._request(None, seconds) as (client, limits):
            async with await client.raw_stream(sql, dict(parameters), settings=limits, fmt=form) as pieces:
                yield pieces

    @contextlib.asynccontextmanager
    async def _request(
        self, settings: Mapping[str, object] | None, seconds: float | None, server: int = 0, *, here: bool = False
    ) -> AsyncIterator[tuple[AsyncClient, dict[str, object]]]:
        """A turn for a request, with the settings that limit its time. Errors of the driver become Tallystick's."""
        seconds = self._seconds if seconds is None else max(seconds, 0.001)
        try:
            async with asyncio.timeout(self._settings.store_acquire_timeout):
                await self._free.acquire()
        except TimeoutError as error:
            wait = self._settings.store_acquire_timeout
            raise StoreUnavailable(f"no connection to ClickHouse within {wait:g} s: all are in use") from error
        try:
            client = await self._client_of(server)
            with errors(sharded=self._is_sharded and not here, of_user=self._fixed):
                async with asyncio.timeout(seconds if self._fixed else seconds + GRACE_SECONDS):
                    limit = {} if self._fixed else {"max_execution_time": f"{seconds:.3f}"}
                    yield client, {**limit, **(settings or {})}
        finally:
            self._free.release()


class Look(Protocol):
    """Runs a SELECT, as `Connection.query`, with a deadline that whoever made it knows."""

    async def __call__(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, server: int = 0
    ) -> list[Row]: ...


def table_of(name: str, structure: str, data: bytes, form: str = "JSONEachRow") -> ExternalData:
    """A table for one statement, for `Connection.query`.

    Args:
        structure: its columns, such as `id UUID, site_id String`.
        data: its rows, in the format `form`.
    """
    return ExternalData(file_name=name, data=data, fmt=form, structure=structure.split(", "))


DRIVER_ERRORS: tuple[type[BaseException], ...] = (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError)
"""All errors of the driver: from the server, from the driver itself, from the network."""


@contextlib.contextmanager
def errors(*, sharded: bool = False, of_user: bool = False) -> Iterator[None]:
    """The driver's errors as Tallystick's, of what is stored: the data's fault, or the store's.

    Args:
        sharded: the server that was asked asks others.
        of_user: the statement is a user's own, who may be to blame for a text that ends too soon.

    Raises:
        DataRejected, BatchTooLarge, StoreDamaged, StoreUnavailable: the cause is a ServerError if ClickHouse answered.
    """
    try:
        yield
    except TimeoutError as error:
        raise _NoAnswer("ClickHouse did not answer in time") from error
    except DRIVER_ERRORS as error:
        cause = _answer_of(error)
        if cause is None:
            raise StoreUnavailable("ClickHouse cannot be reached") from error
        if sharded and cause.code in SHARD_CODES and not (of_user and cause.code == 32 and "packet" not in str(cause)):
            raise ShardUnavailable("a shard of ClickHouse cannot be reached") from cause
        raise _of_writing(cause) from cause


@contextlib.contextmanager
def query_errors() -> Iterator[None]:
    """Errors of `Connection.query` and `stream` as those of a question.

    Raises:
        MemoryTaken: the server's memory is used up, by this question or by others.
        QueryTimeout, QueryTooExpensive, StoreDamaged, StoreUnavailable.
    """
    try:
        yield
    except TimeoutError as error:  # of the caller's own deadline
        raise QueryTimeout from error
    except ShardUnavailable:
        raise
    except (StoreUnavailable, DataRejected) as error:
        cause = error.__cause__
        if isinstance(error, _NoAnswer):
            raise QueryTimeout from error
        if not isinstance(cause, ServerError):
            raise
        if cause.code in TIMEOUT_CODES:
            raise QueryTimeout from cause
        if cause.code in MEMORY_CODES and WHOLE_SERVER in str(cause):
            raise MemoryTaken from cause
        if cause.code in COSTLY_CODES:
            raise QueryTooExpensive from cause
        if isinstance(error, StoreDamaged):
            raise
        raise StoreUnavailable("ClickHouse failed") from cause


def _answer_of(error: BaseException) -> ServerError | None:
    """The server's answer in a driver's error; None: there was no answer."""
    if not isinstance(error, DriverError) or isinstance(error.__cause__, aiohttp.ClientError | OSError):
        return None
    told = str(error)
    return ServerError(told.partition("DB::Exception: ")[2] or told, error.code or 0)


def _of_writing(error: ServerError) -> TallystickError:
    if error.code in DATA_CODES:
        return DataRejected(str(error))
    if error.code in DAMAGE_CODES:
        return StoreDamaged()
    if error.code in MEMORY_CODES:
        return BatchTooLarge("ClickHouse has no memory left for this")
    return StoreUnavailable("ClickHouse failed")


@contextlib.contextmanager
def config_errors(variable: str = "TALLYSTICK_STORE_URL") -> Iterator[None]:
    """While opening: what only the operator can put right. No message repeats the URL, which may hold a password.

    Args:
        variable: the setting that has the URL.

    Raises:
        ConfigError: the user, the password or the database is refused, or the TLS handshake fails.
        StoreUnavailable: the server does not answer; the message names the setting.
    """
    try:
        yield
    except StoreUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, ServerError) and cause.code in SETTINGS_CODES:
            raise ConfigError(f"{variable}: ClickHouse refuses: {_first_line(cause)}") from cause
        if _is_of_tls(cause):
            raise ConfigError(f"{variable}: the TLS handshake with ClickHouse failed") from cause
        if not isinstance(cause, ServerError):
            raise error.naming(variable) from cause
        raise


def _first_line(error: ServerError) -> str:
    return str(error).partition("\n")[0][:300]


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
            return True
        error = error.__cause__
    return False
