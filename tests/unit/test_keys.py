"""Keys by themselves (G12): what settings may say, what a presented key may do, where a process may listen."""

from __future__ import annotations

import io
import json
import pickle
import string
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tallystick import keys, logs
from tallystick.app import Role
from tallystick.cli.options import load_settings
from tallystick.config import Settings
from tallystick.errors import ConfigError, Forbidden, InvalidRequest, Unauthorized
from tallystick.keys import Keys, may_listen, names_this_machine, parse, presented
from tallystick.model.event import SITE_ID_MAX

WRITE, OTHER, READ, UNKNOWN = (f"{kind}-0123456789abcdef" for kind in ("write", "other", "read", "unknown"))

SITES = st.one_of(
    st.just("*"),
    st.text(st.characters(codec="utf-8", exclude_characters="=,", exclude_categories=["Cc"]), min_size=1, max_size=20),
).filter(lambda site: any(map(str.isprintable, site)) and not any(map(str.isspace, site)))
PLAIN = st.text(string.ascii_letters + string.digits + "!\"#$%&'()*+-./:;<=>?@[]^_`{|}~", min_size=16, max_size=64)
BETWEEN = st.text(", \t\r\n", min_size=1, max_size=4)


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


# --- settings -------------------------------------------------------------------------------------------------------


ENTRIES = st.lists(st.tuples(SITES, PLAIN, st.booleans()), min_size=1, max_size=6, unique_by=lambda entry: entry[1])


@given(ENTRIES, st.data())
def test_what_is_written_is_what_is_read(entries: list[tuple[str, str, bool]], data: st.DataObject) -> None:
    """G12: plain and hashed entries come to the same, whatever stands between them."""
    text = data.draw(BETWEEN)
    for site, key, plain in entries:
        written = key if plain and not key.startswith("sha256:") else f"sha256:{digest(key).hex()}"
        text += f"{site}={written}{data.draw(BETWEEN)}"
    assert parse(text, "HERE") == {digest(key): site for site, key, _ in entries}


WORDS = st.sampled_from(["QQQQQQQQ", "sha256:", "=", ",", " ", "*", "shop", "é", "0" * 64, "QQ=QQ"])


@given(st.lists(WORDS, max_size=12))
def test_any_text_is_taken_or_refused_without_being_shown(words: list[str]) -> None:
    """G12: a refusal names an entry by its place, so that no part of a key gets into a message."""
    text, message = "".join(words), ""
    try:
        assert parse(keys.hashed(text, "HERE"), "HERE") == parse(text, "HERE")
    except ConfigError as error:
        message = error.message
    assert not message or message.startswith("HERE: ")
    assert not any(part in message for part in ("QQ", "shop", "é", "00"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"shop={WRITE} shop", "entry 2 is not of the form site=key"),
        (f"={WRITE}", "entry 1 is not of the form site=key"),
        ("shop=", "entry 1 is not of the form site=key"),
        (WRITE, "entry 1 is not of the form site=key"),
        ("shop=15-characters.", "entry 1 has a key that has not 16 to 256 characters: see `tallystick key`"),
        ("shop=" + "x" * 257, "entry 1 has a key that has not 16 to 256 characters: see `tallystick key`"),
        ("shop=schlüssel-0123456789", "entry 1 has a key with other characters than visible ASCII"),
        ("shop=sha256:" + "0" * 63, "entry 1 has no 64 hexadecimal digits after sha256:"),
        ("shop=sha256:" + "0" * 65, "entry 1 has no 64 hexadecimal digits after sha256:"),
        ("shop=sha256:" + "g" * 64, "entry 1 has no 64 hexadecimal digits after sha256:"),
        ("x" * 256 + f"={WRITE}", "entry 1 has a site of more than 255 characters"),
        (f"shop={WRITE},blog={WRITE}", "entry 2 has the key of entry 1: one is enough"),
        (f"shop={WRITE}, *=sha256:{digest(WRITE).hex()}", "entry 2 has the key of entry 1: one is enough"),
        (" , ", "there is no entry in it; an entry is site=key"),
    ],
)
def test_a_wrong_entry_is_named_by_its_place(text: str, message: str) -> None:
    """G12: and is never shown, neither by the settings themselves nor by a command."""
    with pytest.raises(ConfigError) as refused:
        Settings(write_keys=SecretStr(text))
    assert refused.value.message == f"TALLYSTICK_WRITE_KEYS: {message}"
    with pytest.raises(ConfigError) as refused:
        load_settings(write_keys=text)
    assert refused.value.message == f"TALLYSTICK_WRITE_KEYS: {message}"


