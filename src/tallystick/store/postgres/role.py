"""The role that runs users' SQL statements: the second barrier, if a statement gets past `usersql.check`.

The role has a login of its own, because an injected statement could undo SET ROLE. It may read two views and call the
functions that statements may call. `faults_query` finds out whether it may do more; then the start is refused. The
views show rows only to a transaction with a seal: a digest of its site and a secret in the database that the role may
not read. So a statement that sets `runnel.site` still sees no other site. (The settings `runnel.site` and
`runnel.seal`, have the project's name from when the migrations that read them were written; applied migrations are not
changed.)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import textwrap
from contextlib import AbstractAsyncContextManager
from urllib.parse import unquote, urlsplit

from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError, InvalidRequest
from tallystick.model.sql import load_statements, quote_name, quote_text
from tallystick.store.postgres.connection import READ_SESSION, Bare, Connection, Pool, PostgresError, errors
from tallystick.usersql.functions import BENEATH, SCALAR, TABLE

ROLE = "tallystick_sql"
"""Name of the role unless TALLYSTICK_SQL_URL has another."""
SPILL = 2048 * MIB
"""Bytes of temporary files that `tallystick sql-role` allows a statement."""
VIEWS = ("site_events", "all_events")
SQL = load_statements("tallystick.store.postgres", "sql/role.sql")
MAKE_IT = "run what `tallystick sql-role` prints as a superuser, once"
SHOWN = 3
"""How many faults an error names; it counts the others."""
ITERATIONS = 4096
"""Iterations of a SCRAM verifier: PostgreSQL's default."""


class StatementRole:
    """Connections of the role, and the seals with which it may read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = Pool(
            settings,
            settings.store_read_connections,
            {**READ_SESSION, "standard_conforming_strings": "on"},
            _ready,
            settings.query_timeout,
            url=settings.sql_url,
            variable="TALLYSTICK_SQL_URL",
            kind=Bare,
        )
        self._secret = b""
        self._path = ""
        self.name = ""
        """The role's name, once it is open."""

    async def open(self, store: Connection) -> None:
        """Connect, check that the role may do no more than necessary, and grant it the views.

        Args:
            store: a connection of the store's user, who owns the schema.

        Raises:
            ConfigError: there is no role, or it may do more; the message says what to do.
            StoreUnavailable: the server does not answer.
        """
        if not self._settings.sql_url:
            raise ConfigError(
                "TALLYSTICK_SQL: on PostgreSQL statements run as a role of their own, which TALLYSTICK_SQL_URL has to "
                f"name: {MAKE_IT}"
            )
        await self._pool.open()
        async with self._pool.acquire() as connection:
            with errors():
                await self._check(store, connection)

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        return self._pool.acquire()

    async def close(self) -> None:
        await self._pool.close()

    def begin(self, site: str | None) -> str:
        """The first statements of a transaction that reads one site, or (None) all of them.

        The search path finds the store's tables first; temporary tables of the session cannot take their place.
        """
        if site is not None and "\0" in site:
            raise InvalidRequest("site_id holds a NUL character")
        seal = seal_of(self._secret, "all" if site is None else f"site {site}")
        return (
            f"SET LOCAL search_path = pg_catalog, {self._path}, pg_temp; SET LOCAL lock_timeout = '1s'; "
            f"SET LOCAL runnel.site = {quote_text(site or '')}; SET LOCAL runnel.seal = '{seal}'"
        )

    async def _check(self, store: Connection, own: Connection) -> None:
        """Raises ConfigError."""
        role = self.name = str(await own.fetchval("SELECT session_user"))
        self._path = str(await store.fetchval("SELECT quote_ident(current_schema())"))
        self._secret = bytes(await store.fetchval("SELECT secret FROM sql_secret"))
        found = [row[0] for row in await store.fetch(faults_query(self._path), role)]
        if await own.fetchval("SHOW temp_file_limit") == "-1":
            found.append("has no temp_file_limit")
        if found:
            more = f" and {len(found) - SHOWN:,} other things" if len(found) > SHOWN else ""
            raise ConfigError(f"TALLYSTICK_SQL_URL: the role {role} {', '.join(found[:SHOWN])}{more}: {MAKE_IT}")
        await self._let_read(store, role)
        async with own.transaction(readonly=True):
            await own.execute(self.begin(None))
            try:
                same = await own.fetchval("SELECT sql_all()")
            except PostgresError as error:
                raise ConfigError("TALLYSTICK_SQL_URL: that is not the database of TALLYSTICK_STORE_URL") from error
        if not same:
            raise ConfigError("TALLYSTICK_SQL_URL: that is not the database of TALLYSTICK_STORE_URL")

    async def _let_read(self, store: Connection, role: str) -> None:
        """Grant only what is missing: two processes that start at the same time would conflict."""
        lacking = "SELECT name FROM unnest($2::text[]) AS t(name) WHERE NOT has_table_privilege($1, name, 'SELECT')"
        for row in await store.fetch(lacking, role, [f"{self._path}.{view}" for view in VIEWS]):
            await store.execute(f"GRANT SELECT ON {row[0]} TO {quote_name(role)}")
        used = "SELECT has_schema_privilege($1, to_regnamespace($2)::oid, 'USAGE')"
        if not await store.fetchval(used, role, self._path):
            raise ConfigError(f"TALLYSTICK_SQL_URL: the role {role} may not use the schema {self._path}: {MAKE_IT}")


async def _ready(connection: Connection) -> None:
    """Nothing to prepare."""


def seal_of(secret: bytes, scope: str) -> str:
    """The seal of a scope, as sql_site() and sql_all() compute it.

    The inner digest prevents a length extension: one seal does not give the seal of a longer scope.
    """
    return hashlib.sha256(secret + hashlib.sha256(secret + scope.encode()).digest()).hexdigest()


def faults_query(schema: str) -> str:
    """SELECT of what the role $1 may do but should not, a row for each.

    Args:
        schema: the store's schema, quoted if necessary.
    """
    return SQL["faults"].format(schema=quote_text(schema), harmless=_harmless(schema))


def setup(role: str, password: str, schema: str, settings: Settings, title: str) -> str:
    """The statements that create or repair the role, for a superuser to run in the store's database.

    They have the password only as the verifier that PostgreSQL stores.
    """
    return (
        SQL["setup"].format(
            title=title,
            role=quote_name(role),
            literal=quote_text(role),
            password=quote_text(verifier(password)),
            schema=quote_text(schema),
            harmless=_harmless(schema),
            spill=SPILL // MIB,
            memory=settings.query_memory // 1024,
            seconds=int(settings.query_timeout) + 1,
        )
        + ";\n"
    )


def named_in(url: str) -> tuple[str, str]:
    """User and password of a URL; empty when it has none.

    Raises:
        ConfigError: it is no URL.
    """
    try:
        parts = urlsplit(url)
        return unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        raise ConfigError(
            "TALLYSTICK_SQL_URL: not a PostgreSQL URL that can be read; is the password escaped?"
        ) from None


def verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores of an ASCII password (SCRAM-SHA-256, RFC 5802). ASCII needs no SASLprep."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{shown[0]}${shown[1]}:{shown[2]}"


def _harmless(schema: str) -> str:
    names = sorted(SCALAR["postgres"] | TABLE["postgres"] | BENEATH)
    lines = textwrap.fill(", ".join(map(quote_text, names)), 110, subsequent_indent=" " * 10, break_long_words=False)
    return SQL["harmless"].format(names=lines, schema=quote_text(schema))
