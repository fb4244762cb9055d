"""The commands as a person runs them: on a folder at rest, and on a real server process."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import duckdb
import httpx
import pytest

from tallystick.cli import main
from tallystick.cli.up import banner
from tallystick.config import Settings
from tallystick.invocation import invocation
from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.store import DeadLetter, make_store
from tallystick.store.migrations import migrations
from tests.helpers.http import plain_http

TALLYSTICK = [sys.executable, "-c", "from tallystick.cli import main; main()"]
IN_SMALL_STEPS = """
import signal
from tallystick.cli import main
from tallystick.cli.importing import command
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores Ctrl-C
command.MOST_EVENTS = 200
main()
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def tallystick(capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Runs a command in this process."""

    def run(*arguments: str | Path) -> Ran:
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return Ran(int(exit_.value.code or 0), out.decode(), err.decode())

    return run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """`tallystick up` as a process of its own: its URL and data folder."""
    data = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [*TALLYSTICK, "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, first
        yield found[0], data
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines_file(folder: Path, count: int, name: str = "rows.ndjson") -> Path:
    path = folder / name
    start = 1_767_225_600
    path.write_text(
        "".join(
            json.dumps({"name": "seen", "timestamp": start + row, "user_id": f"u{row % 10}", "n": row}) + "\n"
            for row in range(count)
        )
    )
    return path


def wait_until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- help and mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "migrate",
        "verify",
        "dead list",
        "dead show",
        "dead replay",
        "dead drop",
        "import",
        "export",
        "query",
        "demo",
        "bench",
    ],
)
def test_help_has_an_example(tallystick: Command, command: str) -> None:
    ran = tallystick(*command.split(), "--help")
    assert ran.code == 0
    assert f"tallystick {command}" in ran.out.partition("Example")[2]


def test_version(tallystick: Command) -> None:
    assert re.fullmatch(r"tallystick \d+\.\d+\.\d+\n", tallystick("--version").out)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("verify --data {}/nothing", "there is no data folder"),
        ("export --data {}/nothing", "there is no data folder"),
        ("verify --url http://127.0.0.1:9", "is the server running there"),
        ("verify --url ftp://x", "is not an address"),
        ("verify --url http://127.0.0.1:9 --data {}", "exclude each other"),
        ("import {}/none.csv --name n --data {}", "there is no file"),
        ("import - --format parquet --data {}", "cannot be read from standard input"),
        ("export --filter name --data {}", "does not have the form field:op:value"),
        ("export --output {}/x.txt --data {}", "is not that of a format"),
        ("dead replay --data {}", "--all"),
        ("dead replay 1 2 --corrected {}/x --data {}", "exactly one number"),
        ("dead show 7 --data {}", "there is no dead letter 7"),
    ],
)
def test_mistakes_are_one_line_and_code_2(tallystick: Command, tmp_path: Path, arguments: str, complaint: str) -> None:
    ran = tallystick(*arguments.replace("{}", str(tmp_path)).split())
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert complaint in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_wrong_setting_is_named(tallystick: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALLYSTICK_QUERY_TIMEOUT", "soon")
    ran = tallystick("verify", "--data", tmp_path)
    assert (ran.code, "TALLYSTICK_QUERY_TIMEOUT" in ran.err) == (2, True)


def test_banner_line_can_be_pasted(tmp_path: Path, server: tuple[str, Path]) -> None:
    text = banner(Settings(data=tmp_path), server[0])
    assert str(tmp_path) in text
    [curl] = re.findall(r"curl http.*", text)
    words = """curl() { printf '%s\\n' "$@"; }\n"""  # a machine without curl has a shell, which reads the line
    done = subprocess.run(["sh", "-c", words + curl], capture_output=True, check=True, text=True)
    url, option, body = done.stdout.splitlines()
    assert option == "-d"
    assert httpx.post(url, content=body, trust_env=False).json()["accepted"] == 1


# --- a folder at rest -----------------------------------------------------------------------------------------------


def test_import_verify_export_on_a_folder(tallystick: Command, tmp_path: Path) -> None:
    """G4: what an import says it took is what the books hold; the same file again changes nothing."""
    data, path = tmp_path / "data", lines_file(tmp_path, 12_000)
    ran = tallystick("import", path, "--data", data, "--site", "s")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("12,000 events accepted, 0 rows rejected; 12,000 rows in ")

    ran = tallystick("import", path, "--data", data, "--site", "s")
    assert (ran.code, "was imported before" in ran.err) == (0, True)
    assert tallystick("import", path, "--data", data, "--site", "s", "--again").code == 0
    report = json.loads(tallystick("verify", "--data", data, "--json").out)
    ledger = report["ledger"]
    assert (report["ok"], ledger["accepted"], ledger["stored"], ledger["duplicates"]) == (True, 24_000, 12_000, 12_000)
    assert ledger["conflicts"] == 0
    assert "the books close" in tallystick("verify", "--data", data).out

    ran = tallystick("export", "--data", data, "--site", "s", "--filter", "properties.n:<:5", "--since", "2026-01-01")
    assert [json.loads(line)["properties"]["n"] for line in ran.out.splitlines()] == [0, 1, 2, 3, 4]
    assert len(tallystick("export", "--data", data, "--user", "u3").out.splitlines()) == 1_200
    assert tallystick("export", "--data", data, "--site", "other").out == ""

    newest = len(migrations("duckdb"))
    assert tallystick("migrate", "--data", data).out.endswith(f"schema version {newest}\n")


def test_import_rejects_rows_and_says_why(tallystick: Command, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name,when\nview,2026-01-01\n,2026-01-02\nview,\nview,2026,x\n")
    again = ("import", path, "--map", "timestamp=when", "--data", tmp_path / "data")
    ran = tallystick(*again)
    assert ran.code == 1
    assert ran.out.startswith("1 events accepted, 3 rows rejected")
    assert "line 5: has 3 cells; the header has 2" in ran.out
    assert "line 3: name_missing: " in ran.out
    assert "line 4: timestamp: the row has no time" in ran.out
    assert tallystick(*again).code == 1
    assert tallystick(*again, "--allow-rejected").code == 0


def test_import_from_standard_input(tallystick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"name,n\na,1\nb,2\n")))
    ran = tallystick("import", "-", "--format", "csv", "--data", tmp_path / "data")
    assert (ran.code, ran.out[:17]) == (0, "2 events accepted")


def test_export_and_import_give_the_same_events(tallystick: Command, tmp_path: Path) -> None:
    tallystick("import", lines_file(tmp_path, 300), "--data", tmp_path / "a")
    there = [json.loads(line) for line in tallystick("export", "--data", tmp_path / "a").out.splitlines()]
    for ending in ("ndjson", "parquet"):
        copy, data = tmp_path / f"copy.{ending}", tmp_path / ending
        assert tallystick("export", "--output", copy, "--data", tmp_path / "a").code == 0
        assert tallystick("import", copy, "--data", data).code == 0
        back = [json.loads(line) for line in tallystick("export", "--data", data).out.splitlines()]
        for event in (*back, *there):
            event.pop("received_at", None)
            event["properties"].pop("$import", None)  # each import has its own id
        assert back == there
        assert len(back) == 300


async def set_aside(data: Path) -> None:
    """A folder whose store holds three dead letters: two events, and one text that is none."""
    received = datetime(2026, 1, 2, tzinfo=UTC)
    lines = [encode_lines([Event(uuid4(), name, received, received)]) for name in ("first", "second", "third")]
    originals = [lines[0], lines[1], b"{no event\n"]
    dead = [DeadLetter("0" * 16, 0, index, original, "code", "the reason") for index, original in enumerate(originals)]
    store = make_store(Settings(data=data))
    await store.open()
    await store.write([make_block("0" * 16, 0, b"".join(lines), 3)], dead)
    await store.close()


def test_dead_letters_of_a_folder(tallystick: Command, tmp_path: Path) -> None:
    """G7: listed, shown, corrected, replayed and dropped; the books close all the time."""
    asyncio.run(set_aside(tmp_path))
    at = ("--data", tmp_path)
    listed = tallystick("dead", "list", *at).out
    assert listed.count("the reason") == 3
    first, second, third = sorted(int(number) for number in re.findall(r"^ *(\d+) +2", listed, re.MULTILINE))
    page = tallystick("dead", "list", "--limit", "2", *at).out
    assert f"more: --after {second}" in page

    shown = tallystick("dead", "show", str(first), *at).out.splitlines()
    assert json.loads(shown[-1])["name"] == "first"
    corrected = tmp_path / "fixed.json"
    corrected.write_text(shown[-1].replace("first", "corrected"))
    assert tallystick("dead", "replay", str(first), "--corrected", corrected, *at).out == "1 replayed\n"
    ran = tallystick("dead", "replay", "--all", *at)
    assert (ran.code, ran.out) == (1, "1 replayed\n")
    assert f"{third}: it is not a canonical event" in ran.err
    assert tallystick("dead", "drop", "--all", *at).out == "1 dropped\n"
    assert tallystick("dead", "list", *at).out == "there are none\n"
    assert tallystick("dead", "list", "--state", "all", *at).out.count("the reason") == 3

    ledger = json.loads(tallystick("verify", "--json", *at).out)["ledger"]
    assert (ledger["accepted"], ledger["dead"], ledger["queued"]) == (5, 3, 2)
    assert tallystick("import", lines_file(tmp_path, 1), *at).code == 0
    names = [json.loads(line)["name"] for line in tallystick("export", *at).out.splitlines()]
    assert sorted(names) == ["corrected", "second", "seen"]
    assert tallystick("verify", *at).code == 0


def test_rollups_are_rebuilt(tallystick: Command, tmp_path: Path) -> None:
    """G4: what `verify` finds wrong, the command makes right."""
    at = ("--data", tmp_path)
    assert tallystick("rollups", "rebuild", "--data", tmp_path / "none").code == 2
    assert tallystick("import", lines_file(tmp_path, 20), *at).code == 0
    assert "every rollup was right" in tallystick("rollups", "rebuild", *at).out
    with duckdb.connect(tmp_path / "store.duckdb") as db:
        db.execute("UPDATE rollup SET events = events + 1")
    assert tallystick("verify", *at).code == 1
    outside = tallystick("rollups", "rebuild", "--until", "2001-01-01", *at)
    assert (outside.code, outside.out) == (0, "there are no events in these days\n")
    days = [json.loads(line) for line in tallystick("rollups", "rebuild", "--json", *at).out.splitlines()]
    assert sum(day["events"] for day in days) == 20
    assert all(day["wrong"] for day in days)
    assert tallystick("verify", *at).code == 0


def test_verify_prints_every_difference(tallystick: Command, tmp_path: Path) -> None:
    """G4: a difference is printed and the exit code is 1."""

    async def lose_a_block() -> None:
        received = datetime(2026, 1, 2, tzinfo=UTC)
        store = make_store(Settings(data=tmp_path))
        await store.open()
        for seq in (0, 2):
            line = encode_lines([Event(uuid4(), "n", received, received)])
            await store.write([make_block("0" * 16, seq, line, 1)])
        await store.close()

    asyncio.run(lose_a_block())
    ran = tallystick("verify", "--data", tmp_path)
    assert ran.code == 1
    assert "differences: 1" in ran.out
    assert "1 of 3 blocks are missing" in ran.out


# --- a running server -----------------------------------------------------------------------------------------------


def test_folder_of_a_running_server_is_refused(tallystick: Command, server: tuple[str, Path], tmp_path: Path) -> None:
    """G11: one process at a time holds a folder."""
    path = lines_file(tmp_path, 1)
    for arguments in (("verify",), ("export",), ("dead", "list"), ("migrate",), ("import", path)):
        ran = tallystick(*arguments, "--data", server[1])
        assert ran.code == 2
        assert "--url" in ran.err
    assert tallystick("verify", "--url", server[0]).code == 0


def test_import_into_a_server_and_export_from_it(tallystick: Command, server: tuple[str, Path], tmp_path: Path) -> None:
    url = server[0]
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"name,formula,n\nbuy,=1+1,1\nbuy,plain,2\n=cmd,x,3\n"))
    ran = tallystick("import", path, "--site", "web", "--url", url)
    assert (ran.code, ran.out[:17]) == (0, "3 events accepted")
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".rows.csv.gz.tallystick-")]
    wait_until(lambda: len(tallystick("export", "--site", "web", "--url", url).out.splitlines()) == 3)

    target = tmp_path / "out.csv"
    assert tallystick("export", "--output", target, "--site", "web", "--url", url).code == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["name"] for row in rows) == ["'=cmd", "buy", "buy"]
    ran = tallystick("export", "--site", "web", "--filter", "properties.n:>:2", "--format", "csv", "--url", url)
    assert len(ran.out.splitlines()) == 2
    assert tallystick("export", "--since", "whenever", "--url", url).code == 2


def test_import_that_is_interrupted_goes_on(tallystick: Command, server: tuple[str, Path], tmp_path: Path) -> None:
    """G2: Ctrl-C in the middle and the same command again: every row is stored, none twice."""
    path = lines_file(tmp_path, 30_000)
    command = ["import", str(path), "--site", "long", "--url", server[0]]
    process = subprocess.Popen([sys.executable, "-c", IN_SMALL_STEPS, *command], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any(file.suffix == ".json" for file in tmp_path.iterdir()))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    stopped = re.search(r"stopped after row ([\d,]+); the same command continues", err)
    assert stopped, err
    assert 0 < int(stopped[1].replace(",", "")) < 30_000

    ran = tallystick(*command)
    assert (ran.code, ran.out.splitlines()[0][:22]) == (0, "30,000 events accepted")
    assert f"continuing after row {stopped[1]}" in ran.err

    def counted() -> int:
        query = {"kind": "metrics", "site_id": "long"}
        rows = plain_http.post(f"{server[0]}/v1/query", json=query).json()["rows"]
        return int(rows[0]["events"]) if rows else 0

    wait_until(lambda: counted() == 30_000)
    assert tallystick("verify", "--url", server[0]).code == 0


def test_demo_sends_events(tallystick: Command, server: tuple[str, Path]) -> None:
    ran = tallystick("demo", "--events", "400", "--rate", "2000", "--seed", "3", "--site", "shop", "--url", server[0])
    assert (ran.code, ran.out) == (
        0,
        (
            "400 events accepted, 0 rejected (seed 3)\n"
            f"to remove them: {invocation()} import --undo demo-3 --url {server[0]}\n"
        ),
    )
    wait_until(lambda: len(tallystick("export", "--site", "shop", "--url", server[0]).out.splitlines()) > 380)


def test_demo_without_a_server(tallystick: Command) -> None:
    ran = tallystick("demo", "--url", "http://127.0.0.1:9")
    assert (ran.code, "is the server running there" in ran.err) == (2, True)


def test_dead_of_a_server_without_any(tallystick: Command, server: tuple[str, Path]) -> None:
    assert tallystick("dead", "list", "--url", server[0]).out == "there are none\n"
    assert tallystick("dead", "replay", "--all", "--url", server[0]).out == "0 replayed\n"
    ran = tallystick("dead", "drop", "5", "--url", server[0])
    assert (ran.code, "there is no such dead letter" in ran.err) == (1, True)


def test_closed_pipe_is_no_traceback(tmp_path: Path, tallystick: Command) -> None:
    tallystick("import", lines_file(tmp_path, 20_000), "--data", tmp_path / "data")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*TALLYSTICK, "export", "--data", str(tmp_path / "data")], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, err = process.communicate(timeout=600)
    assert "Traceback" not in err
    assert process.returncode == 1
