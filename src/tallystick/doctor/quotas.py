"""Sites that have nearly as many event names or property keys as they may (G5): new ones are rejected soon."""

from __future__ import annotations

from tallystick.config import Settings
from tallystick.model.status import Finding
from tallystick.names_file import Kind, known_of_sites

NEAR = 0.8
"""Part of its quota from which on a site is near to it."""
SHOWN = 3
"""Sites that a message names, those with the most first."""
WORDS: tuple[tuple[Kind, str, str], ...] = (
    ("name", "event names", "TALLYSTICK_QUOTA_SITE_NAMES"),
    ("key", "property keys", "TALLYSTICK_QUOTA_SITE_PROPERTIES"),
)


def checks(settings: Settings) -> list[Finding]:
    """A finding for each quota that is set. Blocks."""
    most: dict[Kind, int] = {"name": settings.quota_site_names, "key": settings.quota_site_properties}
    if not any(most.values()):
        return []
    try:
        known = known_of_sites(settings)
    except OSError as error:
        message = f"the names of sites cannot be read: {error.strerror or error}"
        return [Finding(check="quotas", level="warn", message=message, do="let the server's user read its data folder")]
    return [
        _finding({site: number for (of, site), number in known.items() if of == kind}, most[kind], words, setting)
        for kind, words, setting in WORDS
        if most[kind]
    ]


def _finding(numbers: dict[str, int], most: int, words: str, setting: str) -> Finding:
    near = sorted((-number, site) for site, number in numbers.items() if number >= NEAR * most)
    if not near:
        message = f"each of {len(numbers):,} sites has fewer than {NEAR:.0%} of the {most:,} {words} that it may have"
        return Finding(check=words, level="ok", message=message)
    shown = ", ".join(f"{site} has {-number:,}" for number, site in near[:SHOWN])
    more = f", and {len(near) - SHOWN:,} more sites are near to it" if len(near) > SHOWN else ""
    full = -near[0][0] >= most
    now = "events with new ones are rejected" if full else "beyond them events with new ones are rejected"
    do = f"find the client that writes ids into {words}, or raise {setting}: docs/run/operations.md#quotas"
    return Finding(
        check=words,
        level="fail" if full else "warn",
        message=f"of the {most:,} {words} that a site may have, {shown}{more}; {now}",
        do=do,
    )
