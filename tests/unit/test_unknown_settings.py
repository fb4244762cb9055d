"""A variable that looks like a setting and is none stops every command: misspelt keys would open the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.config import KIB, MIB, NO_SETTINGS, Settings
from tests.helpers.commands import end_command


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("TALLYSTICK_READ_KEY", "did you mean TALLYSTICK_READ_KEYS?"),
        ("TALLYSTICK_WRITEKEYS", "did you mean TALLYSTICK_WRITE_KEYS?"),
        ("tallystick_trusted_proxy", "did you mean TALLYSTICK_TRUSTED_PROXIES?"),
        ("TALLYSTICK_XYZZY", "the nearest name is TALLYSTICK_"),
    ],
)
@pytest.mark.parametrize("command", [("up",), ("verify",), ("migrate",), ("query",), ("sql-role",)], ids=" ".join)
def test_a_misspelt_setting_is_refused(command: tuple[str, ...], variable: str, nearest: str) -> None:
    secret = "s3cret-0123456789abcdef"
    code, out, err = end_command({variable: secret}, *command)
    assert (code, out) == (2, "")
    assert f"{variable} is no setting: {nearest}" in err
    assert secret not in err


def test_all_misspelt_settings_are_named_at_once() -> None:
    _, _, err = end_command({"TALLYSTICK_PROT": "1", "TALLYSTICK_HOTS": "x"}, "up")
    assert "TALLYSTICK_HOTS is no setting" in err
    assert "TALLYSTICK_PROT is no setting" in err


def test_other_variables_are_left_alone(tmp_path: Path) -> None:
    for name in NO_SETTINGS:
        code, _, err = end_command({name: "x", "TALLYSTICK": "x", "NOT_TALLYSTICK_X": "x"}, "migrate", "--data", "/no")
        assert (code, "there is no data folder" in err) == (2, True)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8388608", 8 * MIB), ("8MiB", 8 * MIB), ("8 MiB", 8 * MIB), ("8MB", 8_000_000), ("16kib", 16 * KIB)],
)
def test_a_size_may_have_a_unit(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_MAX_BODY_BYTES", text)
    assert Settings().max_body_bytes == size


def test_every_size_setting_takes_a_unit() -> None:
    sizes = [name for name in Settings.model_fields if name.endswith(("_bytes", "_memory", "_spill"))]
    assert len(sizes) >= 10
    for name in sizes:
        assert getattr(Settings(**{name: "1GiB"}), name) == 1 << 30  # type: ignore[arg-type]
