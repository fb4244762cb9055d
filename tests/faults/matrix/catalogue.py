"""Every fault that Tallystick is to survive, how often that is to be shown, and the tests that show it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROMISE = re.compile(r"\bG\d+\b")

KILL, SERVERS, KAFKA = "faults/test_kill.py", "faults/test_servers.py", "faults/test_kafka.py"
WIRE, SIMULATION = "faults/test_wire_faults.py", "simulation/test_simulation.py"
MUTANTS, DISK = "faults/test_mutants.py", "faults/test_disk.py"
PIPELINE, POISON = "conformance/pipeline/test_pipeline.py", "conformance/pipeline/test_pipeline_poison.py"
SOAK = "faults/soak.py::soak"
"""Not a test: `make faults-soak`, which writes its row itself."""
TWENTY = f"{SERVERS}::test_twenty_faults_of_each_kind"


@dataclass(frozen=True)
class Fault:
    """One line of the list.

    Attributes:
        wanted: how often it is to come; all cases of the tests together, unless `each`.
        tests: `file::test` below tests/, with `[a case]` or for all of them; none: there is no test yet.
        each: every case is to have as many, and a row of its own.
        lacks: what these tests do not show of it.
    """

    name: str
    wanted: int
    tests: tuple[str, ...]
    each: bool = False
    lacks: str = ""


def on_each_queue(fault: str) -> tuple[str, ...]:
    """The long test of a fault, with each queue's server."""
    return tuple(f"{TWENTY}[{queue}-{fault}]" for queue in ("redis", "rabbitmq", "kafka"))


