"""Visitors' ids: who gets the same one, for how long, and what is left when the day is over."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.ingest.enrich import visitor
from tallystick.ingest.enrich.enrichment import Enrichment
from tallystick.ingest.enrich.visitor import DAY, FILE, PREFIX, SALT_BYTES, ComputedSalts, Salts, visitor_id

NOON = 20_000 * DAY + DAY / 2


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_id() -> None:
    salt, other = bytes(SALT_BYTES), b"1" * SALT_BYTES
    one = visitor_id(salt, "shop", "203.0.113.9", "agent")
    assert one == visitor_id(salt, "shop", "203.0.113.9", "agent")
    assert one.startswith(PREFIX)
    assert len(one) == len(PREFIX) + 20
    different = {
        one,
        visitor_id(other, "shop", "203.0.113.9", "agent"),
        visitor_id(salt, "blog", "203.0.113.9", "agent"),
        visitor_id(salt, "shop", "203.0.113.8", "agent"),
        visitor_id(salt, "shop", "203.0.113.9", "agent2"),
        visitor_id(salt, "sho", "p203.0.113.9", "agent"),
    }
    assert len(different) == 6


def test_salt_of_a_day(tmp_path: Path) -> None:
    """A restart within the day and a second process keep it; the next day has another, and nothing of the old stays."""
    clock = Clock()
    first = Salts(tmp_path / "data", clock)
    salt = first.salt()
    assert len(salt) == SALT_BYTES
    assert first.salt() == salt
    assert Salts(tmp_path / "data", clock).salt() == salt
    assert files(tmp_path / "data") == [f"{FILE}20000"]
    assert stat.S_IMODE((tmp_path / "data" / f"{FILE}20000").stat().st_mode) == 0o600
    second = Salts(tmp_path / "data", clock)
    clock.now += DAY
    assert first.salt() != salt
    assert second.salt() == first.salt()
    assert files(tmp_path / "data") == [f"{FILE}20001"]


def test_two_processes_make_one_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second while the first writes takes the first one's."""
    clock = Clock()
    original = visitor._write_once

    def overtaken(file: Path, content: bytes) -> None:
        monkeypatch.setattr(visitor, "_write_once", original)
        original(file, b"f" * SALT_BYTES)
        original(file, content)

    monkeypatch.setattr(visitor, "_write_once", overtaken)
    assert Salts(tmp_path, clock).salt() == b"f" * SALT_BYTES  # without a checksum, as an older Tallystick wrote it
    assert files(tmp_path) == [f"{FILE}20000"]


async def test_forgotten_at_midnight(tmp_path: Path) -> None:
    """Without any event, before or after."""
    clock = Clock()
    clock.now = 20_001 * DAY - 0.05
    salts = Salts(tmp_path, clock)
    assert files(tmp_path) == [f"{FILE}20000"]
    clock.now += 0.1
    for _ in range(500):
        if not files(tmp_path):
            break
        await asyncio.sleep(0.01)
    assert files(tmp_path) == []
    assert salts._salt == b""


async def test_a_clock_that_is_put_back(tmp_path: Path) -> None:
    """The day's salt stays, and midnight is waited for once more."""
    clock = Clock()
    salts = Salts(tmp_path, clock)
    salt = salts.salt()
    salts._day_is_over()
    assert salts.salt() == salt
    assert salts._midnight is not None


def test_a_start_forgets_older_days(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}19999").write_bytes(bytes(SALT_BYTES))
    (tmp_path / "queue.sqlite").write_bytes(b"")
    Salts(tmp_path, Clock())
    assert files(tmp_path) == ["queue.sqlite", f"{FILE}20000"]


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file")
    with pytest.raises(ConfigError, match=r"TALLYSTICK_ENRICH_SALT_FOLDER: .*cannot be kept in .*data"):
        Salts(tmp_path / "data", Clock())


def test_broken_salt(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}20000").write_bytes(b"short")
    with pytest.raises(ConfigError, match=f"{FILE}20000 is damaged: delete it"):
        Salts(tmp_path, Clock())


def test_ids_go_on_when_the_folder_is_lost(tmp_path: Path) -> None:
    clock = Clock()
    salts = Salts(tmp_path / "data", clock)
    salt = salts.salt()
    (tmp_path / "data" / f"{FILE}20000").unlink()
    (tmp_path / "data").rmdir()
    clock.now += DAY
    assert salts.salt() != salt
    assert salts.salt() == salts.salt()


def test_machines_with_one_secret_agree() -> None:
    """Day by day, without a file; another secret gives other salts."""
    clock = Clock()
    here, there, other = (ComputedSalts(secret, clock) for secret in ("s" * 32, "s" * 32, "t" * 32))
    today = here.salt()
    assert len(today) == SALT_BYTES
    assert there.salt() == today != other.salt()
    clock.now += DAY
    assert here.salt() == there.salt() != today


def test_a_secret_and_a_folder_are_one_too_many(tmp_path: Path) -> None:
    both = Settings(data=tmp_path, enrich_visitor="true", enrich_salt=SecretStr("s" * 32), enrich_salt_folder="/tmp")
    with pytest.raises(ConfigError, match="both set"):
        Enrichment(both)
    one = Enrichment(both.model_copy(update={"enrich_salt_folder": ""}))
    assert isinstance(one.salts, ComputedSalts)
    assert files(tmp_path) == []
