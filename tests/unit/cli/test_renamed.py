"""What was made or set when the project was called Runnel: data folders open, old names are refused with the new ones.

`runnel-data.tar.xz` is the data folder of Runnel 0.1.0, killed at work: 303 events in the store (some in its log),
4 dead letters, a report on a board with a share link, and 5 events that wait in the queue.
"""

from __future__ import annotations

import json
import tarfile
import tomllib
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tallystick.cli.importing.columns import parse_choices
from tallystick.cli.importing.command import _Job
from tallystick.cli.importing.source import Reading
from tallystick.cli.options import load_settings
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.harness.server import ServerProcess
from tests.helpers.commands import run_command
from tests.servers.process import wait_until

OLD_DATA = Path(__file__).with_name("runnel-data.tar.xz")
BOARD = "0m3eikli767o"
SHARE = "sh_fru3vmqqmvbw_mUTvBvyYM0HUsRAh244Wxn3JURd12lHfMi1ZhD2Edjg"


@pytest.fixture
def old_data(tmp_path: Path) -> Path:
    folder = tmp_path / "runnel-data"
    folder.mkdir()
    with tarfile.open(OLD_DATA) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no setting that names a data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TALLYSTICK_DATA", raising=False)
    return tmp_path


def test_a_data_folder_of_runnel_opens(old_data: Path) -> None:
    """G1, G3: what was stored is answered, what waited is loaded, and the books close."""
    settings = {"TALLYSTICK_DATA": str(old_data)}
    before = json.loads(run_command(settings, "verify", "--json", "--data", str(old_data)))
    assert before["ok"]
    assert (before["ledger"]["stored"], before["ledger"]["dead"], before["ledger"]["queued"]) == (303, 4, 5)

    with ServerProcess(old_data) as server, closing(server.api()) as api:
        wait_until(lambda: api.ledger()["queued"] == 0, "the worker")
        assert api.count() == 308
        assert [letter["state"] for letter in api.get("/v1/dead")["dead"]] == ["dead"] * 4
        assert api.get(f"/v1/boards/{BOARD}")["name"] == "Wall"
        shared = urlopen(Request(f"{server.url}/v1/shared", headers={"Authorization": f"Bearer {SHARE}"}))
        assert [report["name"] for report in json.load(shared)["reports"]] == ["Signups"]
        server.stop()

    after = json.loads(run_command(settings, "verify", "--json", "--data", str(old_data)))
    assert after["ok"]
    assert (after["ledger"]["stored"], after["ledger"]["queued"]) == (308, 0)


def test_an_import_that_runnel_began_goes_on(tmp_path: Path) -> None:
    """Its bookmark beside the file is found under the old name: without it every row would be sent once more."""
    file = tmp_path / "events.csv"
    job = _Job(
        str(file),
        file,
        "csv",
        parse_choices((), None, None, (), "UTC"),
        Reading(),
        "http://127.0.0.1:8000",
        Settings(),
        False,
    )
    new = job._state_path("digest")
    assert new is not None
    old = new.with_name(new.name.replace("tallystick", "runnel"))
    assert new != old

    old.write_text("{}")
    assert job._state_path("digest") == old


def test_an_old_variable_is_refused_with_its_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignoring the old name of the read keys would open the server to everybody."""
    monkeypatch.setenv("RUNNEL_READ_KEYS", "*=secret-of-mine")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert refused.value.message == "RUNNEL_READ_KEYS is not read any more: set TALLYSTICK_READ_KEYS instead"

    monkeypatch.setenv("RUNNEL_DATA", "/var/lib/runnel")
    monkeypatch.setenv("RUNNEL_PORT", "9000")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert refused.value.message == (
        "RUNNEL_DATA, RUNNEL_PORT and RUNNEL_READ_KEYS are not read any more: set TALLYSTICK_DATA, TALLYSTICK_PORT and "
        "TALLYSTICK_READ_KEYS instead"
    )


def test_an_old_variable_beside_its_new_one_is_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNEL_PORT", "9000")
    monkeypatch.setenv("RUNNEL_HOME", "/opt/runnel")  # never was a setting
    monkeypatch.setenv("TALLYSTICK_PORT", "9001")
    assert load_settings().port == 9001


def test_the_old_default_folder_is_not_passed_over_in_silence(in_folder: Path) -> None:
    (in_folder / "runnel-data").mkdir()
    message = "rename it to tallystick-data, or set TALLYSTICK_DATA=./runnel-data"
    with pytest.raises(ConfigError, match=message):
        _ = Settings().resolved_queue_url
    with pytest.raises(ConfigError, match=message):
        _ = Settings(queue_url="redis://localhost").resolved_store_url

    assert Settings(data=Path("runnel-data")).resolved_queue_url == "sqlite:///runnel-data/queue.sqlite"
    assert Settings(store_url="postgresql://localhost/x").resolved_store_url == "postgresql://localhost/x"
    (in_folder / "runnel-data").rename(in_folder / "tallystick-data")
    assert Settings().resolved_queue_url == "sqlite:///tallystick-data/queue.sqlite"


def test_the_command_has_a_short_name() -> None:
    scripts = tomllib.loads(Path("pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == dict.fromkeys(("tallystick", "tally"), "tallystick.cli:main")
