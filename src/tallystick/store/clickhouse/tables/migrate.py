"""Brings the tables of a database to the latest version: on one server, or on each server of a cluster."""

from __future__ import annotations

import structlog

from tallystick.errors import ConfigError, StoreUnavailable
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
from tallystick.store.clickhouse.tables.schema import statements_of
from tallystick.store.migrations import pending_migrations

log = structlog.get_logger(__name__)
VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (version Int32) ENGINE = ReplacingMergeTree ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""
"""Each server has its own: one that joins a cluster later gets its tables then."""
FORM = "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'events'"
SHARDS = "SELECT count(DISTINCT shard_num) FROM system.clusters WHERE cluster = {name:String}"


async def migrate(connection: Connection) -> int:
    """Apply the migrations that are missing; returns the version. Two processes may do it at the same time: each
    statement can be repeated.

    A server of a cluster that cannot be reached, but for the first one, gets its tables when a process starts later.

    Raises:
        ConfigError: the database has the tables of the other form, or the servers do not know the cluster.
    """
    version = await _migrate(connection, 0)
    for server in connection.servers[1:]:
        try:
            await _migrate(connection, server)
        except StoreUnavailable as error:
            log.warning("a server of the cluster cannot be reached; its tables are not looked at", error=str(error))
    return version


async def _migrate(connection: Connection, server: int) -> int:
    await _check_form(connection, server)
    await connection.command(VERSION_TABLE, seconds=UNHURRIED, server=server)
    known = await connection.query("SELECT toInt32(coalesce(max(version), 0)) FROM schema_version", server=server)
    version = int(known[0][0])
    for number, statements in pending_migrations("clickhouse", version, "the database"):
        for statement in statements_of(statements, connection.cluster):
            await connection.command(statement, seconds=UNHURRIED, server=server)
        await connection.command(f"INSERT INTO schema_version VALUES ({number})", server=server)
        version = number
    return version


async def _check_form(connection: Connection, server: int) -> None:
    variable, cluster = "TALLYSTICK_STORE_URL", connection.cluster
    found = await connection.query(FORM, server=server)
    is_spread = bool(found) and str(found[0][0]) == "Distributed"
    if cluster is None:
        if is_spread:
            raise ConfigError(f"{variable}: the tables of this database are spread over a cluster: add ?cluster=")
        return
    if found and not is_spread:
        raise ConfigError(
            f"{variable}: this database has the tables of one server: take a new database for the cluster, and carry "
            "the events there with `tallystick move`"
        )
    shards = int((await connection.query(SHARDS, {"name": cluster.name}, server=server))[0][0])
    if shards == 0:
        raise ConfigError(f"{variable}: ClickHouse knows no cluster {cluster.name!r} (remote_servers)")
    if shards > len(connection.servers):
        raise ConfigError(
            f"{variable}: the cluster {cluster.name!r} has {shards} shards: name all of its servers, as in "
            "clickhouse://host:8123,host:8123/database"
        )