def test_a_site_is_as_long_as_an_event_may_have_it() -> None:
    assert keys.SITE_MAX == SITE_ID_MAX


def test_a_site_may_have_several_keys() -> None:
    known = Keys(parse(f"shop={WRITE} shop={OTHER}", "HERE"), {})
    assert known.writer(WRITE.encode()) == known.writer(OTHER.encode()) == "shop"


def test_plain_keys_are_neither_kept_nor_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """G12: the settings have digests only, and show not even these."""
    monkeypatch.setenv("TALLYSTICK_WRITE_KEYS", f"shop={WRITE}")
    monkeypatch.setenv("TALLYSTICK_READ_KEYS", f"*={READ}")
    monkeypatch.setenv("TALLYSTICK_KEY", UNKNOWN)
    settings = Settings()
    assert settings.access_keys() == Keys({digest(WRITE): "shop"}, {digest(READ): "*"})
    shown = " ".join((repr(settings), str(settings), repr(settings.access_keys()), settings.model_dump_json()))
    for key in (WRITE, READ, UNKNOWN):
        assert key not in shown
        assert digest(key).hex() not in shown
    assert not any(key.encode() in pickle.dumps(settings) for key in (WRITE, READ))


def test_files_hold_entries_too(tmp_path: Path) -> None:
    """G12: as container secrets are given, with a line break at the end."""
    file = tmp_path / "keys"
    file.write_text(f"shop={WRITE}\nshop={OTHER}\n")
    settings = Settings(write_keys=SecretStr(f"*={UNKNOWN}"), write_keys_file=str(file), read_keys_file=str(file))
    assert settings.access_keys().write == {digest(WRITE): "shop", digest(OTHER): "shop", digest(UNKNOWN): "*"}
    assert settings.access_keys().read == {digest(WRITE): "shop", digest(OTHER): "shop"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no key"),
        (b" \n", "holds no key"),
        (b"\xff\xfe\x00", "cannot be read: it is no UTF-8 text"),
        (f"shop={WRITE}\nshop".encode(), "TALLYSTICK_READ_KEYS_FILE: entry 2 is not of the form site=key"),
        (f"shop={READ}".encode(), "has a key that TALLYSTICK_READ_KEYS has too"),
    ],
)
def test_a_file_without_good_entries_opens_nothing(tmp_path: Path, content: bytes | None, message: str) -> None:
    """G12: an empty secret stops the start instead of letting everybody in."""
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    settings = Settings(read_keys=SecretStr(f"*={READ}"), read_keys_file=str(file))
    with pytest.raises(ConfigError, match="TALLYSTICK_READ_KEYS_FILE") as refused:
        settings.access_keys()
    assert message in refused.value.message
    assert WRITE not in refused.value.message


def test_a_folder_is_opened_without_keys(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"shop={WRITE}")
    settings = Settings(host="0.0.0.0", write_keys_file=str(tmp_path / "keys"), read_keys=SecretStr(f"*={READ}"))
    assert settings.in_process().access_keys() == Keys()
    assert settings.in_process().host == "127.0.0.1"


