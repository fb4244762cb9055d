"""The user that runs users' SQL statements on ClickHouse: the second barrier, if a statement gets past `usersql.check`.

It may read two views and nothing else, and is `readonly`: neither a statement nor Tallystick can change its settings,
which limit time, memory and disk. `StatementRole.open` finds out whether it may do more; then the start is refused. The
views show rows only for a seal: a digest of the site and a secret in the database that the user may not read. So a
statement that names another site still sees none of its rows.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError, StoreUnavailable
from tallystick.model.sql import load_statements, quote_text
from tallystick.store.clickhouse.server.connection import Connection, ServerError
from tallystick.store.clickhouse.server.rows import TIMES, json_rows

ROLE = "tallystick_sql"
"""Name of the user unless TALLYSTICK_SQL_URL has another."""
SPILL = 2048 * MIB
"""Bytes of temporary files that `tallystick sql-role` allows a statement."""
GROWTH = 256 * MIB
"""Bytes of memory of a statement beyond four times `query_memory`."""
VIEWS = ("all_events", "site_events")
SQL = load_statements("tallystick.store.clickhouse", "sql/role.sql")
MAKE_IT = "run what `tallystick sql-role` prints as an administrator of ClickHouse"
SHOWN = 3
"""How many faults an error names; it counts the others."""

MEANINGS: Mapping[str, str] = {
    # What a statement means is the same as for Tallystick's own (session.READ_SESSION).
    "join_use_nulls": "1",
    "aggregate_functions_null_for_empty": "1",
    "cast_keep_nullable": "1",
    "data_type_default_nullable": "0",
    "transform_null_in": "0",
    "union_default_mode": "DISTINCT",
    "except_default_mode": "DISTINCT",
    "intersect_default_mode": "DISTINCT",
    "use_variant_as_common_type": "0",
    "session_timezone": "UTC",
    "prefer_column_name_to_alias": "1",
    "do_not_merge_across_partitions_select_final": "1",
    "distributed_product_mode": "global",  # on a cluster; see session.CLUSTER_SESSION
    "prefer_global_in_and_join": "1",
    "skip_unavailable_shards": "0",
    "optimize_rewrite_aggregate_function_with_if": "0",
    # A condition with a subquery would be sent to shards, which have no views.
    "allow_push_predicate_ast_for_distributed_subqueries": "0",
    # How values are written.
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_decimals": "0",
    "output_format_json_quote_denormals": "0",
    "output_format_json_named_tuples_as_objects": "1",
    "date_time_output_format": "iso",
    "http_write_exception_in_output_format": "1",  # a failure after the first rows is a line too
}
"""Settings of the user that change what a statement gives."""
BARRIERS: Mapping[str, str] = {
    "readonly": "1",
    "allow_ddl": "0",
    "allow_introspection_functions": "0",
    "cancel_http_readonly_queries_on_client_close": "1",
}
"""Settings of the user that limit what a statement may do. A statement ends when its request does."""
LIMITS = (
    "max_execution_time",
    "max_memory_usage",
    "max_temporary_data_on_disk_size_for_query",
)
"""Settings of the user that have to be limits; their values are the operator's."""


def user_settings(settings: Settings) -> Mapping[str, str]:
    """All settings of the user."""
    memory = settings.query_memory
    return {
        **BARRIERS,
        **MEANINGS,
        "max_execution_time": str(int(settings.query_timeout) + 1),
        "max_memory_usage": str(4 * memory + GROWTH),
        "max_bytes_before_external_group_by": str(2 * memory),
        "max_bytes_before_external_sort": str(2 * memory),
        "max_temporary_data_on_disk_size_for_query": str(SPILL),
    }


def setup(user: str, password: str, database: str, settings: Settings, title: str) -> str:
    """The statements that create or repair the user, for an administrator of ClickHouse. They have the password only as
    its digest.
    """
    salt = secrets.token_hex(16)
    given = ",\n         ".join(f"{name} = {_literal(value)}" for name, value in user_settings(settings).items())
    return (
        SQL["setup"].format(
            title=title,
            user=_name(user),
            digest=hashlib.sha256(f"{password}{salt}".encode()).hexdigest(),
            salt=salt,
            settings=given,
            database=_name(database),
        )
        + ";\n"
    )


def setup_xml(user: str, password: str, database: str, settings: Settings) -> str:
    """The same as a file for `users.d`, for servers whose users are in files.

    Raises:
        ConfigError: the user's name can be no name of an XML element.
    """
    if not _ELEMENT.fullmatch(user):
        raise ConfigError("TALLYSTICK_SQL_URL: in a file a user's name is of letters, digits and _ only")
    given = "\n".join(
        f"            <{name}>{escape(value)}</{name}>" for name, value in user_settings(settings).items()
    )
    grants = "\n".join(
        f"                <query>GRANT SELECT ON {escape(_name(database))}.{view}</query>" for view in VIEWS
    )
    return (
        SQL["setup_xml"].format(
            user=user, digest=hashlib.sha256(password.encode()).hexdigest(), settings=given, grants=grants
        )
        + "\n"
    )


