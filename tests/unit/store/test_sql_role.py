"""`tallystick sql-role`: what it prints, and what it refuses. That it is right is in tests/attack/sql."""

from __future__ import annotations

import pytest

from tallystick.app import Role, Tallystick
from tallystick.cli import main
from tallystick.config import Settings
from tallystick.store.postgres import PostgresStore
from tests.helpers.commands import run_command

STORE = "postgresql://keeper:its-own-password@db.example:6432/events?sslmode=require"


def test_the_password_is_only_in_the_setting() -> None:
    """The SQL may be logged by the server; it is for a superuser, the setting for Tallystick."""
    url = "postgresql://asker:s%40cret@h/events"
    printed = run_command({"TALLYSTICK_STORE_URL": STORE, "TALLYSTICK_SQL_URL": url}, "sql-role")
    assert "s@cret" not in printed
    assert "s%40cret" not in printed
    assert "its-own-password" not in printed
    assert 'ALTER ROLE "asker" LOGIN NOSUPERUSER' in printed
    assert "PASSWORD 'SCRAM-SHA-256$4096:" in printed
    assert printed.rstrip().endswith("COMMIT;")


def test_a_url_is_made_of_the_store_s(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TALLYSTICK_STORE_URL", STORE)
    main_ends(["sql-role", "--schema", "odd"], 0)
    out, err = capsys.readouterr()
    url = err.strip().rpartition("TALLYSTICK_SQL_URL=")[2].replace("\n", "")
    assert url.startswith("postgresql://tallystick_sql:")
    assert url.endswith("@db.example:6432/events?sslmode=require")
    password = url.split(":")[2].partition("@")[0]
    assert len(password) >= 32
    assert password not in out
    assert "to_regnamespace('odd')" in out


def test_a_user_of_clickhouse_is_made_likewise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database's name may need quotes."""
    monkeypatch.setenv("TALLYSTICK_STORE_URL", "clickhouses://keeper:its-own-password@db.example/ev%60ents?cafile=")
    main_ends(["sql-role"], 0)
    out, err = capsys.readouterr()
    url = err.strip().rpartition("TALLYSTICK_SQL_URL=")[2].replace("\n", "")
    password = url.split(":")[2].partition("@")[0]
    assert url.startswith("clickhouses://tallystick_sql:")
    assert len(password) >= 32
    assert password not in out
    assert "its-own-password" not in out
    assert "readonly = 1" in out
    assert "GRANT SELECT ON `ev\\`ents`.all_events TO `tallystick_sql`;" in out


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TALLYSTICK_STORE_URL", "duckdb:///store.duckdb", "only a store on PostgreSQL or ClickHouse needs"),
        ("TALLYSTICK_SQL_URL", "postgresql://asker@h/events", "has no password"),
        ("TALLYSTICK_SQL_URL", "postgresql://asker:p%C3%A4ss@h/events", "ASCII characters only"),
        ("TALLYSTICK_SQL_URL", "postgresql://[asker:x@h/events", "cannot be read|can be read"),
    ],
)
def test_what_it_cannot_do(
    name: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    main_ends(["sql-role"], 2)
    said = " ".join(capsys.readouterr().err.split())
    assert any(words in said for words in why.split("|")), said


def main_ends(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code or 0) == code


@pytest.mark.parametrize("role", Role)
def test_only_who_answers_needs_a_role(role: Role) -> None:
    """`ingest` and `work` start with the settings of the others."""
    store = Tallystick(Settings(store_url=STORE, sql=True), role).store
    assert isinstance(store, PostgresStore)
    assert (store._role is not None) is role.answers


def test_commands_need_none() -> None:
    """Commands open the store without TALLYSTICK_SQL_URL: `tallystick migrate` runs before the role exists."""
    assert not Settings(store_url=STORE, sql=True).in_process().sql
