"""Access keys (G12): whose they are, and what one who presents one may do. Pure: texts in, a site or an error out.

A key is random and long, so a plain SHA-256 of it is enough: there is nothing to guess that a slow or salted hash would
make harder. Only digests are kept.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, TypeAlias

from tallystick.errors import ConfigError, Forbidden, InvalidRequest, Unauthorized

EVERY_SITE = "*"
SITE_MAX = 128
"""Longest site id, as `tallystick.model.event.SITE_ID_MAX`, which lies above this module."""
PLAIN_MIN, PLAIN_MAX = 16, 256
"""Characters of a key that is given in plain."""
RANDOM_BYTES = 32
HASHED = "sha256:"

Right: TypeAlias = Literal["write", "read"]
Digests: TypeAlias = Mapping[bytes, str]
"""SHA-256 of a key → its site, or `*`."""

_SEPARATORS = re.compile(r"[,\s]+")
_PLAIN = re.compile(r"[!-~]+")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(
    r"(?:(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?|\[(?P<six>[0-9a-f]*:[0-9a-f:.]*)\])(?::[0-9]{0,5})?", re.ASCII
)
"""A host and its port, in lower case. IPv6 has brackets and no zone."""
_NEEDED: dict[str, tuple[Right, ...]] = {
    "up": ("write", "read"),
    "ingest": ("write",),
    "serve": ("read",),
    "work": (),
}


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
    # The lookup compares digests and may stop at the first byte that differs. Its time shows how much of a digest was
    # right, which does not help an attacker: no client can choose a key's digest, and the attack of CWE-208 needs an
    # input that is compared byte by byte. (Digest as index: https://apikeys.guide/docs/implementation/validation-and-lookup)
    digest = sha256(presented).digest()
    site = known.get(digest)
    if site is None:
        if digest in others:
            raise Forbidden(f"this key does not allow to {right}: send a {right} key")
        raise Unauthorized(f"the key is not one of this server's {right} keys")
    return None if site == EVERY_SITE else site


def presented(authorization: bytes, x_api_key: bytes, own_header: bytes = b"") -> bytes:
    """The key of a request's headers, empty when there is none. Other schemes than Bearer are ignored.

    Raises:
        InvalidRequest: they hold different keys, so it is unclear whose request it is.
    """
    bearer = authorization[7:] if authorization[:7].lower() == b"bearer " else b""
    found = {key for given in (bearer, x_api_key, own_header) if (key := given.strip())}
    if len(found) > 1:
        raise InvalidRequest("the request has two different keys in its headers: send one")
    return found.pop() if found else b""


# --- settings -------------------------------------------------------------------------------------------------------


def parse(text: str, where: str) -> dict[bytes, str]:
    """The keys of a setting: entries `site=key` or `site=sha256:<64 hex digits>`, between them commas or white space.

    Args:
        where: what the text is, for errors; they name an entry by its number (from 1) and never show it.

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
    """The same entries with digests in place of plain keys. Raises ConfigError as `parse` does."""
    return " ".join(f"{site}={HASHED}{digest.hex()}" for digest, site in parse(text, where).items())


def digest_of(key: str) -> bytes:
    """SHA-256 of a key."""
    return sha256(key.encode("ascii")).digest()


def new_key(right: Right) -> str:
    """A random key of 256 bits; it begins with `wk_` or `rk_`, so that people see which kind they have."""
    return f"{right[0]}k_{secrets.token_urlsafe(RANDOM_BYTES)}"


# --- listening ------------------------------------------------------------------------------------------------------


def may_listen(host: str, keys: Keys, role: str) -> None:
    """Whether a process may listen on an address: on loopback always, elsewhere with the keys that its role needs.

    Args:
        role: `up`, `ingest`, `serve`, or `work`, which serves no events and needs none.

    Raises:
        ConfigError: it may not; the message says what to set.
    """
    missing = [f"TALLYSTICK_{right.upper()}_KEYS" for right in _NEEDED[role] if not getattr(keys, right)]
    if missing and not is_loopback(host):
        raise ConfigError(
            f"TALLYSTICK_HOST: {host} would open the server to every client: set {' and '.join(missing)} first "
            "(`tallystick key` makes keys), or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_this_machine(host: str) -> bool:
    """Whether a Host header is a name or address of loopback (`localhost`, under it, 127.0.0.0/8, ::1), with or without
    port.

    The owner of any other name can make it lead to 127.0.0.1, so that a web page of that name reads what
    listens there through its visitor's browser (DNS rebinding); and any other address is a foreign machine, whose pages
    are no better. Browsers write addresses in one form, so that other spellings (`127.1`, `0x7f.0.0.1`) are refused.
    Without a header it is no browser.
    """
    return not host.strip() or _is_own(host.strip())


def from_this_machine(origin: str) -> bool:
    """Whether an Origin header is of a page that this machine itself serves, under a name or address of loopback."""
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