_ELEMENT = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def _literal(value: str) -> str:
    return value if value.isdecimal() else quote_text(value)


def _name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class StatementRole:
    """Requests of the user, and the seals with which it may read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = Connection(
            settings,
            {},
            settings.query_timeout,
            size=settings.store_read_connections,
            url=settings.sql_url,
            variable="TALLYSTICK_SQL_URL",
            fixed=True,
        )
        self._store: Connection | None = None

    async def open(self, store: Connection) -> None:
        """Connect, make the views, and check that the user may do no more than necessary.

        Args:
            store: a connection of the store's user, who owns the tables.

        Raises:
            ConfigError: there is no user, or it may do more; the message says what to do.
            StoreUnavailable: the server does not answer.
        """
        if not self._settings.sql_url:
            raise ConfigError(
                "TALLYSTICK_SQL: on ClickHouse statements run as a user of their own, which TALLYSTICK_SQL_URL has to "
                f"name: {MAKE_IT}"
            )
        await _make_views(store)
        self._store = store
        await self._connection.open()
        await self._check()

    async def close(self) -> None:
        await self._connection.close()

    async def seal(self, site: str | None) -> str:
        """The seal of one site, or (None) of all."""
        if self._store is None:
            raise StoreUnavailable("the store is closed")
        scope = "all" if site is None else f"site {site}"
        return str(await self._store.value(SQL["seal"], {"scope": scope}))

    @asynccontextmanager
    async def lines(self, sql: str, parameters: Mapping[str, object], seconds: float) -> AsyncIterator[Any]:
        """The answer of a SELECT in the format JSONCompactEachRowWithNamesAndTypes, as pieces of bytes. Leaving early
        ends the statement.
        """
        async with self._connection.raw(sql, parameters, "JSONCompactEachRowWithNamesAndTypes", seconds) as pieces:
            yield pieces

    async def _check(self) -> None:
        """Raises ConfigError."""
        wanted = {**BARRIERS, **MEANINGS}
        names = [*wanted, *LIMITS]
        found = {row[0]: str(row[1]) for row in await self._connection.query(SQL["settings"], {"names": names})}
        faults = [f"has {name} = {found.get(name)}" for name in wanted if found.get(name) != wanted[name]]
        faults += [f"has no limit {name}" for name in LIMITS if float(found.get(name, "0")) <= 0]
        allowed = {f"{self._connection.database}.{view}" for view in VIEWS}
        for (line,) in await self._connection.query(SQL["grants"]):
            faults += _beyond(str(line), allowed)
        if faults:
            more = f" and {len(faults) - SHOWN:,} other things" if len(faults) > SHOWN else ""
            shown = ", ".join(faults[:SHOWN])
            raise ConfigError(f"TALLYSTICK_SQL_URL: the user {self._connection.user} {shown}{more}: {MAKE_IT}")
        sealed = {"seal": await self.seal(None)}
        try:
            await self._connection.query("SELECT event_id FROM all_events(seal = {seal:String}) LIMIT 0", sealed)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, ServerError):
                raise ConfigError(
                    f"TALLYSTICK_SQL_URL: the user {self._connection.user} cannot read the views: is that the database "
                    f"of TALLYSTICK_STORE_URL? If it is: {MAKE_IT}"
                ) from error
            raise


_GRANT = re.compile(r"GRANT (.+) ON (\S+) TO ")


def _beyond(grant: str, allowed: set[str]) -> list[str]:
    """What a line of SHOW GRANTS allows beyond reading the views."""
    parts = _GRANT.match(grant.replace("`", ""))
    if parts is not None and parts[1] == "SELECT" and parts[2] in allowed and "GRANT OPTION" not in grant:
        return []
    return [f"has the right {grant.removeprefix('GRANT ').partition(' TO ')[0]}"]


async def _make_views(store: Connection) -> None:
    """Make the secret and the views, where they are not there as this version has them. Two processes may do it at the
    same time.
    """
    await store.command(SQL["create_secret"])
    if not await store.value(SQL["has_secret"]):
        secret = {"secret": secrets.token_hex(32), "made_at": datetime.now(UTC)}
        await store.insert(SQL["insert_secret"], json_rows([secret]), settings=TIMES)
    for name in VIEWS:
        comment = hashlib.sha256(SQL[name].encode()).hexdigest()
        if await store.value(SQL["view_text"], {"name": name}) != comment:
            await store.command(SQL[name].format(comment=quote_text(comment)))