def test_the_key_of_commands(tmp_path: Path) -> None:
    assert Settings().client_key().get_secret_value() == ""
    assert Settings(key=SecretStr(f" {READ}\n")).client_key().get_secret_value() == READ
    file = tmp_path / "key"
    file.write_text(READ + "\n")
    assert Settings(key=SecretStr(UNKNOWN), key_file=str(file)).client_key().get_secret_value() == READ
    for wrong in ("", "two words", "schlüssel", "tab\tbed", "bell\a"):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match="TALLYSTICK_KEY_FILE: that is not one key"):
            Settings(key_file=str(file)).client_key()
    with pytest.raises(ConfigError, match="TALLYSTICK_KEY: that is not one key"):
        Settings(key=SecretStr("two words")).client_key()
    with pytest.raises(ConfigError, match=r"TALLYSTICK_KEY_FILE: .* cannot be read"):
        Settings(key_file=str(tmp_path)).client_key()


def test_a_command_shows_no_secret_that_is_wrong() -> None:
    """G12: of other settings the wrong value is shown, because that helps."""
    with pytest.raises(ConfigError) as refused:
        load_settings(read_keys=b"\xff" + READ.encode())
    assert READ not in refused.value.message
    with pytest.raises(ConfigError, match=r"it is 'abc'"):
        load_settings(port="abc")


# --- keys -----------------------------------------------------------------------------------------------------------


def test_each_key_has_its_right_and_its_site() -> None:
    """G12."""
    known = Keys({digest(WRITE): "shop", digest(OTHER): "*"}, {digest(READ): "shop"})
    assert known.writer(WRITE.encode()) == "shop"
    assert known.writer(OTHER.encode()) is None
    assert known.reader(READ.encode()) == "shop"
    for ask, foreign in ((known.writer, READ), (known.reader, WRITE)):
        with pytest.raises(Forbidden):
            ask(foreign.encode())
        for wrong in ("", UNKNOWN, WRITE + "x", READ[:-1], f"sha256:{digest(WRITE).hex()}", digest(READ).hex()):
            with pytest.raises(Unauthorized) as refused:
                ask(wrong.encode())
            assert not wrong or wrong not in refused.value.message


def test_without_keys_of_a_kind_nobody_has_that_right() -> None:
    """G12: a process that is reached from afar and has no read keys answers no queries."""
    for ask in (Keys({}, {digest(READ): "*"}).writer, Keys({digest(WRITE): "*"}, {}).reader):
        for key in (b"", WRITE.encode(), READ.encode()):
            with pytest.raises(Forbidden, match="are set"):
                ask(key)


def test_one_key_may_have_both_rights() -> None:
    known = Keys({digest(OTHER): "*"}, {digest(OTHER): "shop"})
    assert (known.writer(OTHER.encode()), known.reader(OTHER.encode())) == (None, "shop")


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "key"),
    [
        (b"Bearer abc", b"", b"abc"),
        (b"bearer  abc ", b"", b"abc"),
        (b"BEARER abc", b"abc", b"abc"),
        (b"", b" def ", b"def"),
        (b"Basic abc", b"def", b"def"),
        (b"Basic abc", b"", b""),
        (b"Bearer", b"", b""),
        (b"abc", b"", b""),
    ],
)
def test_where_a_key_stands(authorization: bytes, x_api_key: bytes, key: bytes) -> None:
    assert presented(authorization, x_api_key) == key


def test_two_different_keys_are_nobodys() -> None:
    """G12: neither counts, whichever is good."""
    for values in ((b"Bearer abc", b"def"), (b"", b"def", b"abc"), (b"Bearer abc", b"", b"def")):
        with pytest.raises(InvalidRequest, match="two different keys"):
            presented(*values)
    assert presented(b"Bearer abc", b" abc", b"abc ") == b"abc"


