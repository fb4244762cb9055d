"""`tallystick report` and `tallystick share`, on a folder at rest and at a server with keys."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tallystick.cli import main
from tallystick.harness.server import TALLYSTICK
from tests.helpers.http import plain_http
from tests.helpers.http.keyed import BLOG, EVERY, SHOP
from tests.helpers.http.read_side import open_read_side
from tests.helpers.samples import block_of, sample_event

DAYS = "2026-03-01/2026-03-02"
QUESTION = {"kind": "metrics", "breakdown": ["name"]}


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
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a stopped server with events, a report, a board and a link; what the API said of the last three."""
    path = tmp_path_factory.mktemp("folder")

    async def fill() -> dict[str, Any]:
        async with open_read_side(path, disk_reserve_bytes=0) as side:
            names = ("page_view", "sign[up]")
            await side.store_blocks([block_of(0, [sample_event(n, name=names[n % 2]) for n in range(30)])])
            saved = {"name": "By [name]", "question": QUESTION, "range": DAYS}
            report = await side.post("/v1/reports", saved, 201)
            board = await side.post("/v1/boards", {"name": "Monday", "tiles": [{"report_id": report["id"]}]}, 201)
            link = await side.post(f"/v1/boards/{board['id']}/shares", {"name": "Ann [x]"}, 201)
            return {"report": report, "board": board, "link": link}

    return path, asyncio.run(fill())


def test_reports_are_listed_and_shown(tallystick: Command, folder: tuple[Path, dict[str, Any]]) -> None:
    path, made = folder
    listed = tallystick("report", "list", "--data", path)
    assert listed.code == 0
    for word in (made["report"]["id"], "By [name]", "default", "metrics", DAYS, "UTC"):
        assert word in listed.out
    assert json.loads(tallystick("report", "list", "--data", path, "--json").out) == {"reports": [made["report"]]}
    assert tallystick("report", "list", "--data", path, "--site", "shop").out == "there are none\n"
    assert json.loads(tallystick("report", "show", made["report"]["id"], "--data", path).out) == made["report"]


def test_a_report_is_asked_as_table_csv_json_and_parquet(
    tallystick: Command, folder: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, made = folder
    ask = ("report", "run", made["report"]["id"], "--data", path)
    table = tallystick(*ask)
    assert table.code == 0
    assert "By [name]" in table.out
    assert "2026-03-01T00:00:00Z to 2026-03-03T00:00:00Z" in table.out
    assert "sign[up]" in table.out
    rows = list(csv.DictReader(io.StringIO(tallystick(*ask, "--format", "csv").out)))
    assert {row["name"]: row["events"] for row in rows} == {"page_view": "15", "sign[up]": "15"}
    answer = json.loads(tallystick(*ask, "--format", "json", "--timezone", "Europe/Berlin").out)
    assert answer["since"] == "2026-02-28T23:00:00Z"
    assert json.loads(tallystick(*ask, "--format", "json", "--range", "2026-04-01/2026-04-02").out)["rows"] == []
    done = subprocess.run([*TALLYSTICK, *map(str, ask), "--format", "parquet"], capture_output=True, check=True)
    assert (done.stdout[:4], done.stdout[-4:]) == (b"PAR1", b"PAR1")


def test_what_is_wrong_is_one_line(tallystick: Command, folder: tuple[Path, dict[str, Any]]) -> None:
    path, made = folder
    for arguments, word in (
        (("report", "show", "0" * 12), "there is no report"),
        (("report", "show", "../x"), "is not an id"),
        (("report", "run", made["report"]["id"], "--range", "8d"), "range"),
        (("share", "revoke", "0" * 12), "there is no share link"),
    ):
        ran = tallystick(*arguments, "--data", path)
        assert (ran.code, ran.out) == (2, "")
        assert word in ran.err


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`tallystick up` with keys, as a process of its own: its URL."""
    keys = {"TALLYSTICK_READ_KEYS": f"shop={SHOP} blog={BLOG} *={EVERY}"}
    process = subprocess.Popen(
        [*TALLYSTICK, "up", "--port", "0", "--data", str(tmp_path_factory.mktemp("served"))],
        env={"PATH": os.environ["PATH"], **keys},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_links_are_listed_and_revoked_at_a_server(
    tallystick: Command, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key of their site; the token is dead at once."""
    shop = {"Authorization": f"Bearer {SHOP}"}
    with plain_http.client(server) as client:
        board = client.post("/v1/boards", json={"name": "Monday"}, headers=shop).json()
        link = client.post(f"/v1/boards/{board['id']}/shares", json={"name": "Ann [x]"}, headers=shop).json()
        viewer = {"Authorization": f"Bearer {link['token']}"}
        assert client.get("/v1/shared", headers=viewer).status_code == 200
        monkeypatch.setenv("TALLYSTICK_KEY", BLOG)
        assert tallystick("share", "list", "--url", server).out == "there are none\n"
        assert tallystick("share", "revoke", link["id"], "--url", server).code == 2
        monkeypatch.setenv("TALLYSTICK_KEY", SHOP)
        listed = tallystick("share", "list", "--url", server)
        for word in (link["id"], "Ann [x]", "Monday", "shop", "never"):
            assert word in listed.out
        assert link["token"] not in listed.out
        assert client.get("/v1/shared", headers=viewer).status_code == 200
        assert tallystick("share", "revoke", link["id"], "--url", server).out == "revoked\n"
        assert client.get("/v1/shared", headers=viewer).status_code == 401
        assert tallystick("share", "list", "--url", server).out == "there are none\n"
