"""ClickHouse's settings that Tallystick sends with each statement."""

from __future__ import annotations

from collections.abc import Mapping

_SESSION: Mapping[str, object] = {
    # FINAL: an identity's copies have one timestamp, so that they are in one partition.
    "do_not_merge_across_partitions_select_final": 1,
    # Missing values are NULL, as in the other stores, and not a type's zero.
    "join_use_nulls": 1,
    "aggregate_functions_null_for_empty": 1,
    "cast_keep_nullable": 1,
    "data_type_default_nullable": 0,
    "transform_null_in": 0,
    # `UNION` and `EXCEPT` are those of SQL; numbers of two sizes meet in the larger one.
    "union_default_mode": "DISTINCT",
    "except_default_mode": "DISTINCT",
    "intersect_default_mode": "DISTINCT",
    "use_variant_as_common_type": 0,
    "session_timezone": "UTC",
    "wait_end_of_query": 1,  # a failure after the first row is a failure, and no shorter answer
}
CLUSTER_SESSION: Mapping[str, object] = {
    # A subquery in IN or JOIN is computed once, over all shards, and sent to each.
    "distributed_product_mode": "global",
    "prefer_global_in_and_join": 1,
    "distributed_foreground_insert": 1,  # an answer means that every shard has its rows
    "skip_unavailable_shards": 0,
    # ClickHouse 26.9 renames sumIf twice, here and on the shard, to make it NULL without rows, and then finds neither.
    "optimize_rewrite_aggregate_function_with_if": 0,
    "load_balancing": "in_order",  # of a shard's replicas the first one that answers, which has what was written there
}
"""More settings of every statement on a cluster."""
REPLICATED_SESSION: Mapping[str, object] = {
    # An answer means that most replicas have the rows. Inserts of two workers go side by side, which rules out
    # select_sequential_consistency: of three replicas one may lag, and a batch that reads there inserts its rows again.
    "insert_quorum": "auto",
    "insert_quorum_parallel": 1,
}
"""More of them where shards have replicas."""
READ_SESSION: Mapping[str, object] = {
    **_SESSION,
    "asterisk_include_materialized_columns": 1,  # the property columns
    "final": 1,  # rows of one identity that are not merged yet count once
    # In `SELECT f(x) AS x … WHERE x` the condition means the column, as in SQL.
    "prefer_column_name_to_alias": 1,
    "enable_materialized_cte": 1,  # one that says so is computed once, and not wherever it is named
    # ClickHouse takes one thread where less than 1 GiB for each is free, as on a small server always.
    "max_threads_min_free_memory_per_thread": 256 * 1024 * 1024,
    "max_query_size": 16 * 1024 * 1024,  # long funnels with many conditions
    "max_ast_elements": 1_000_000,
    "max_expanded_ast_elements": 10_000_000,
}
"""Settings of questions."""
WRITE_SESSION: Mapping[str, object] = {
    **_SESSION,
    "async_insert": 0,  # an answer means stored
    "max_partitions_per_insert_block": 0,  # a batch of old events may have any number of days
    "mutations_sync": 1,
    "lightweight_deletes_sync": 1,
}
"""Settings of what is stored and kept up. Its statements say FINAL where they need it."""
