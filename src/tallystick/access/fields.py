"""What sites, keys and accounts may consist of: names, addresses, sites, rights, origins, quotas."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tallystick.access.model import KeyKind, KeyRight
from tallystick.errors import InvalidRequest
from tallystick.keys import EVERY_SITE, SITE_MAX

NAME_MAX, EMAIL_MAX = 100, 254
ORIGINS_MAX, SITES_MAX = 50, 100
RATE_MAX = 10**12
"""Most events or bytes a second that a quota may name."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


def email_of(text: str) -> str:
    """An e-mail address in the form in which accounts have it. Raises InvalidRequest."""
    email = text.strip().lower()
    if len(email) > EMAIL_MAX or not _EMAIL.fullmatch(email) or not email.isprintable():
        raise InvalidRequest("email: that is no e-mail address")
    return email


def email_of_provider(text: str) -> str:
    """The address by which a person is looked up; empty: none.

    An address that is not ASCII is none: in small letters it may be that of another person (the sign of Kelvin becomes
    a k).
    """
    try:
        return email_of(text) if text.isascii() else ""
    except InvalidRequest:
        return ""


def name_of(text: str, field: str) -> str:
    """A name without white space around it. Raises InvalidRequest, which says the field."""
    name = text.strip()
    if len(name) > NAME_MAX or not name.isprintable():
        raise InvalidRequest(f"{field}: it has at most {NAME_MAX} characters, all of them visible")
    return name


def site_id_of(text: str) -> str:
    """The id of one site. Raises InvalidRequest."""
    if not text.strip() or text == EVERY_SITE or len(text) > SITE_MAX or not text.isprintable():
        raise InvalidRequest(f"site_id: it has 1 to {SITE_MAX} visible characters, and is not {EVERY_SITE}")
    return text


def check_rates(*rates: int | None) -> None:
    """Raises InvalidRequest: these are no quotas, a second. None: what the settings say."""
    if any(rate is not None and not 0 <= rate <= RATE_MAX for rate in rates):
        raise InvalidRequest(f"events_per_second, bytes_per_second: whole numbers from 0 (no quota) to {RATE_MAX:,}")


def check_key(kind: KeyKind, sites: Sequence[str], rights: Sequence[KeyRight], origins: Sequence[str]) -> None:
    """Raises InvalidRequest: these do not go together."""
    if not sites or len(sites) > SITES_MAX:
        raise InvalidRequest(f"sites: name 1 to {SITES_MAX} sites, or {EVERY_SITE} for every site")
    for site in sites:
        if site != EVERY_SITE:
            site_id_of(site)
    if EVERY_SITE in sites and len(sites) > 1:
        raise InvalidRequest(f"sites: {EVERY_SITE} is every site; name no other beside it")
    if kind == "write" and len(sites) > 1:
        raise InvalidRequest("sites: a write key is for one site, or for every site")
    if rights and kind != "read":
        raise InvalidRequest("rights: only read keys have them")
    if origins and kind != "write":
        raise InvalidRequest("origins: only write keys have them")
    if len(origins) > ORIGINS_MAX:
        raise InvalidRequest(f"origins: at most {ORIGINS_MAX}")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidRequest(f"origins: {origin[:100]!r} is no origin such as https://shop.example")
