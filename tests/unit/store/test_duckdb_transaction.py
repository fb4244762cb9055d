"""Transactions on DuckDB: what fails is rolled back, now or at the next one."""

from __future__ import annotations

import duckdb
import pytest

from tallystick.store.duckdb.connection import transaction


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    return connection


def count(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT count(*) FROM numbers").fetchall()[0][0])


def test_one_that_was_left_aborted_does_not_stop_the_next(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN TRANSACTION")
    connection.execute("INSERT INTO numbers VALUES (1)")
    with pytest.raises(duckdb.ConstraintException):
        connection.execute("INSERT INTO numbers VALUES (1)")
    with pytest.raises(duckdb.TransactionException, match="is aborted"):
        connection.execute("SELECT 1")

    with transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")

    assert count(connection) == 1


def begin_inside(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (1)")
        with transaction(connection):
            pass


def test_one_inside_another_is_an_error(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.TransactionException):
        begin_inside(connection)

    assert count(connection) == 0


def commit_too_late(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (1)")
        connection.cursor().execute("INSERT INTO numbers VALUES (1)")


def test_a_commit_that_fails_leaves_none_open(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.TransactionException):
        commit_too_late(connection)

    with transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
    assert count(connection) == 2
