"""Secrets in files: `TALLYSTICK_<NAME>_FILE` for every secret setting, and passwords apart from their URLs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from tallystick.cli.options import load_settings
from tallystick.config import FROM_FILES, Settings
from tallystick.errors import ConfigError

SECRET = "s3cret/with@odd:characters?" + "x" * 32
URLS = {
    "queue": "redis://redis:6379/0",
    "store": "postgresql://tallystick@postgres:5432/t",
    "sql": "postgresql://r@p/t",
}


def secret_fields() -> set[str]:
    """Settings that nobody may see: SecretStr, and URLs, which may have a password in them."""
    fields = Settings.model_fields.items()
    return {name for name, field in fields if field.annotation is SecretStr or re.search(r"_url$", name)}


def test_every_secret_setting_may_stand_in_a_file() -> None:
    assert {name for name in secret_fields() if f"{name}_file" not in Settings.model_fields} == set()
    assert secret_fields() == {*FROM_FILES, "write_keys", "read_keys", "key"}


def test_no_secret_setting_is_shown() -> None:
    assert [name for name in secret_fields() if "_url" in name and Settings.model_fields[name].repr] == []


@pytest.mark.parametrize("name", FROM_FILES)
def test_a_secret_in_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the last line does not belong to it; what a caller gives wins."""
    file = tmp_path / "secret"
    file.write_bytes(SECRET.encode() + b"\r\n")
    monkeypatch.setenv(f"TALLYSTICK_{name}_FILE".upper(), str(file))
    settings = load_settings()
    found = getattr(settings, name)
    if name.endswith("_password"):  # nothing needs it, because there is no URL
        assert found.get_secret_value() == SECRET
    else:
        assert (found.get_secret_value() if isinstance(found, SecretStr) else found) == SECRET
    assert SECRET not in repr(settings)
    given = "g" * 40
    again = getattr(load_settings(**{name: given}), name)
    assert (again.get_secret_value() if isinstance(again, SecretStr) else again) == given


@pytest.mark.parametrize("name", FROM_FILES)
def test_what_is_wrong_with_a_file_is_said_without_the_secret(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, file = f"TALLYSTICK_{name}".upper(), tmp_path / "secret"
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    with pytest.raises(ConfigError, match=f"^{variable}_FILE: .* cannot be read: No such file or directory$"):
        load_settings()
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=f"^{variable}_FILE: .* cannot be read: it is no UTF-8 text$"):
        load_settings()
    file.write_text("\n")
    with pytest.raises(ConfigError, match=f"^{variable}_FILE: .* is empty$"):
        load_settings()
    file.write_text(SECRET)
    monkeypatch.setenv(variable, "another")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert refused.value.message == f"{variable} and {variable}_FILE are both set: keep one of them"


@pytest.mark.parametrize("name", URLS)
def test_a_password_gets_into_its_url(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    monkeypatch.setenv(f"TALLYSTICK_{name}_URL".upper(), URLS[name])
    monkeypatch.setenv(f"TALLYSTICK_{name}_PASSWORD_FILE".upper(), str(tmp_path / "password"))
    scheme, _, rest = URLS[name].partition("://")
    user, _, server = rest.rpartition("@")
    encoded = "s3cret%2Fwith%40odd%3Acharacters%3F" + "x" * 32
    assert getattr(load_settings(), f"{name}_url") == f"{scheme}://{user}:{encoded}@{server}"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "redis://:p@h/0",
            "TALLYSTICK_QUEUE_URL has a password, and TALLYSTICK_QUEUE_PASSWORD is set too: keep one of them",
        ),
        ("sqlite:///q", "TALLYSTICK_QUEUE_PASSWORD is set, and TALLYSTICK_QUEUE_URL is no server: remove one of them"),
    ],
)
def test_a_password_that_has_no_place(url: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(queue_url=url, queue_password=SECRET)
    assert refused.value.message == message


def test_a_short_salt_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(enrich_salt="x" * 31)
    assert "TALLYSTICK_ENRICH_SALT: " in refused.value.message
    assert "fewer than 32 characters" in refused.value.message
    assert "xxx" not in refused.value.message
