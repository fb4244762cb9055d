"""What the doctor says of keys and accounts that were made while the server runs (G12)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick.access.model import Key, User
from tallystick.access.scripts.state import Snapshot
from tallystick.access.secret import make_secret
from tallystick.config import Settings
from tallystick.doctor import accounts, configured
from tallystick.doctor.accounts import UNUSED
from tallystick.errors import Unavailable
from tallystick.model.status import Finding
from tests.helpers.accounts import fill
from tests.helpers.commands import end_command

NOW = datetime(2026, 5, 4, tzinfo=UTC)
LONG_AGO = NOW - UNUSED - timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


def key(id_: str = "k1", *, site: str = "shop", made: datetime = NOW, **fields: Any) -> Key:
    return Key(id_, "write", "a key", [site], [], [], "wk_…abcd", made, "command", **fields)


def user(*, admin: bool = True, made: datetime = NOW, login: datetime | None = None) -> User:
    return User("u1", "ann@example.org", "Ann", admin, [], made, login)


def found(settings: Settings, *held: Key | User, proof: str = "") -> list[Finding]:
    proof = proof or make_secret(settings).proof
    keys = {one.id.encode(): one for one in held if isinstance(one, Key)}
    users = {one.id: one for one in held if isinstance(one, User)}
    return accounts.checks(settings, Snapshot(3, proof, [], keys, users), NOW)


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.message) for finding in findings]


def test_nothing_was_made(settings: Settings) -> None:
    assert said(accounts.checks(settings, None, NOW)) == [
        ("ok", "no keys and accounts were made while the server runs")
    ]


def test_all_is_well(settings: Settings) -> None:
    used = key(made=LONG_AGO, last_used_at=NOW)
    revoked = key("k2", site="*", made=LONG_AGO, revoked_at=LONG_AGO)
    [one] = found(settings, used, revoked, user(made=LONG_AGO, login=NOW))
    assert (one.level, one.message[:22]) == ("ok", "1 keys and 1 accounts,")


def test_what_nobody_uses(settings: Settings) -> None:
    many = [key(f"k{number}", made=LONG_AGO) for number in range(5)]
    assert said(found(settings, *many, user(made=LONG_AGO))) == [
        ("warn", "keys that were not used for 180 days: k0, k1, k2 and 2 more"),
        ("warn", "accounts without a login for 180 days: ann@example.org"),
    ]


def test_a_write_key_of_every_site_and_no_administrator(settings: Settings) -> None:
    assert said(found(settings, key(site="*"), user(admin=False))) == [
        ("warn", "a write key may write into every site: k1"),
        ("warn", "no account is an administrator's"),
    ]


def test_another_secret_and_none(settings: Settings, tmp_path: Path) -> None:
    for held in (settings, Settings(data=tmp_path / "elsewhere")):
        [one] = found(held, key(), proof="another")
        assert (one.level, "not the one that made them" in one.message) == ("fail", True)
    assert [one.level for one in accounts.checks(settings, Unavailable("it is away"), NOW)] == ["fail"]


def test_keys_that_were_made_are_keys_beyond_loopback(settings: Settings) -> None:
    public = settings.model_copy(update={"host": "0.0.0.0"})
    held = Snapshot(1, "proof", [], {b"1": key()}, {})
    assert [one.level for one in configured.keys(public, held)] == ["ok"]
    assert [one.level for one in configured.keys(public, Snapshot(1, "proof", [], {}, {}))] == ["fail"]


def test_the_command_looks_at_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_command() -> tuple[str, str]:
        _, printed, _ = end_command({}, "doctor", "--data", str(tmp_path), "--json")
        [one] = [one for one in json.loads(printed)["findings"] if one["check"] == "accounts"]
        return one["level"], one["message"][:31]

    fill({"TALLYSTICK_DATA": str(tmp_path)}, monkeypatch)
    assert of_command() == ("ok", "2 keys and 1 accounts, each use")
    (tmp_path / "access.secret").unlink()
    assert of_command() == ("fail", "the secret of keys and accounts")
