"""Referrers: which kind of site a domain is, from a kept public list and additions of our own.

`matomo.txt` is Matomo's list (https://github.com/matomo-org/searchengine-and-social-list, in the public domain, CC0),
written by `python -m scripts.referrers`; `additions.txt` is written by hand and wins over it.

A domain has the kind of the longest entry that is the domain itself or above it, at the border of a label:
`l.facebook.com` is Facebook's, `notfacebook.com` is not. Entries under `[host only]` do not hold for subdomains, as
those of Google are documents, accounts and groups. A domain without an entry of its own that begins like a webmail's is
email.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from tallystick.errors import ConfigError

Kind = str
"""`search`, `social`, `video`, `shopping`, `ai` (assistants), `email`, or `referral`: known to be none of them."""

KINDS: tuple[Kind, ...] = ("search", "social", "video", "shopping", "ai", "email", "referral")
INTERNAL: Kind = "internal"
"""The kind of the operator's own domains (TALLYSTICK_OWN_DOMAINS)."""
LABELS = (3, 2)
"""Of how many labels the parents of a domain are looked up, the longest first; longer entries have no subdomains."""
SAME_HOST = r"^www\."
"""The beginning of hosts that are the same site without it. A pattern that Python, DuckDB and PostgreSQL read alike."""
PORT = r":[0-9]+$"
MAIL_HOST = (
    r"^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\."
    r"|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$"
)
"""Hosts of webmail: how they begin, before a domain of at least two labels. Read alike by all three, too."""


class Entry(NamedTuple):
    """One referrer of the list.

    Attributes:
        domain: in lower case, without `www.`; or a usual value of `utm_source`, which has no dot.
        kind: one of `KINDS`.
        subdomains: whether its subdomains are of this kind.
    """

    domain: str
    kind: Kind
    subdomains: bool


class ReferrerList:
    """All entries, by domain.

    Attributes:
        entries: one for each domain.
        version: a hash of all entries and of the rules for looking them up.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = {entry.domain: entry for entry in entries}
        rules = repr((sorted(self.entries.values()), LABELS, SAME_HOST, PORT, MAIL_HOST))
        self.version = hashlib.sha256(rules.encode()).hexdigest()[:16]

    def with_internal(self, domains: Iterable[str]) -> ReferrerList:
        """The list with the operator's own domains, whose kind is `internal`."""
        return ReferrerList([*self.entries.values(), *(Entry(bare_host(domain), INTERNAL, True) for domain in domains)])

    def kind(self, domain: str) -> Kind | None:
        """The kind of a referring domain, an app's package or a value of `utm_source`; None: not in the list."""
        host = bare_host(domain)
        if (entry := self.entries.get(host)) is not None:
            return entry.kind
        if re.search(MAIL_HOST, host):
            return "email"
        labels = host.split(".")
        for count in LABELS:
            entry = self.entries.get(".".join(labels[-count:])) if len(labels) > count else None
            if entry is not None and entry.subdomains:
                return entry.kind
        return None


def bare_host(host: str) -> str:
    """A host in lower case, without a port and without `www.`."""
    return re.sub(SAME_HOST, "", re.sub(PORT, "", host.lower()))


def parse_domains(text: str) -> tuple[str, ...]:
    """The domains of TALLYSTICK_OWN_DOMAINS, which commas or white space separate, in lower case.

    Raises:
        ConfigError: one of them is not a domain.
    """
    domains = tuple(bare_host(domain) for domain in text.replace(",", " ").split())
    for domain in domains:
        if not re.fullmatch(r"[^/:@?#*]+", domain):
            raise ConfigError(f"TALLYSTICK_OWN_DOMAINS: {domain!r} is not a domain such as example.org")
    return domains


@cache
def referrer_list() -> ReferrerList:
    """The packaged list."""
    folder = files("tallystick.model.referrers")
    own = _sections(folder.joinpath("additions.txt").read_text("utf-8"))
    endings = own.pop("endings")
    left_out = set(_expanded(own.pop("left out"), endings))
    host_only = set(_expanded(own.pop("host only"), endings))
    listed = _sections(folder.joinpath("matomo.txt").read_text("utf-8"))
    kinds: dict[str, Kind] = {}
    for sections in (listed, own):
        for kind, domains in sections.items():
            for domain in _expanded(domains, endings):
                kinds[domain] = kind
    kinds |= {f"m.{domain}": kinds[domain] for domain in host_only if domain in kinds}
    return ReferrerList(
        [Entry(domain, kind, domain not in host_only) for domain, kind in kinds.items() if domain not in left_out]
    )


def _sections(text: str) -> dict[str, list[str]]:
    """The words of a file by the section that they stand in."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif not line.startswith("#"):
            sections.setdefault(name, []).extend(line.split())
    return sections


def _expanded(domains: list[str], endings: list[str]) -> list[str]:
    """Domains without `{}`: one for each ending."""
    expanded: list[str] = []
    for domain in domains:
        stem, placeholder, _ = domain.partition("{}")
        expanded += [stem + ending for ending in endings] if placeholder else [domain]
    return expanded
