"""The command, on every store: exit code, books, --check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.commands import end_command, run_command
from tests.servers.postgres import PostgresServer

ROWS = """name,timestamp,title
a,2026-01-01,"x"y
b,2026-01-02,ok
c,1704110200000,"two
lines"
d,20240115,ok
e,soon,
"""


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    found = {"TALLYSTICK_DATA": str(tmp_path / "data"), "TALLYSTICK_DISK_RESERVE_BYTES": "0"}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        found |= {"TALLYSTICK_STORE_URL": server.new_database(), "TALLYSTICK_ALLOW_WEAK_DURABILITY": "true"}
    return found


def test_no_row_is_lost_or_moved(place: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    at = ("--data", place["TALLYSTICK_DATA"])
    code, out, _ = end_command(place, "import", str(path), "--check")
    assert code == 1
    assert "5 rows; an import would accept 3 and reject 2. Nothing was sent" in out
    assert "times: 2024-01-01 11:56:40 UTC to 2026-01-02 00:00:00 UTC" in out
    assert "title: text (3)" in out
    assert not (tmp_path / "data" / "store.duckdb").exists()

    code, out, said = end_command(place, "import", str(path), *at)
    assert code == 1, said
    assert out.startswith("3 events accepted, 2 rows rejected")
    assert "line 2: has a broken quote" in out
    assert "line 7: timestamp_invalid" in out
    stored = [json.loads(line) for line in run_command(place, "export", *at).splitlines()]
    assert sorted((event["name"], event["timestamp"], event["properties"]["title"]) for event in stored) == [
        ("b", "2026-01-02T00:00:00Z", "ok"),
        ("c", "2024-01-01T11:56:40Z", "two\nlines"),
        ("d", "2024-01-15T00:00:00Z", "ok"),
    ]
    assert end_command(place, "import", str(path), "--allow-rejected", "--again", *at)[0] == 0
    ledger = json.loads(run_command(place, "verify", "--json", *at))["ledger"]
    assert (ledger["stored"], ledger["duplicates"]) == (3, 3)


def test_a_damaged_file_ends_with_2_and_stores_nothing(tmp_path: Path) -> None:
    place = {"TALLYSTICK_DATA": str(tmp_path / "data"), "TALLYSTICK_DISK_RESERVE_BYTES": "0"}
    path = tmp_path / "rows.csv.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd")
    at = ("--data", place["TALLYSTICK_DATA"])
    code, _, said = end_command(place, "import", str(path), *at)
    assert code == 2
    assert "cannot be read" in said
    assert end_command(place, "import", str(path), "--check")[0] == 2
    assert run_command(place, "export", *at) == ""


def test_an_unknown_encoding_ends_with_2(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    code, _, said = end_command({"TALLYSTICK_DATA": str(tmp_path)}, "import", str(path), "--encoding", "klingon")
    assert code == 2
    assert "--encoding: 'klingon' is no encoding" in said
