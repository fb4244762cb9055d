"""The tables of a cluster: for each table of the migrations a local one on every server, and one over all shards.

The local table has the name with `_local` behind it. Events and the identities of the dedupe window lie on the shard
that the hash of their identity says, so that an identity always meets its copy (G2). All other tables are small, and
their rows lie on the first shard: a statement that joins them sees each row once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.model.sql import quote_text

SHARDED: Mapping[str, str] = {
    "events": "cityHash64(toString(site_id), event_id)",
    "recent_ids": "hash",
    "session_parts": "cityHash64(session_key)",
}
"""Tables whose rows lie on all shards, and what their shard is told by."""
FIRST_SHARD = "0"
"""What tells the shard of all other tables."""
_CREATE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+) (?P<columns>\(.*\n\)) "
    r"ENGINE = (?P<engine>\w*MergeTree)(?:\((?P<arguments>[^()]*)\))?(?P<rest>\n.*)",
    re.DOTALL,
)
_COLUMN = re.compile(r"ALTER TABLE (?P<name>\w+)\s+(?P<what>(?:ADD COLUMN IF NOT EXISTS|MODIFY COLUMN) .*)", re.DOTALL)
_OF_ROWS = re.compile(r"ALTER TABLE (?P<name>\w+) (?P<what>(?:MATERIALIZE COLUMN|MODIFY SETTING) .*)", re.DOTALL)


@dataclass(frozen=True)
class Cluster:
    """A cluster as the servers' configuration has it.

    Attributes:
        name: in `remote_servers`.
        replicated: the local tables are replicated within their shard, which needs Keeper.
    """

    name: str
    replicated: bool = True


def engine(family: str, arguments: str, cluster: Cluster) -> str:
    """The engine of a local table.

    Replicas of a table find each other by its path, in which `{shard}` and `{replica}` are the server's macros.

    Args:
        family: such as ReplacingMergeTree.
        arguments: its own, such as `version`; may be empty.
    """
    if not cluster.replicated:
        return f"{family}({arguments})" if arguments else family
    own = f", {arguments}" if arguments else ""
    return f"Replicated{family}('/clickhouse/tables/{{database}}/{{table}}/{{shard}}', '{{replica}}'{own})"


def clustered(statement: str, cluster: Cluster) -> list[str]:
    """A CREATE TABLE or a column of a migration as two: of the local table, and of the one over all shards.

    To fill a column, or to say how rows are kept, is one, of the local table, which has the rows.

    Raises:
        ValueError: it is no such statement; a migration that makes something else needs a form for clusters.
    """
    if (column := _COLUMN.search(statement)) is not None:
        return [f"ALTER TABLE {table} {column['what']}" for table in (f"{column['name']}_local", column["name"])]
    if (of_rows := _OF_ROWS.search(statement)) is not None:
        return [f"ALTER TABLE {of_rows['name']}_local {of_rows['what']}"]
    parts = _CREATE.search(statement)
    if parts is None:
        raise ValueError(f"no CREATE TABLE and no column: {statement[:80]!r}")
    name = parts["name"]
    # A block that comes again after its rows were deleted has to be stored again.
    rest = parts["rest"].replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    if not cluster.replicated:
        rest = parts["rest"]
    local = (
        f"CREATE TABLE IF NOT EXISTS {name}_local {parts['columns']} "
        f"ENGINE = {engine(parts['engine'], parts['arguments'] or '', cluster)}{rest}"
    )
    shard = SHARDED.get(name, FIRST_SHARD)
    over_all = (
        f"CREATE TABLE IF NOT EXISTS {name} AS {name}_local\n"
        f"ENGINE = Distributed({quote_text(cluster.name)}, currentDatabase(), {name}_local, {shard})"
    )
    return [local, over_all]


def statements_of(migration: str, cluster: Cluster | None) -> list[str]:
    """The statements of a migration, one by one, for one server or for each server of a cluster."""
    statements = [part.strip().removesuffix(";") for part in migration.split(";\n")]
    present = [part for part in statements if any(not line.startswith("--") for line in part.splitlines() if line)]
    if cluster is None:
        return present
    return [made for part in present for made in clustered(part, cluster)]
