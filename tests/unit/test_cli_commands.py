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

import pytest

from runnel.cli import main
from runnel.cli.up import banner
from runnel.config import Settings
from runnel.model.block import make_block
from runnel.model.event import Event, encode_lines
from runnel.store import DeadLetter, make_store
from runnel.store.migrations import migrations
from tests import plain_http

RUNNEL = [sys.executable, "-c", "from runnel.cli import main; main()"]
IN_SMALL_STEPS = """
import signal
from runnel.cli import import_, main
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores Ctrl-C
import_.MOST_EVENTS = 200
main()
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def runnel(capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
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
    """`runnel up` as a process of its own: its URL and data folder."""
    data = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [*RUNNEL, "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, first
        yield found[0], data
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines_file(folder: Path, count: int, name: str = "rows.ndjson") -> Path:
    path = folder / name
    start = 1_767_225_600
    path.write_text("".join(
        json.dumps({"name": "seen", "timestamp": start + row, "user_id": f"u{row % 10}", "n": row}) + "\n"
        for row in range(count)
    ))  # fmt: skip
    return path


def wait_until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- help and mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    ["up", "migrate", "verify", "dead list", "dead show", "dead replay", "dead drop", "import", "export", "query",
     "demo", "bench"],
)
def test_help_has_an_example(runnel: Command, command: str) -> None:
    ran = runnel(*command.split(), "--help")
    assert ran.code == 0
    assert f"runnel {command}" in ran.out.partition("Example")[2]


def test_version(runnel: Command) -> None:
    assert re.fullmatch(r"runnel \d+\.\d+\.\d+\n", runnel("--version").out)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("verify --data {}/nothing", "there is no data folder"),
        ("export --data {}/nothing", "there is no data folder"),
        ("verify --url http://127.0.0.1:9", "is the server running there"),
        ("verify --url ftp://x", "is no address"),
        ("verify --url http://127.0.0.1:9 --data {}", "exclude each other"),
        ("import {}/none.csv --name n --data {}", "there is no file"),
        ("import - --format parquet --data {}", "cannot be read from standard input"),
        ("export --filter name --data {}", "has not the form field:op:value"),
        ("export --output {}/x.txt --data {}", "says no format"),
        ("dead replay --data {}", "--all"),
        ("dead replay 1 2 --corrected {}/x --data {}", "exactly one number"),
        ("dead show 7 --data {}", "there is no dead letter 7"),
    ],
)
def test_mistakes_are_one_line_and_code_2(runnel: Command, tmp_path: Path, arguments: str, complaint: str) -> None:
    ran = runnel(*arguments.replace("{}", str(tmp_path)).split())
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert complaint in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_wrong_setting_is_named(runnel: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUNNEL_QUERY_TIMEOUT", "soon")
    ran = runnel("verify", "--data", tmp_path)
    assert (ran.code, "RUNNEL_QUERY_TIMEOUT" in ran.err) == (2, True)


def test_banner_line_can_be_pasted(tmp_path: Path, server: tuple[str, Path]) -> None:
    text = banner(Settings(data=tmp_path), server[0])
    assert str(tmp_path) in text
    [curl] = re.findall(r"curl http.*", text)
    done = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, check=True)
    assert json.loads(done.stdout)["accepted"] == 1


# --- a folder at rest ------------------------------------------------------------------------------------------------


def test_import_verify_export_on_a_folder(runnel: Command, tmp_path: Path) -> None:
    """G4: what an import says it took is what the books hold; the same file again changes nothing."""
    data, path = tmp_path / "data", lines_file(tmp_path, 12_000)
    ran = runnel("import", path, "--data", data, "--site", "s")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("12,000 events accepted, 0 rows rejected; 12,000 rows in ")

    ran = runnel("import", path, "--data", data, "--site", "s")
    assert (ran.code, "was imported before" in ran.err) == (0, True)
    assert runnel("import", path, "--data", data, "--site", "s", "--again").code == 0
    report = json.loads(runnel("verify", "--data", data, "--json").out)
    ledger = report["ledger"]
    assert (report["ok"], ledger["accepted"], ledger["stored"], ledger["duplicates"]) == (True, 24_000, 12_000, 12_000)
    assert ledger["conflicts"] == 0
    assert "the books close" in runnel("verify", "--data", data).out

    ran = runnel("export", "--data", data, "--site", "s", "--filter", "properties.n:<:5", "--since", "2026-01-01")
    assert [json.loads(line)["properties"]["n"] for line in ran.out.splitlines()] == [0, 1, 2, 3, 4]
    assert len(runnel("export", "--data", data, "--user", "u3").out.splitlines()) == 1_200
    assert runnel("export", "--data", data, "--site", "other").out == ""

    newest = len(migrations("duckdb"))
    assert runnel("migrate", "--data", data).out.endswith(f"schema version {newest}\n")


def test_import_rejects_rows_and_says_why(runnel: Command, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name,when\nview,2026-01-01\n,2026-01-02\nview,\nview,2026,x\n")
    again = ("import", path, "--map", "timestamp=when", "--data", tmp_path / "data")
    ran = runnel(*again)
    assert ran.code == 1
    assert ran.out.startswith("1 events accepted, 3 rows rejected")
    assert "line 5: Expected Number of Columns: 2 Found: 3" in ran.out
    assert "row 2: name_missing: " in ran.out
    assert "row 3: timestamp_invalid: " in ran.out
    assert runnel(*again).code == 1
    assert runnel(*again, "--allow-rejected").code == 0


def test_import_from_standard_input(runnel: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"name,n\na,1\nb,2\n")))
    ran = runnel("import", "-", "--format", "csv", "--data", tmp_path / "data")
    assert (ran.code, ran.out[:17]) == (0, "2 events accepted")


def test_export_and_import_give_the_same_events(runnel: Command, tmp_path: Path) -> None:
    runnel("import", lines_file(tmp_path, 300), "--data", tmp_path / "a")
    there = [json.loads(line) for line in runnel("export", "--data", tmp_path / "a").out.splitlines()]
    for ending in ("ndjson", "parquet"):
        copy, data = tmp_path / f"copy.{ending}", tmp_path / ending
        assert runnel("export", "--output", copy, "--data", tmp_path / "a").code == 0
        assert runnel("import", copy, "--data", data).code == 0
        back = [json.loads(line) for line in runnel("export", "--data", data).out.splitlines()]
        for event in (*back, *there):
            event.pop("received_at", None)
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


def test_dead_letters_of_a_folder(runnel: Command, tmp_path: Path) -> None:
    """G7: listed, shown, corrected, replayed and dropped; the books close all the time."""
    asyncio.run(set_aside(tmp_path))
    at = ("--data", tmp_path)
    listed = runnel("dead", "list", *at).out
    assert listed.count("the reason") == 3
    first, second, third = sorted(int(number) for number in re.findall(r"^│ +(\d+) │", listed, re.MULTILINE))
    page = runnel("dead", "list", "--limit", "2", *at).out
    assert f"more: --after {second}" in page

    shown = runnel("dead", "show", str(first), *at).out.splitlines()
    assert json.loads(shown[-1])["name"] == "first"
    corrected = tmp_path / "fixed.json"
    corrected.write_text(shown[-1].replace("first", "corrected"))
    assert runnel("dead", "replay", str(first), "--corrected", corrected, *at).out == "1 replayed\n"
    ran = runnel("dead", "replay", "--all", *at)
    assert (ran.code, ran.out) == (1, "1 replayed\n")
    assert f"{third}: it is no canonical event" in ran.err
    assert runnel("dead", "drop", "--all", *at).out == "1 dropped\n"
    assert runnel("dead", "list", *at).out == "there are none\n"
    assert runnel("dead", "list", "--state", "all", *at).out.count("the reason") == 3

    ledger = json.loads(runnel("verify", "--json", *at).out)["ledger"]
    assert (ledger["accepted"], ledger["dead"], ledger["queued"]) == (5, 3, 2)
    assert runnel("import", lines_file(tmp_path, 1), *at).code == 0
    names = [json.loads(line)["name"] for line in runnel("export", *at).out.splitlines()]
    assert sorted(names) == ["corrected", "second", "seen"]
    assert runnel("verify", *at).code == 0


def test_verify_prints_every_difference(runnel: Command, tmp_path: Path) -> None:
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
    ran = runnel("verify", "--data", tmp_path)
    assert ran.code == 1
    assert "differences: 1" in ran.out
    assert "1 of 3 blocks are missing" in ran.out


# --- a running server ------------------------------------------------------------------------------------------------


def test_folder_of_a_running_server_is_refused(runnel: Command, server: tuple[str, Path], tmp_path: Path) -> None:
    """G11: one process at a time holds a folder."""
    path = lines_file(tmp_path, 1)
    for arguments in (("verify",), ("export",), ("dead", "list"), ("migrate",), ("import", path)):
        ran = runnel(*arguments, "--data", server[1])
        assert ran.code == 2
        assert "--url" in ran.err
    assert runnel("verify", "--url", server[0]).code == 0


def test_import_into_a_server_and_export_from_it(runnel: Command, server: tuple[str, Path], tmp_path: Path) -> None:
    url = server[0]
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"name,formula,n\nbuy,=1+1,1\nbuy,plain,2\n=cmd,x,3\n"))
    ran = runnel("import", path, "--site", "web", "--url", url)
    assert (ran.code, ran.out[:17]) == (0, "3 events accepted")
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".rows.csv.gz.runnel-")]
    wait_until(lambda: len(runnel("export", "--site", "web", "--url", url).out.splitlines()) == 3)

    target = tmp_path / "out.csv"
    assert runnel("export", "--output", target, "--site", "web", "--url", url).code == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["name"] for row in rows) == ["'=cmd", "buy", "buy"]
    ran = runnel("export", "--site", "web", "--filter", "properties.n:>:2", "--format", "csv", "--url", url)
    assert len(ran.out.splitlines()) == 2
    assert runnel("export", "--since", "whenever", "--url", url).code == 2


def test_import_that_is_interrupted_goes_on(runnel: Command, server: tuple[str, Path], tmp_path: Path) -> None:
    """G2: Ctrl-C in the middle and the same command again: every row is stored, none twice."""
    path = lines_file(tmp_path, 30_000)
    command = ["import", str(path), "--site", "long", "--url", server[0]]
    process = subprocess.Popen([sys.executable, "-c", IN_SMALL_STEPS, *command], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any(file.suffix == ".json" for file in tmp_path.iterdir()))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    stopped = re.search(r"stopped after row ([\d,]+); the same command goes on", err)
    assert stopped, err
    assert 0 < int(stopped[1].replace(",", "")) < 30_000

    ran = runnel(*command)
    assert (ran.code, ran.out.splitlines()[0][:22]) == (0, "30,000 events accepted")
    assert f"going on after row {stopped[1]}" in ran.err

    def counted() -> int:
        query = {"kind": "metrics", "site_id": "long"}
        rows = plain_http.post(f"{server[0]}/v1/query", json=query).json()["rows"]
        return int(rows[0]["events"]) if rows else 0

    wait_until(lambda: counted() == 30_000)
    assert runnel("verify", "--url", server[0]).code == 0


def test_demo_sends_events(runnel: Command, server: tuple[str, Path]) -> None:
    ran = runnel("demo", "--events", "400", "--rate", "2000", "--seed", "3", "--site", "shop", "--url", server[0])
    assert (ran.code, ran.out) == (0, "400 events accepted, 0 rejected (seed 3)\n")
    wait_until(lambda: len(runnel("export", "--site", "shop", "--url", server[0]).out.splitlines()) > 380)


def test_demo_without_a_server(runnel: Command) -> None:
    ran = runnel("demo", "--url", "http://127.0.0.1:9")
    assert (ran.code, "is the server running there" in ran.err) == (2, True)


def test_dead_of_a_server_without_any(runnel: Command, server: tuple[str, Path]) -> None:
    assert runnel("dead", "list", "--url", server[0]).out == "there are none\n"
    assert runnel("dead", "replay", "--all", "--url", server[0]).out == "0 replayed\n"
    ran = runnel("dead", "drop", "5", "--url", server[0])
    assert (ran.code, "there is no such dead letter" in ran.err) == (1, True)


def test_closed_pipe_is_no_traceback(tmp_path: Path, runnel: Command) -> None:
    runnel("import", lines_file(tmp_path, 20_000), "--data", tmp_path / "data")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*RUNNEL, "export", "--data", str(tmp_path / "data")], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert process.returncode == 1