FAULTS: dict[str, list[Fault]] = {
    "Processes": [
        Fault(
            "the process that takes events is killed",
            100,
            (
                f"{KILL}::test_two_kills_lose_nothing_and_store_nothing_twice",
                f"{KILL}::test_twenty_kills_lose_nothing_and_store_nothing_twice",
                *on_each_queue("ingest_dies"),
            ),
        ),
        Fault(
            "a worker is killed at random, of two that store",
            100,
            on_each_queue("worker_dies"),
        ),
        Fault(
            "a worker hangs for longer than the queue waits (SIGSTOP), and goes on", 60, on_each_queue("worker_hangs")
        ),
        Fault(
            "a worker is killed between commit and acknowledgement",
            100,
            (f"{PIPELINE}::test_killed_between_commit_and_acknowledgement",),
        ),
        Fault(
            "a worker is killed before its commit, or cancelled at any moment",
            1,
            (f"{PIPELINE}::test_killed_before_the_commit", f"{PIPELINE}::test_cancelled_at_any_moment"),
        ),
        Fault("a fault of each kind, once, in `make test`", 1, (f"{SERVERS}::test_a_fault_of_each_kind",)),
        Fault("each process is replaced under load", 10, ("faults/test_rolling.py::test_each_process_ten_times",)),
        Fault(
            "backups under load, and the server killed in one",
            5,
            ("faults/test_backup_kill.py::test_many_backups_under_load",),
        ),
        Fault(
            "killed in a step of a migration, on each older schema (DuckDB, PostgreSQL); a step that fails",
            45,
            (
                "faults/test_migration_kill.py::test_killed_in_each_step_of_a_migration",
                "conformance/store/test_postgres_schema.py::test_killed_in_each_step",
                "conformance/store/test_postgres_schema.py::test_a_step_that_fails_changes_nothing",
            ),
        ),
        Fault(
            "killed before or after a statement of a migration (ClickHouse)",
            20,
            ("conformance/store/test_clickhouse_write.py::test_killed_at_any_statement_of_a_migration",),
        ),
        Fault("killed while a person is erased", 2, ("faults/test_erase_kill.py::test_killed_within",)),
        Fault("killed while an import is taken back", 1, ("faults/test_undo_kill.py::test_killed_within_a_step",)),
    ],
    "Servers": [
        Fault(
            "Redis is killed",
            30,
            (
                f"{TWENTY}[redis-queue_dies]",
                "conformance/queue/test_queue_redis_outages.py::test_what_was_confirmed_survives_kill_9_again_and_again",
            ),
        ),
        Fault("RabbitMQ is killed", 30, (f"{TWENTY}[rabbitmq-queue_dies]",)),
        Fault("the only Kafka broker is killed", 30, (f"{TWENTY}[kafka-queue_dies]",)),
        Fault(
            "PostgreSQL is killed",
            30,
            (
                *on_each_queue("store_dies"),
                "conformance/store/test_postgres_crash.py::test_killed_while_several_write",
            ),
        ),
        Fault(
            "ClickHouse is killed at each step of a write",
            1,
            (
                "conformance/store/test_clickhouse_write.py::test_killed_at_any_statement",
                "conformance/store/test_clickhouse_write.py::test_the_server_is_killed_while_blocks_are_stored",
            ),
        ),
        Fault(
            "a shard of ClickHouse is away",
            1,
            (
                "conformance/store/test_clickhouse_shards.py::test_a_shard_is_killed_and_comes_back",
                "conformance/store/test_clickhouse_shards.py::test_a_shard_is_killed_while_blocks_are_stored",
            ),
        ),
        Fault("the store is away for a minute", 3, (f"{SERVERS}::test_a_minute_without_the_store",)),
        Fault(
            "the store is away until the queue's budget is used",
            4,
            (
                f"{SERVERS}::test_the_budget_is_used_up_without_the_store",
                f"{KAFKA}::test_the_budget_says_no_before_a_broker_is_full",
            ),
        ),
        Fault("Kafka: brokers and workers fail", 20, (f"{KAFKA}::test_faults_of_each_kind",), each=True),
        Fault("Kafka: each broker in turn is killed", 1, (f"{KAFKA}::test_each_broker_in_turn",)),
        Fault("Kafka: the topic gets weak settings", 20, (f"{KAFKA}::test_a_topic_that_becomes_weak",)),
        Fault("Kafka: a broker's disk is full", 20, (f"{KAFKA}::test_a_broker_whose_disk_is_full",)),
        Fault(
            "Redis: another client deletes blocks (XTRIM)",
            1,
            (
                "conformance/queue/test_queue_redis_tidying.py::test_a_block_that_vanished_before_its_delivery_is_an_alarm",
                "conformance/queue/test_queue_redis_tidying.py::test_a_block_that_vanished_after_its_delivery_is_an_alarm",
            ),
        ),
        Fault(
            "Redis: memory limit, eviction policy, weaker settings",
            1,
            (
                "conformance/queue/test_queue_redis.py::test_the_memory_limit_is_full_and_takes_nothing",
                "conformance/queue/test_queue_redis.py::test_a_server_that_is_made_weaker_is_noticed_on_the_same_connection",
                "conformance/queue/test_queue_redis.py::test_a_server_that_comes_back_weaker_takes_nothing",
            ),
        ),
        Fault(
            "RabbitMQ: the queue is deleted",
            1,
            (
                "conformance/queue/test_queue_rabbitmq.py::test_a_queue_that_was_deleted_is_an_error_and_is_made_again",
                "conformance/queue/test_queue_rabbitmq.py::test_a_worker_survives_that_its_queue_is_deleted",
                "conformance/queue/test_queue_rabbitmq.py::test_blocks_that_were_deleted_are_missing_in_the_books",
            ),
        ),
        Fault(
            "RabbitMQ: memory alarm",
            1,
            ("conformance/queue/test_queue_rabbitmq_faults.py::test_an_alarm_of_the_broker_is_a_503_at_once",),
        ),
    ],
    "The wire to a server": [
        Fault("a wire", 20, (f"{WIRE}::test_each_fault_of_a_wire",), each=True),
    ],
    "Disks and files": [
        Fault(
            "killed at any moment of publishing",
            30,
            ("attack/damage/test_mark_kill.py::test_no_kill_raises_an_alarm",),
        ),
        Fault("killed by an fsync, before it or after it", 100, (f"{DISK}::test_death_at_an_fsync",)),
        Fault(
            "the log's tail is torn at each of the last 4,096 bytes",
            4_097,
            (
                f"{DISK}::test_a_tail_torn_at_each_byte",
                "attack/damage/test_flips_quiet.py::test_a_torn_tail_is_cut_in_silence",
            ),
        ),
        Fault(
            "bit flips, cut ends and zeroed pages in the queue's files",
            200,
            ("attack/damage/test_flips_queue.py::test_damage_is_detected_or_harmless",),
        ),
        Fault(
            "bit flips in the store's file",
            1,
            ("attack/damage/test_flips_store.py::test_damage_is_harmless_or_told_and_recovered",),
        ),
        Fault(
            "an fsync of the queue fails once, or for ever",
            40,
            (
                f"{DISK}::test_an_fsync_that_fails",
                "unit/queue/test_sqlite_fsync.py::test_after_a_failed_fsync_this_file_handle_takes_nothing_more",
                "unit/queue/test_sqlite_fsync.py::test_after_a_failed_fsync_a_new_start_works",
            ),
        ),
        Fault(
            "fsyncs of the queue, or of every file, take 500 ms",
            2,
            (f"{DISK}::test_fsyncs_of_half_a_second", f"{DISK}::test_fsyncs_of_half_a_second_of_every_file"),
        ),
        Fault("an fsync of DuckDB's fails once, or for ever", 40, (f"{DISK}::test_an_fsync_of_the_store_fails",)),
        Fault("a small disk is down to its reserve, and back", 20, (f"{DISK}::test_the_reserve_of_a_small_disk",)),
        Fault(
            "a disk of 64 MiB is full, or has no inodes left, and back",
            40,
            (f"{DISK}::test_a_disk_without_a_reserve_is_full",),
        ),
        Fault("DuckDB's checkpoint finds no room", 20, (f"{DISK}::test_a_checkpoint_finds_no_room",)),
    ],
    "Data and load": [
        Fault(
            "the clock jumps by an hour, ahead and back, under load and over a start",
            20,
            ("faults/test_clock.py::test_a_clock_that_jumps",),
        ),
        Fault("the year 2038", 1, ("faults/test_clock.py::test_the_end_of_32_bit_seconds",)),
        Fault(
            "a consumer dies 25 times on one block, on each queue",
            25,
            ("conformance/queue/test_queue_durability.py::test_a_consumer_that_dies_25_times_on_one_block",),
            each=True,
        ),
        Fault("slow clients at the same time", 1_000, ("faults/test_load.py::test_a_thousand_slow_clients",)),
        Fault(
            "a minute of five times as many events as are stored",
            1,
            ("faults/test_load.py::test_five_times_as_much_as_is_stored",),
        ),
        Fault(
            "a minute of load with a fault every 10 s and queries beside it",
            2,
            ("faults/test_soak.py::test_a_minute_on_the_embedded_servers",),
        ),
        Fault("an hour of load with a fault about every 20 s and queries beside it", 100, (SOAK,), each=True),
        Fault(
            "a start with 1 GiB of unread events and little memory",
            1,
            ("faults/test_backlog.py::test_a_gibibyte_of_unread_events_at_a_start",),
            each=True,
        ),
        Fault(
            "poison events in a batch",
            1,
            (f"{POISON}::test_one_bad_event_is_set_aside_and_the_others_are_stored",),
        ),
        Fault(
            "RabbitMQ: a message is delivered again and again",
            25,
            ("conformance/queue/test_queue_rabbitmq.py::test_no_number_of_deliveries_is_too_many",),
        ),
        Fault(
            "no descriptors are left; thousands of silent clients",
            1,
            (
                "attack/http/test_floods.py::test_the_descriptors_run_out",
                "attack/http/test_floods.py::test_a_flood_of_thousands",
            ),
        ),
        Fault(
            "requests cancelled at random; answers that nobody reads",
            1,
            (
                "attack/asking/test_cancelled.py::test_nothing_is_left_of_requests_that_were_cut",
                "attack/asking/test_unread.py::test_unread_exports_harm_nobody_and_are_broken_off",
            ),
        ),
    ],
    "Simulated runs": [
        Fault(
            "everything goes wrong, on virtual time",
            10_000,
            (f"{SIMULATION}::test_nothing_is_lost_or_stored_twice_in_ten_thousand_runs",),
        ),
    ],
    "Whether the tests can fail": [
        Fault(
            "a promise is taken out of the source, and its quick test turns red",
            1,
            (f"{MUTANTS}::test_a_promise_that_is_taken_out_turns_its_test_red",),
            each=True,
        ),
        Fault(
            "nothing is taken out of the source, and these tests pass",
            1,
            (f"{MUTANTS}::test_the_tests_pass_with_every_promise",),
        ),
        Fault(
            "a promise is taken out of the simulation",
            7,
            (f"{SIMULATION}::test_a_promise_that_is_taken_out_is_missed",),
        ),
        Fault(
            "a promise is taken out of a server that is killed",
            1,
            (
                f"{KILL}::test_a_server_without_a_promise_is_found_out",
                f"{SERVERS}::test_processes_without_a_promise_are_found_out",
            ),
        ),
    ],
}

