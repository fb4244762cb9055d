"""`tallystick sql` as a person runs it, on a real server process."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from tallystick.cli import main
from tests.helpers.http import plain_http
from tests.servers.process import wait_until

TALLYSTICK = [sys.executable, "-c", "from tallystick.cli import main; main()"]
READ, SHOP, WRITE = "read-0123456789abcdef", "shop-0123456789abcdef", "write-0123456789abcdef"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with keys and some events of two sites."""
    data = tmp_path_factory.mktemp("sql")
    given = {
        "TALLYSTICK_READ_KEYS": f"*={READ} shop={SHOP}",
        "TALLYSTICK_WRITE_KEYS": f"*={WRITE}",
        "TALLYSTICK_SQL": "true",
    }
    process = subprocess.Popen(
        [*TALLYSTICK, "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **given},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        fill(found[0])
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def fill(url: str) -> None:
    events = [
        {
            "name": "view",
            "path": "/a" if n % 3 else "\x1b[31m[bold]",
            "site_id": "shop" if n % 2 else "blog",
            "user_id": f"u{n % 4}",
        }
        for n in range(1_200)
    ]
    plain_http.post(f"{url}/v1/events", json=events, headers={"X-API-Key": WRITE}).raise_for_status()
    headers = {"X-API-Key": READ}

    def stored() -> bool:
        count = plain_http.post(f"{url}/v1/sql", json={"sql": "SELECT count(*) FROM events"}, headers=headers)
        return bool(count.json()["rows"] == [[1_200]])

    wait_until(stored, "the events")


@pytest.fixture
def tallystick(server: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`tallystick sql` with these arguments, asked of the server, with a key."""

    def run(*arguments: str, key: str = READ, stdin: str = "") -> Ran:
        monkeypatch.setenv("TALLYSTICK_KEY", key)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["sql", *arguments, "--url", server])
        out, err = capsysbinary.readouterr()
        return Ran(int(exit_.value.code or 0), out.decode(), err.decode())

    return run


def test_a_table(tallystick: Command) -> None:
    """Nothing of an event steers the terminal."""
    figures = "count(*) AS events, avg(1.5) AS a, NULL AS n, [1] AS l"
    ran = tallystick(f"SELECT path, {figures} FROM events GROUP BY 1 ORDER BY 2")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["path", "events", "a", "n", "l"],
        ["\\x1b[31m[bold]", "400", "1.5", "[1]"],
        ["/a", "800", "1.5", "[1]"],
    ]


def test_a_site_a_limit_and_large_numbers(tallystick: Command) -> None:
    numbers = "12345678901234567890.5 AS x, 1234567 AS y"
    ran = tallystick(f"SELECT site_id, {numbers} FROM events", "--site", "blog", "--limit", "1")
    assert ran.out.splitlines()[1].split() == ["blog", "12,345,678,901,234,567,890.5", "1,234,567"]
    assert "there are more than these 1 rows" in ran.out
    assert tallystick("SELECT DISTINCT site_id FROM events", key=SHOP).out.split() == ["site_id", "shop"]
    assert tallystick("SELECT 1 FROM events WHERE false").out == "no rows\n"


def test_files_in_and_out(tallystick: Command, tmp_path: Path) -> None:
    statement = tmp_path / "one.sql"
    statement.write_text("SELECT '=x' AS a, 2 AS b", "utf-8")
    assert tallystick("--file", str(statement), "--format", "csv").out == "a,b\r\n'=x,2\r\n"
    answer = json.loads(tallystick("--file", "-", "--format", "json", stdin="SELECT 1 AS a").out)
    assert answer["rows"] == [[1]]
    assert tallystick("-", "--format", "csv", stdin="SELECT 7 AS a").out == "a\r\n7\r\n"
    both = tallystick("SELECT 1", "--file", str(statement))
    assert (both.code, both.out) == (2, "")
    assert tallystick("--file", str(tmp_path / "none.sql")).code == 2


def test_the_answer_in_a_file(tallystick: Command, tmp_path: Path) -> None:
    target = tmp_path / "answer.parquet"
    assert tallystick("SELECT 7 AS a", "--format", "parquet", "--output", str(target)) == Ran(0, "", "")
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT * FROM read_parquet('{target}')").fetchall() == [(7,)]
    assert tallystick("SELECT 7 AS a", "--format", "csv", "--output", str(target)).code == 0
    assert target.read_bytes() == b"a\r\n7\r\n"
    table = tallystick("SELECT 7 AS a", "--output", str(target))
    assert (table.code, table.out) == (2, "")
    assert "--format csv" in table.err
    nowhere = tallystick("SELECT 7 AS a", "--format", "json", "--output", str(tmp_path / "none" / "x.json"))
    assert (nowhere.code, nowhere.out) == (2, "")
    assert target.read_bytes() == b"a\r\n7\r\n"


def test_without_a_statement_it_shows_what_there_is(tallystick: Command) -> None:
    ran = tallystick()
    assert ran.code == 0
    assert re.search(r"^events +One row for each stored event", ran.out, re.MULTILINE)
    assert re.search(r"^ +duration_seconds +number ", ran.out, re.MULTILINE)


def test_what_the_server_refuses(tallystick: Command) -> None:
    ran = tallystick("DROP TABLE events")
    assert (ran.code, ran.out) == (2, "")
    assert "only one SELECT" in ran.err
    assert tallystick("SELECT 1", key="wrong-0123456789abcdef").code == 2
    assert tallystick("SELECT 1", "--site", "blog", key=SHOP).code == 2
