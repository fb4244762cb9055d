"""What the doctor says of settings, of the files that they name, and of who may read these (G12)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.doctor import configured
from tallystick.keys import HASHED, digest_of
from tallystick.model.status import Finding
from tests.helpers.enrich_samples import write_country_file

LONG, OTHER = "wk_" + "a" * 40, "rk_" + "b" * 40


def hashed(key: str) -> str:
    return f"{HASHED}{digest_of(key).hex()}"


def of_keys(monkeypatch: pytest.MonkeyPatch, **given: str) -> list[Finding]:
    """The findings of keys, with settings from the environment."""
    for name, value in given.items():
        monkeypatch.setenv(f"TALLYSTICK_{name.upper()}", value)
    return list(configured.keys(Settings()))


def test_hashed_keys_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = of_keys(monkeypatch, write_keys=f"shop={hashed(LONG)}", read_keys=f"*={hashed(OTHER)}")
    assert (found.level, found.message) == ("ok", "1 write keys and 1 read keys, all hashed")


def test_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [found.level for found in of_keys(monkeypatch)] == ["ok"]
    assert [found.level for found in of_keys(monkeypatch, host="0.0.0.0")] == ["fail"]


def test_plain_and_short_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted, and never shown."""
    found = of_keys(monkeypatch, write_keys=f"shop={LONG} blog=0123456789abcdefgh", read_keys=f"*={hashed(OTHER)}")
    assert [finding.level for finding in found] == ["warn", "warn"]
    assert found[0].message == "TALLYSTICK_WRITE_KEYS has a key of 18 characters, which may be guessed"
    assert found[1].message.startswith("TALLYSTICK_WRITE_KEYS has 2 plain keys")
    assert not [finding for finding in found if LONG in repr(finding) or "0123456789abcdefgh" in repr(finding)]


def test_plain_keys_in_a_file_are_not_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"*={OTHER}\n")
    assert [found.level for found in of_keys(monkeypatch, read_keys_file=str(tmp_path / "keys"))] == ["ok"]
    (tmp_path / "keys").write_text("*=0123456789abcdefgh\n")
    [found] = of_keys(monkeypatch, read_keys_file=str(tmp_path / "keys"))
    assert found.message.startswith("TALLYSTICK_READ_KEYS_FILE has a key of 18 characters")


def test_one_key_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    found = of_keys(monkeypatch, write_keys=f"shop={hashed(LONG)}", read_keys=f"*={hashed(LONG)}")
    assert [(finding.level, finding.message[:38]) for finding in found] == [
        ("fail", "1 keys are for writing and for reading")
    ]


def test_a_write_key_of_every_site(monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = of_keys(monkeypatch, write_keys=f"*={hashed(LONG)}")
    assert (found.level, "every site" in found.message) == ("warn", True)


# --- permissions ----------------------------------------------------------------------------------------------------


def test_permissions(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    assert configured.permissions(settings).level == "ok"
    settings.data.mkdir(mode=0o700)
    store = settings.data / "store.duckdb"
    store.touch(mode=0o600)
    assert configured.permissions(settings).level == "ok"
    store.chmod(0o640)
    assert (configured.permissions(settings).level, f"read {store}" in configured.permissions(settings).message) == (
        "warn",
        True,
    )
    assert configured.permissions(settings.model_copy(update={"data_group_readable": True})).level == "ok"
    store.chmod(0o602)
    assert configured.permissions(settings).level == "fail"
    store.chmod(0o600)
    settings.data.chmod(0o755)
    assert configured.permissions(settings).level == "warn"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_another_users_file(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    settings.data.mkdir(mode=0o700)
    (settings.data / "queue.sqlite").touch(mode=0o600)
    os.chown(settings.data / "queue.sqlite", 65_534, 65_534)
    found = configured.permissions(settings)
    assert (found.level, found.message) == ("fail", f"{settings.data}/queue.sqlite belongs to another user")


def test_files_of_secrets(tmp_path: Path) -> None:
    assert configured.secret_files(Settings()).level == "ok"
    file = tmp_path / "keys"
    settings = Settings(read_keys_file=str(file))
    assert (configured.secret_files(settings).level, configured.secret_files(settings).message) == (
        "fail",
        "TALLYSTICK_READ_KEYS_FILE names no file",
    )
    file.touch(mode=0o644)
    found = configured.secret_files(settings)
    assert (found.level, found.do) == ("warn", f"`chmod 600 {file}`")
    file.chmod(0o600)
    assert configured.secret_files(settings).level == "ok"


# --- weak settings, enrichment --------------------------------------------------------------------------------------


def test_weak_settings() -> None:
    assert configured.weak(Settings()).level == "ok"
    assert configured.weak(Settings(metrics_public=True)).level == "ok"
    found = configured.weak(Settings(allow_weak_durability=True, debug=True, host="0.0.0.0", metrics_public=True))
    assert found.level == "warn"
    assert found.message.count("TALLYSTICK_") == 3
    assert configured.weak(Settings(trusted_networks="10.0.0.0/8")).level == "warn"


def test_the_age_of_the_file_of_countries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "countries.mmdb"
    settings = Settings(enrich_country_file=str(file))
    assert configured.enrichment(Settings()).level == "ok"
    assert (configured.enrichment(settings).level, "No such file" in configured.enrichment(settings).message) == (
        "fail",
        True,
    )
    file.write_bytes(b"no such format")
    assert configured.enrichment(settings).level == "fail"
    write_country_file(file, {"1.0.0.0/24": {"country": {"iso_code": "AU"}}})
    assert configured.enrichment(settings).level == "ok"
    long_ago = time.time() - 61 * 86_400
    monkeypatch.setattr(time, "time", lambda: long_ago)
    write_country_file(file, {"1.0.0.0/24": {"country": {"iso_code": "AU"}}})
    monkeypatch.undo()
    found = configured.enrichment(settings)
    assert found.level == "warn"
    assert "61 days ago" in found.message