NO_FAULTS = {
    "faults/test_compose_scale.py": "what compose.scale.yaml promises",
    "faults/test_packages_installed.py": "packages that are installed",
}
"""Files with long tests that are about something else."""


def faults() -> Iterator[Fault]:
    """All of them, in their order."""
    for group in FAULTS.values():
        yield from group


def fault_of(test: str) -> Fault | None:
    """The line that a test's id (from the root, with its case) belongs to."""
    whole, _, _ = test.removeprefix("tests/").partition("[")
    known = {name: fault for fault in faults() for name in fault.tests}
    return known.get(test.removeprefix("tests/")) or known.get(whole)


def case_of(test: str) -> str:
    """What is between the brackets of a test's id."""
    return test.partition("[")[2].removesuffix("]")


@functools.cache
def functions(file: str) -> dict[str, tuple[str, bool]]:
    """Tests (and the soak) of a file below tests/: docstring, and whether `make faults` alone runs all cases."""
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    whole = any(
        isinstance(node, ast.Assign) and ast.unparse(node) == "pytestmark = pytest.mark.faults" for node in tree.body
    )
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name.startswith("test_") or f"{file}::{node.name}" == SOAK
        ):
            marked = any(ast.unparse(decorator) == "pytest.mark.faults" for decorator in node.decorator_list)
            found[node.name] = (ast.get_docstring(node) or "", whole or marked)
    return found


def promises(fault: Fault) -> list[str]:
    """The promises that its tests name, in order of their numbers. "G1 to G7" are seven."""
    found: set[int] = set()
    for test in fault.tests:
        file, _, name = test.partition("[")[0].partition("::")
        text = functions(file)[name][0]
        for first, last in re.findall(r"G(\d+) to G(\d+)", text):
            found |= set(range(int(first), int(last) + 1))
        found |= {int(number[1:]) for number in PROMISE.findall(text)}
    return [f"G{number}" for number in sorted(found)]
