"""Access keys (G12): the site and right of each key. Pure: texts in, a site or an error out.

Keys are long and random, so a plain SHA-256 is enough: a slow or salted hash only protects secrets that can be guessed.
Only digests are kept.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, TypeAlias

from tallystick.errors import ConfigError, Forbidden, InvalidRequest, Unauthorized

EVERY_SITE = "*"
SITE_MAX = 255
"""Longest site id, as `tallystick.model.event.SITE_ID_MAX`, which lies above this module."""
PLAIN_MIN, PLAIN_MAX = 16, 256
"""Characters of a key that a setting has in plain text."""
RANDOM_BYTES = 32
HASHED = "sha256:"

Right: TypeAlias = Literal["write", "read"]
Digests: TypeAlias = Mapping[bytes, str]
"""SHA-256 of a key → its site, or `*`."""

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
"""Without ::ffff:127.0.0.0/104, of which `is_loopback` says another thing since Python 3.13."""

_SEPARATORS = re.compile(r"[,\s]+")
_PLAIN = re.compile(r"[!-~]+")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(
    r"(?:(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?|\[(?P<six>[0-9a-f]*:[0-9a-f:.]*)\])(?::[0-9]{0,5})?", re.ASCII
)
"""A host and its port, in lower case. IPv6 has brackets and no zone."""


@dataclass(frozen=True)
class Keys:
    """The keys of one process. Both tables are empty when no keys are set."""

    write: Digests = field(default_factory=dict, repr=False)
    read: Digests = field(default_factory=dict, repr=False)

    def writer(self, presented: bytes) -> str | None:
        """The site that the presented key may write to; None: any. Empty bytes: none was presented.

        Raises:
            Unauthorized: no key, or one that is not known.
            Forbidden: a read key, or there are no write keys at all.
        """
        if not self.write:
            raise Forbidden("this server takes no events, because no write keys are set (TALLYSTICK_WRITE_KEYS)")
        return _site(presented, self.write, self.read, "write")

    def site_of_writer(self, presented: bytes) -> str | None:
        """The site of a write key, or `*`; None: the presented key is not one."""
        return self.write.get(sha256(presented).digest()) if self.write else None

    def knows_writer(self, presented: bytes) -> bool:
        """Whether the presented key is a write key."""
        return sha256(presented).digest() in self.write

    def knows_reader(self, presented: bytes) -> bool:
        """Whether the presented key is a read key."""
        return sha256(presented).digest() in self.read

    def reader(self, presented: bytes) -> str | None:
        """The site that the presented key may see; None: all of them.

        Raises:
            Unauthorized: no key, or one that is not known.
            Forbidden: a write key, or there are no read keys at all.
        """
        if not self.read:
            raise Forbidden("this server answers no queries, because no read keys are set (TALLYSTICK_READ_KEYS)")
        return _site(presented, self.read, self.write, "read")


def _site(presented: bytes, known: Digests, others: Digests, right: Right) -> str | None:
    if not presented:
        raise Unauthorized(f"this needs a {right} key: send it as Authorization: Bearer KEY or as X-API-Key: KEY")
    # The lookup compares digests and may stop at the first byte that differs. Its time may show how much of a digest
    # matched. That does not help an attacker, because no client can choose a key's digest, and the attack of CWE-208
    # needs a chosen input that is compared byte by byte. (Digest as index: https://apikeys.guide/docs/implementation/validation-and-lookup)
    digest = sha256(presented).digest()
    site = known.get(digest)
    if site is None:
        if digest in others:
            raise Forbidden(f"this key does not allow to {right}: send a {right} key")
        raise Unauthorized(f"the key is not one of this server's {right} keys")
    return None if site == EVERY_SITE else site


def presented(authorization: bytes, x_api_key: bytes, own_header: bytes = b"", *, basic: bool = False) -> bytes:
    """The key of a request's headers, empty when there is none. Other schemes than Bearer are ignored.

    Args:
        basic: take a Basic password, or a user name without password, as a key too. Clients that can only be given
            another URL send it for `http://KEY@host`. It is not for Tallystick's own routes: browsers remember Basic
            credentials and send them on requests that other pages make.

    Raises:
        InvalidRequest: they hold different keys, so it is unclear whose request it is.
    """
    bearer = authorization[7:] if authorization[:7].lower() == b"bearer " else b""
    if basic and authorization[:6].lower() == b"basic ":
        bearer = _basic(authorization[6:])
    found = {key for given in (bearer, x_api_key, own_header) if (key := given.strip())}
    if len(found) > 1:
        raise InvalidRequest("the request has two different keys in its headers: send one")
    return found.pop() if found else b""


def _basic(credentials: bytes) -> bytes:
    """The password of Basic credentials (RFC 7617); the user name when there is none; empty when they are malformed."""
    try:
        user, _, password = b64decode(credentials.strip(), validate=True).partition(b":")
    except ValueError:
        return b""
    return password or user


# --- settings -------------------------------------------------------------------------------------------------------


def parse(text: str, where: str) -> dict[bytes, str]:
    """The keys in a setting: entries `site=key` or `site=sha256:<64 hex digits>`, separated by commas or white space.

    Args:
        where: the setting's name, for errors; they name an entry by its number (from 1) and never show it.

    Raises:
        ConfigError: an entry is malformed, or its key is that of an earlier one.
    """
    found: dict[bytes, int] = {}
    sites: dict[bytes, str] = {}
    for number, entry in enumerate(filter(None, _SEPARATORS.split(text)), 1):
        site, digest = _entry(entry, f"{where}: entry {number}")
        if digest in found:
            raise ConfigError(f"{where}: entry {number} has the key of entry {found[digest]}: one is enough")
        found[digest], sites[digest] = number, site
    if text.strip() and not sites:
        raise ConfigError(f"{where}: there is no entry in it; an entry is site=key")
    return sites


def _entry(entry: str, where: str) -> tuple[str, bytes]:
    site, _, key = entry.partition("=")
    if not site or not key:
        raise ConfigError(f"{where} is not of the form site=key")
    if _CONTROL.search(site) or not any(character.isprintable() for character in site):
        raise ConfigError(f"{where} has a site with control characters, or without a visible one")
    if len(site) > SITE_MAX:
        raise ConfigError(f"{where} has a site of more than {SITE_MAX} characters")
    if key.startswith(HASHED):
        if not _HEX.fullmatch(key, len(HASHED)):
            raise ConfigError(f"{where} has no 64 hexadecimal digits after {HASHED}")
        return site, bytes.fromhex(key.removeprefix(HASHED))
    if not _PLAIN.fullmatch(key):
        raise ConfigError(f"{where} has a key with other characters than visible ASCII")
    if not PLAIN_MIN <= len(key) <= PLAIN_MAX:
        raise ConfigError(f"{where} has a key that has not {PLAIN_MIN} to {PLAIN_MAX} characters: see `tallystick key`")
    return site, digest_of(key)


def hashed(text: str, where: str) -> str:
    """The entries of a setting with digests instead of plain keys. Raises ConfigError as `parse` does."""
    return " ".join(f"{site}={HASHED}{digest.hex()}" for digest, site in parse(text, where).items())


def plain_lengths(text: str) -> list[int]:
    """How many characters each key of a setting has that is not hashed."""
    entries = (entry.partition("=")[2] for entry in _SEPARATORS.split(text))
    return [len(key) for key in entries if key and not key.startswith(HASHED)]


def digest_of(key: str) -> bytes:
    """SHA-256 of a key."""
    return sha256(key.encode("ascii")).digest()


def new_key(right: Right) -> str:
    """A random key of 256 bits. Its prefix `wk_` or `rk_` shows its right."""
    return f"{right[0]}k_{secrets.token_urlsafe(RANDOM_BYTES)}"


# --- listening ------------------------------------------------------------------------------------------------------


def may_listen(host: str, keys: Keys, rights: Sequence[Right], *, trusted: bool = False) -> None:
    """Check that a process may listen on an address: loopback always, others only with keys.

    Args:
        rights: the rights that the process grants, each of which needs a key.
        trusted: the operator has named trusted networks: every other client is refused for lack of a key.

    Raises:
        ConfigError: it may not; the message names the settings that are missing.
    """
    missing = [f"TALLYSTICK_{right.upper()}_KEYS" for right in rights if not getattr(keys, right)]
    if missing and not trusted and not is_loopback(host):
        raise ConfigError(
            f"TALLYSTICK_HOST: {host} would open the server to every client: set {' and '.join(missing)} first "
            "(`tallystick key` makes keys), name the clients' networks in TALLYSTICK_TRUSTED_NETWORKS, or listen on "
            "127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in LOOPBACK)


def names_this_machine(host: str) -> bool:
    """Whether a Host header is a name or address of loopback (`localhost`, under it, 127.0.0.0/8, ::1), with or without
    port.

    The owner of any other name can let it resolve to 127.0.0.1. A web page under that name could then read this server
    through its visitor's browser (DNS rebinding). Any other address is another machine, whose pages are not trusted
    either. Browsers write addresses in one form, so other spellings (`127.1`, `0x7f.0.0.1`) are refused. A request
    without the header is not from a browser.
    """
    return not host.strip() or _is_own(host.strip())


def from_this_machine(origin: str) -> bool:
    """Whether an Origin header names a page that this machine serves, under a name or address of loopback."""
    scheme, separator, host = origin.strip().partition("://")
    return bool(separator) and scheme.lower() in ("http", "https") and _is_own(host)


def _is_own(host: str) -> bool:
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found["name"] or found["six"]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (inner or address).is_loopback