@pytest.mark.parametrize(
    ("credentials", "key"),
    [(b"abc:", b"abc"), (b"abc", b"abc"), (b"user:abc", b"abc"), (b"a:b:c", b"b:c"), (b"", b""), (b":", b"")],
)
def test_basic_credentials_hold_a_key_where_they_are_taken(credentials: bytes, key: bytes) -> None:
    """G12: on other systems' routes only, because browsers send them on other pages' requests too."""
    header = b"Basic " + b64encode(credentials)
    assert presented(header, b"", basic=True) == key
    assert presented(header, b"") == b""
    assert presented(b"Basic no/base64!", b"", basic=True) == b""


def test_new_keys_are_random_and_fit_the_settings() -> None:
    made = {keys.new_key("write") for _ in range(100)} | {keys.new_key("read") for _ in range(100)}
    assert len(made) == 200
    assert {key[:3] for key in made} == {"wk_", "rk_"}
    assert all(len(key) >= 43 for key in made)
    assert len(parse(" ".join(f"shop={key}" for key in made), "HERE")) == 200


# --- listening ------------------------------------------------------------------------------------------------------

SOME = {digest(WRITE): "*"}
WORLD = ["0.0.0.0", "::", "192.168.1.5", "::ffff:127.0.0.1", "8.8.8.8"]


@pytest.mark.parametrize("role", ["up", "ingest", "serve", "work"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_may_always_be_listened_on(role: str, host: str) -> None:
    may_listen(host, Keys(), Role(role).rights(Settings()))


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        ("up", "TALLYSTICK_WRITE_KEYS and TALLYSTICK_READ_KEYS"),
        ("ingest", "TALLYSTICK_WRITE_KEYS"),
        ("serve", "TALLYSTICK_READ_KEYS"),
        ("work", ""),
    ],
)
@pytest.mark.parametrize("host", WORLD)
def test_the_world_is_listened_to_with_keys_only(role: str, missing: str, host: str) -> None:
    """G12: the refusal says what to set; with that it may."""
    rights = Role(role).rights(Settings())
    if missing:
        with pytest.raises(ConfigError) as refused:
            may_listen(host, Keys(), rights)
        assert f"{host} would open the server to every client: set {missing} first" in refused.value.message
    may_listen(host, Keys(SOME if "WRITE" in missing else {}, SOME if "READ" in missing else {}), rights)
    may_listen(host, Keys(), rights, trusted=True)


def test_serve_that_takes_events_needs_both_kinds_of_keys() -> None:
    """G12."""
    rights = Role.SERVE.rights(Settings(serve_writes=True))
    with pytest.raises(ConfigError, match="TALLYSTICK_WRITE_KEYS and TALLYSTICK_READ_KEYS"):
        may_listen("0.0.0.0", Keys(), rights)


@pytest.mark.parametrize("known", [Keys(SOME, {}), Keys({}, SOME)])
def test_one_kind_of_keys_does_not_guard_the_other_side(known: Keys) -> None:
    """G12."""
    with pytest.raises(ConfigError):
        may_listen("0.0.0.0", known, ["write", "read"])


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("LOCALHOST.", True),
        ("app.localhost:80", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.5", False),
        ("", True),
        ("localhost.evil.example", False),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("[::1", False),
        ("[evil.example]", False),
        ("1.2.3", False),
        ("user@127.0.0.1", False),
        ("mylocalhost", False),
    ],
)
def test_which_hosts_cannot_be_a_web_pages_own_name(host: str, own: bool) -> None:
    """G12: DNS rebinding needs a name."""
    assert names_this_machine(host) is own


# --- logs -----------------------------------------------------------------------------------------------------------


def test_refusals_are_logged_seldom_and_counted() -> None:
    """G12: who tries keys cannot fill the log."""
    out, now = io.StringIO(), 0.0
    logs.configure(Settings(log_format="json"), out)
    try:
        line = logs.Seldom("test", "access refused", 60, lambda: now)
        for second in range(150):
            now = float(second)
            line.warning(side="read")
    finally:
        structlog.reset_defaults()
    lines = [json.loads(text) for text in out.getvalue().splitlines()]
    assert [(one["times"], one["side"]) for one in lines] == [(1, "read"), (60, "read"), (60, "read")]
