"""The installation's secret, and what is computed with it: digests of keys, of links, of sessions, of CSRF tokens.

All of them are kept as HMAC-SHA-256 only. They are random with 256 bits, so a slow hash would protect nothing more; the
secret, which is not in the database, makes a copy of the database useless for making or checking keys.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from tallystick.config import Settings
from tallystick.disk import private_folder, usable
from tallystick.errors import ConfigError
from tallystick.keys import RANDOM_BYTES

FILE = "access.secret"
"""Its name in the data folder, where TALLYSTICK_ACCESS_SECRET does not give it."""
_LENGTH = 64
"""Characters of a secret that is made here."""


class Secret:
    """The secret of an installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "Secret(…)"

    def digest(self, presented: bytes) -> bytes:
        """Of a key, or of a token."""
        return hmac.digest(self._secret, presented, "sha256")

    def hex_digest(self, purpose: str, token: str) -> str:
        """Of a token for one purpose, so that the token of a session is none of an invitation."""
        return self.digest(f"{purpose}:{token}".encode("utf-8", "replace")).hex()

    @property
    def proof(self) -> str:
        """Kept beside the digests, to find out that another secret made them."""
        return self.hex_digest("proof", "")


def find_secret(settings: Settings) -> Secret | None:
    """The secret of the setting, or of the data folder's file; None: there is none yet, so nothing was made with it.

    Raises:
        ConfigError: the file cannot be read, or is damaged.
    """
    if given := settings.access_secret.get_secret_value():
        return Secret(given.encode())
    path = settings.data_folder / FILE
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"{path}, the secret of keys and accounts, cannot be read: {reason}") from None
    if len(text) != _LENGTH:
        raise ConfigError(f"{path}, the secret of keys and accounts, is damaged: restore it from a backup")
    return Secret(text.encode())


def make_secret(settings: Settings) -> Secret:
    """The secret; made in the data folder where there is none, readable by the owner alone.

    Raises:
        ConfigError: as `find_secret`, or nothing can be written to the folder.
    """
    if (found := find_secret(settings)) is not None:
        return found
    folder = settings.data_folder
    private_folder(folder, settings)
    with usable(folder):
        _write_once(folder / FILE, secrets.token_hex(_LENGTH // 2))
    made = find_secret(settings)  # another process may have been first
    assert made is not None
    return made


def copy_secret(source: Settings, destination: Settings) -> None:
    """Copy the secret's file into another data folder, unless one is there, or the settings give the secret.

    Raises:
        ConfigError: the file cannot be read, or nothing can be written to the folder.
    """
    path = source.data_folder / FILE
    if source.access_secret.get_secret_value() or not path.exists() or source.data_folder == destination.data_folder:
        return
    find_secret(source)  # raises: it is damaged
    folder = destination.data_folder
    private_folder(folder, destination)
    with usable(folder):
        _write_once(folder / FILE, path.read_text("ascii").strip())


def _write_once(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, and stays if it is there already."""
    temporary = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink()


def new_token(prefix: str) -> str:
    """A random token of 256 bits; the prefix shows what it is."""
    return f"{prefix}_{secrets.token_urlsafe(RANDOM_BYTES)}"
