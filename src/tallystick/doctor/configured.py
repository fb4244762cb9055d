"""The settings, the files that they name, and who may read these."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tallystick.access.scripts.state import Snapshot
from tallystick.access.sign_on import make_provider
from tallystick.config import FROM_FILES, Settings, plain_keys
from tallystick.disk import closed_to, own_files
from tallystick.doctor.accounts import Held
from tallystick.errors import ConfigError, TallystickError
from tallystick.keys import EVERY_SITE, is_loopback
from tallystick.model.status import Finding

OLD = timedelta(days=60)
"""A file of countries that was made longer ago misses many addresses."""
LONG = 32
"""A plain key with fewer characters may be guessed."""
SHOWN = 3
"""Files that a message names."""


def checks(settings: Settings, held: Held = None) -> list[Finding]:
    """All checks of the settings. `held`: keys and accounts that were made while the server runs."""
    found = [permissions(settings), secret_files(settings), *keys(settings, held), weak(settings), enrichment(settings)]
    sign_on = single_sign_on(settings)
    return found if sign_on is None else [*found, sign_on]


# --- files ----------------------------------------------------------------------------------------------------------


def permissions(settings: Settings) -> Finding:
    """Who may read and change the data folder (G12)."""
    folder = settings.data
    if not folder.is_dir():
        return Finding(check="permissions", level="ok", message=f"there is no data folder {folder}")
    others = [path for path in (folder, *own_files(folder)) if _mode(path) & closed_to(settings)]
    foreign = [path for path in (folder, *own_files(folder)) if _owner(path) not in (None, os.geteuid())]
    if foreign:
        do = "give it to the user of the server: `chown -R`"
        return Finding(check="permissions", level="fail", message=f"{_named(foreign)} belongs to another user", do=do)
    if others:
        writable = [path for path in others if _mode(path) & 0o022]
        message = f"others may {'change' if writable else 'read'} {_named(writable or others)}"
        do = "`chmod -R go= FOLDER`, or start the server, which does it; a folder like /tmp it leaves as it is"
        return Finding(check="permissions", level="fail" if writable else "warn", message=message, do=do)
    return Finding(check="permissions", level="ok", message=f"only its owner may read and change {folder}")


def secret_files(settings: Settings) -> Finding:
    """Who may read the files that settings name as those of secrets."""
    names = [*(f"{name}_file" for name in FROM_FILES), "write_keys_file", "read_keys_file", "key_file"]
    named = {f"TALLYSTICK_{name.upper()}": Path(file) for name in names if (file := getattr(settings, name))}
    gone = [variable for variable, path in named.items() if not path.is_file()]
    if gone:
        do = "name a file that is there"
        return Finding(check="secret files", level="fail", message=f"{gone[0]} names no file", do=do)
    if others := [(variable, path) for variable, path in named.items() if _mode(path) & 0o077]:
        variable, path = others[0]
        do = f"`chmod 600 {path}`"
        return Finding(check="secret files", level="warn", message=f"others may read {path} ({variable})", do=do)
    message = f"{len(named)} files of secrets, each for its owner alone" if named else "no setting names one"
    return Finding(check="secret files", level="ok", message=message)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0  # it is gone, or closed to this process


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _named(paths: list[Path]) -> str:
    shown = ", ".join(map(str, paths[:SHOWN]))
    return f"{shown} and {len(paths) - SHOWN} more" if len(paths) > SHOWN else shown


# --- keys and weak settings -----------------------------------------------------------------------------------------


def keys(settings: Settings, held: Held = None) -> Iterator[Finding]:
    """Whether keys are there where they are needed, long, hashed, and each for one thing."""
    found = settings.access_keys()
    if not found.write and not found.read:
        if isinstance(held, Snapshot) and (held.keys or held.users):
            message = "no keys are set; there are those and the accounts that were made while the server runs"
            yield Finding(check="keys", level="ok", message=message)
        elif is_loopback(settings.host):
            message = f"no keys are set, and the server listens on {settings.host} only"
            yield Finding(check="keys", level="ok", message=message)
        else:
            message = f"no keys are set, and the server listens on {settings.host}"
            do = "`tallystick keys create` and `tallystick users add`, or `tallystick key` for keys of the settings"
            yield Finding(check="keys", level="fail", message=message, do=do)
        return
    problems = 0
    for problem in _key_problems(settings):
        problems += 1
        yield problem
    if not problems:
        message = f"{len(found.write)} write keys and {len(found.read)} read keys, all hashed"
        yield Finding(check="keys", level="ok", message=message)


def _key_problems(settings: Settings) -> Iterator[Finding]:
    found = settings.access_keys()
    for where, lengths in plain_keys(settings).items():
        if min(lengths) < LONG:
            message = f"{where} has a key of {min(lengths)} characters, which may be guessed"
            yield Finding(check="keys", level="warn", message=message, do="`tallystick key` makes a random one")
        if not where.endswith("_FILE"):
            message = f"{where} has {len(lengths)} plain keys, which are in the environment of the process"
            do = "replace each key by its hash, which `tallystick key` prints, or put it into a private file"
            yield Finding(check="keys", level="warn", message=message, do=do)
    if both := len(found.write.keys() & found.read.keys()):
        message = f"{both} keys are for writing and for reading: whoever sends events from a page shows all data"
        yield Finding(check="keys", level="fail", message=message, do="make a key of its own for each")
    if EVERY_SITE in found.write.values():
        message = "a write key is for every site (*): whoever has it can write into each of them"
        yield Finding(check="keys", level="warn", message=message, do="give each site a write key of its own")


def weak(settings: Settings) -> Finding:
    """Settings that take a promise back."""
    allowed = []
    if settings.allow_weak_durability:
        allowed.append("TALLYSTICK_ALLOW_WEAK_DURABILITY (an accepted event may be lost)")
    if settings.metrics_public and not is_loopback(settings.host):
        allowed.append("TALLYSTICK_METRICS_PUBLIC (everybody may read the metrics)")
    if settings.trusted_networks:
        allowed.append("TALLYSTICK_TRUSTED_NETWORKS (clients there need no key)")
    if settings.debug:
        allowed.append("TALLYSTICK_DEBUG (logs say more)")
    if allowed:
        message = f"set: {', '.join(allowed)}"
        return Finding(check="weak settings", level="warn", message=message, do="unset what is not meant")
    return Finding(check="weak settings", level="ok", message="none is set")


# --- enrichment -----------------------------------------------------------------------------------------------------


def enrichment(settings: Settings) -> Finding:
    """The age of the file of countries."""
    file = settings.enrich_country_file
    if not file:
        return Finding(check="enrichment", level="ok", message="no file of countries is set")
    try:
        built = _built(Path(file))
    except ConfigError as error:
        return Finding(check="enrichment", level="fail", message=error.message, do="download the file again")
    age = datetime.now(UTC) - built
    message = f"{file} was made on {built:%Y-%m-%d}, {age.days} days ago"
    if age > OLD:
        do = "download a newer one: it is read again when it changes"
        return Finding(check="enrichment", level="warn", message=message, do=do)
    return Finding(check="enrichment", level="ok", message=message)


def _built(file: Path) -> datetime:
    """When a file in MaxMind's format was made. Raises ConfigError."""
    import maxminddb

    try:
        with maxminddb.open_database(file, maxminddb.MODE_FILE) as reader:
            return datetime.fromtimestamp(reader.metadata().build_epoch, UTC)
    except OSError as error:
        raise ConfigError(f"TALLYSTICK_ENRICH_COUNTRY_FILE: {file} cannot be read: {error.strerror or error}") from None
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise ConfigError(f"TALLYSTICK_ENRICH_COUNTRY_FILE: {file} is no file in MaxMind's format: {error}") from None


# --- login ----------------------------------------------------------------------------------------------------------


def single_sign_on(settings: Settings) -> Finding | None:
    """Whether the OpenID provider can be asked; None: the settings name none. Blocks."""
    check = "single sign-on"
    try:
        provider = make_provider(settings)
        if provider is None:
            return None
        asyncio.run(provider.discovery())
    except ConfigError as error:
        return Finding(check=check, level="fail", message=error.message, do="see the message")
    except TallystickError as error:
        message = f"TALLYSTICK_OIDC_ISSUER: {error.whole}"
        do = "look whether this machine reaches the provider, and whether its discovery document has this issuer"
        return Finding(check=check, level="fail", message=message, do=do)
    return Finding(check=check, level="ok", message=f"the discovery document of {settings.oidc_issuer} can be read")
