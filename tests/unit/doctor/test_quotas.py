"""What the doctor says of sites that are near to their quotas of names (G5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.doctor import quotas
from tallystick.model.status import Finding
from tallystick.names_file import FILE


def found(folder: Path, names: dict[str, int], keys: int = 0, **settings: Any) -> list[Finding]:
    """The findings where the file has so many names of each site, each twice, and keys of the site `shop`."""
    entries = [["name", site, f"n{number}"] for site, most in names.items() for number in range(most)]
    entries += [["key", "shop", f"k{number}"] for number in range(keys)]
    (folder / FILE).write_text("\n".join(map(json.dumps, [*entries, *entries, ["whole", "name", ""]])) + "\n")
    return quotas.checks(Settings(data=folder, **settings))


@pytest.mark.parametrize(("number", "level"), [(79, "ok"), (80, "warn"), (99, "warn"), (100, "fail"), (130, "fail")])
def test_a_site_that_is_near(tmp_path: Path, number: int, level: str) -> None:
    [finding] = found(tmp_path, {"shop": number, "blog": 5}, quota_site_names=100)
    assert (finding.check, finding.level) == ("event names", level)
    assert bool(finding.do) is (level != "ok")
    assert (f"shop has {number}" in finding.message) is (level != "ok")
    assert "blog" not in finding.message


def test_the_fullest_sites_come_first(tmp_path: Path) -> None:
    [finding] = found(tmp_path, {"a": 8, "b": 10, "c": 9, "d": 8, "e": 8, "f": 1}, quota_site_names=10)
    assert "b has 10, c has 9, a has 8, and 2 more sites" in finding.message
    assert "TALLYSTICK_QUOTA_SITE_NAMES" in finding.do


def test_keys_have_a_quota_of_their_own(tmp_path: Path) -> None:
    names, keys = found(tmp_path, {"shop": 1}, keys=9, quota_site_names=10, quota_site_properties=10)
    assert (names.level, keys.level) == ("ok", "warn")
    assert keys.check == "property keys"
    assert "TALLYSTICK_QUOTA_SITE_PROPERTIES" in keys.do
    [only] = found(tmp_path, {"shop": 50}, keys=9, quota_site_names=0, quota_site_properties=100)
    assert (only.check, only.level) == ("property keys", "ok")
    assert found(tmp_path, {"shop": 50}, quota_site_names=0) == []


def test_no_file_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    assert [finding.level for finding in quotas.checks(Settings(data=tmp_path))] == ["ok"]
    (tmp_path / FILE).mkdir()
    [finding] = quotas.checks(Settings(data=tmp_path))
    assert (finding.check, finding.level) == ("quotas", "warn")
    assert "cannot be read" in finding.message
