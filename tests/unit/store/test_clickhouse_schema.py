"""The tables of a cluster, as files in tests/snapshots/clickhouse_tables/.

`UPDATE_SNAPSHOTS=1 pytest tests/unit/store/test_clickhouse_schema.py` writes the files again; read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tallystick.store.clickhouse.tables.schema import SHARDED, Cluster, clustered, engine, statements_of
from tallystick.store.migrations import migrations

SNAPSHOTS = Path(__file__).parents[2] / "snapshots" / "clickhouse_tables"
CLUSTERS = {"replicated": Cluster("o'clock"), "without_replicas": Cluster("two", replicated=False)}


def made(cluster: Cluster | None) -> list[str]:
    return [statement for migration in migrations("clickhouse") for statement in statements_of(migration, cluster)]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_tables_of_a_cluster(name: str) -> None:
    text = ";\n\n".join(made(CLUSTERS[name])) + ";\n"
    file = SNAPSHOTS / f"{name}.sql"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=list(CLUSTERS))
def test_every_table_is_local_and_over_all_shards(cluster: Cluster) -> None:
    names = [
        found[1] for statement in made(None) if (found := re.search(r"CREATE TABLE IF NOT EXISTS (\w+)", statement))
    ]
    spread = [statement for statement in made(cluster) if "CREATE TABLE" in statement]
    assert len(spread) == 2 * len(names)
    for name, local, over_all in zip(names, spread[::2], spread[1::2], strict=True):
        assert f"CREATE TABLE IF NOT EXISTS {name}_local (" in local
        assert ("ENGINE = Replicated" in local) is cluster.replicated
        assert f"CREATE TABLE IF NOT EXISTS {name} AS {name}_local\n" in over_all
        assert over_all.endswith(f"{name}_local, {SHARDED.get(name, '0')})")
    assert set(names) >= SHARDED.keys()


def test_replicas_forget_no_block_that_comes_again() -> None:
    """A block whose rows were deleted is stored again when it comes again."""
    local = [statement for statement in made(CLUSTERS["replicated"]) if "ENGINE = Replicated" in statement]
    assert len(local) > len(SHARDED)
    for statement in local:
        assert " replicated_deduplication_window = 0" in statement
        assert "non_replicated" not in statement


def test_an_engine_keeps_its_own_arguments() -> None:
    replicated, alone = Cluster("c"), Cluster("c", replicated=False)
    path = "'/clickhouse/tables/{database}/{table}/{shard}', '{replica}'"
    assert (
        engine("ReplacingMergeTree", "version, gone", replicated)
        == f"ReplicatedReplacingMergeTree({path}, version, gone)"
    )
    assert engine("MergeTree", "", replicated) == f"ReplicatedMergeTree({path})"
    assert engine("MergeTree", "", alone) == "MergeTree"
    assert engine("ReplacingMergeTree", "version", alone) == "ReplacingMergeTree(version)"


def test_an_added_column_is_added_to_both_tables() -> None:
    """First to the local one, which the other reads."""
    assert clustered("-- Why.\nALTER TABLE t ADD COLUMN IF NOT EXISTS x Int8 DEFAULT 0", Cluster("c")) == [
        "ALTER TABLE t_local ADD COLUMN IF NOT EXISTS x Int8 DEFAULT 0",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS x Int8 DEFAULT 0",
    ]


def test_a_column_is_filled_where_the_rows_are() -> None:
    assert clustered("-- Why.\nALTER TABLE t MATERIALIZE COLUMN x SETTINGS mutations_sync = 0", Cluster("c")) == [
        "ALTER TABLE t_local MATERIALIZE COLUMN x SETTINGS mutations_sync = 0",
    ]


def test_how_rows_are_kept_is_said_where_they_are() -> None:
    assert clustered("ALTER TABLE t MODIFY SETTING x = 1", Cluster("c")) == ["ALTER TABLE t_local MODIFY SETTING x = 1"]


def test_a_migration_of_another_kind_needs_a_form_of_its_own() -> None:
    with pytest.raises(ValueError, match="no CREATE TABLE"):
        clustered("ALTER TABLE events DROP COLUMN x", Cluster("c"))
