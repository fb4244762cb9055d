"""The role that statements of users' own run as: the second fence, should one get past `sql_check`.

It logs in by itself, since who breaks out of a statement could undo a SET ROLE. It may read two views and call the
functions that statements may call; `faults` finds out whether it may do more, and then nothing starts. The views show
rows only to a transaction that has a seal: a digest of its site and of a secret in the database which the role may not
read. So a statement that could set `runnel.site` would still see no other site. (The two settings of the
transaction, `runnel.site` and `runnel.seal`, have the name that the project had when the migrations that read them were
written; applied migrations are not changed.)
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
from tallystick.model.sql import load_statements
from tallystick.store.postgres.connection import READ_SESSION, Bare, Connection, Pool, PostgresError, errors
from tallystick.usersql.functions import BENEATH, SCALAR, TABLE

ROLE = "tallystick_sql"
"""What the role is called unless TALLYSTICK_SQL_URL says otherwise."""
SPILL = 2048 * MIB
"""Bytes of temporary files that `tallystick sql-role` lets a statement have."""
VIEWS = ("site_events", "all_events")
SQL = load_statements("tallystick.store.postgres", "sql/role.sql")
MAKE_IT = "run what `tallystick sql-role` prints as a superuser, once"
SHOWN = 3
"""Faults that are named; of the others there is their number."""
ITERATIONS = 4096
"""As PostgreSQL makes its verifiers."""


class StatementRole:
    """Connections of the role, and the seals that let it read."""

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
        """What the role is called, once it is open."""

    async def open(self, store: Connection) -> None:
        """Connect, see that the role may do no more than it has to, and let it read the views.

        Args:
            store: a connection of the store's own user, which the schema belongs to.

        Raises:
            ConfigError: there is no role, or it may do more; the sentence says what to do.
            StoreUnavailable: nobody answers.
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
        """What a transaction of the role starts with, so that it can read one site, or all of them (None).

        Names are looked up where the store's are, and no table of a session's stands in their place.
        """
        if site is not None and "\0" in site:
            raise InvalidRequest("site_id holds a NUL character")
        seal = seal_of(self._secret, "all" if site is None else f"site {site}")
        return (
            f"SET LOCAL search_path = pg_catalog, {self._path}, pg_temp; SET LOCAL lock_timeout = '1s'; "
            f"SET LOCAL runnel.site = {_quoted(site or '')}; SET LOCAL runnel.seal = '{seal}'"
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
        """Nothing is granted that is there already: two processes that start would be in each other's way."""
        lacking = "SELECT name FROM unnest($2::text[]) AS t(name) WHERE NOT has_table_privilege($1, name, 'SELECT')"
        for row in await store.fetch(lacking, role, [f"{self._path}.{view}" for view in VIEWS]):
            await store.execute(f"GRANT SELECT ON {row[0]} TO {_name(role)}")
        used = "SELECT has_schema_privilege($1, to_regnamespace($2)::oid, 'USAGE')"
        if not await store.fetchval(used, role, self._path):
            raise ConfigError(f"TALLYSTICK_SQL_URL: the role {role} may not use the schema {self._path}: {MAKE_IT}")


async def _ready(connection: Connection) -> None:
    """Nothing to prepare."""


def seal_of(secret: bytes, scope: str) -> str:
    """As sql_site() and sql_all() make it. The inner digest keeps who knows one seal from making a longer scope's."""
    return hashlib.sha256(secret + hashlib.sha256(secret + scope.encode()).digest()).hexdigest()


def faults_query(schema: str) -> str:
    """What the role $1 may do that it should not, a row for each.

    Args:
        schema: the store's, quoted where it has to be.
    """
    return SQL["faults"].format(schema=_quoted(schema), harmless=_harmless(schema))


def setup(role: str, password: str, schema: str, settings: Settings, title: str) -> str:
    """The statements that make the role, or put it right, for a superuser to run in the store's database.

    Of the password they have only what PostgreSQL keeps of it.
    """
    return (
        SQL["setup"].format(
            title=title,
            role=_name(role),
            literal=_quoted(role),
            password=_quoted(verifier(password)),
            schema=_quoted(schema),
            harmless=_harmless(schema),
            spill=SPILL // MIB,
            memory=settings.query_memory // 1024,
            seconds=int(settings.query_timeout) + 1,
        )
        + ";\n"
    )


def named_in(url: str) -> tuple[str, str]:
    """User and password of a URL; empty when it has none."""
    try:
        parts = urlsplit(url)
        return unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        raise ConfigError(
            "TALLYSTICK_SQL_URL: not a PostgreSQL URL that can be read; is the password escaped?"
        ) from None


def verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802); of ASCII, which needs no SASLprep."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{shown[0]}${shown[1]}:{shown[2]}"


def _harmless(schema: str) -> str:
    names = sorted(SCALAR["postgres"] | TABLE["postgres"] | BENEATH)
    lines = textwrap.fill(", ".join(map(_quoted, names)), 110, subsequent_indent=" " * 10, break_long_words=False)
    return SQL["harmless"].format(names=lines, schema=_quoted(schema))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
