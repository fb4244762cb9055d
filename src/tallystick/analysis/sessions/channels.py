"""A session's channel and referrer as SQL over the texts of its entry event; what they mean is in `model.channels`."""

from __future__ import annotations

from tallystick.analysis.dialect import Dialect
from tallystick.model.queries.channels import (
    EMAIL_TAGS,
    MAIL_DOMAINS,
    NO_REFERRER,
    REFERRER,
    SEARCH_DOMAINS,
    SOCIAL_DOMAINS,
    TAGS,
)

CHANNEL_PROPERTIES = (*TAGS, REFERRER)
"""The properties that a channel is found by, in the order of `channel_sql`'s arguments."""


def referrer_sql(domain: str) -> str:
    """The referring domain; NULL when there is none."""
    return f"nullif(nullif({domain}, '{NO_REFERRER}'), '')"


def channel_sql(dialect: Dialect, values: list[str]) -> str:
    """The channel by the texts of `CHANNEL_PROPERTIES`."""
    *tags, domain = values
    source, medium = tags[:2]
    words = ", ".join(f"'{word}'" for word in EMAIL_TAGS)
    tagged = [f"{dialect.lowered.format(tag)} IN ({words})" for tag in (source, medium)]
    referrer = referrer_sql(domain)
    cases = [
        (" OR ".join([*tagged, _one_of(referrer, MAIL_DOMAINS)]), "email"),
        (" OR ".join(f"{tag} <> ''" for tag in tags), "campaign"),
        (_one_of(referrer, SEARCH_DOMAINS), "search"),
        (_one_of(referrer, SOCIAL_DOMAINS), "social"),
        (f"{referrer} IS NOT NULL", "referral"),
    ]
    whens = "\n    ".join(f"WHEN {condition} THEN '{channel}'" for condition, channel in cases)
    return f"CASE\n    {whens}\n    ELSE 'direct' END"


def _one_of(domain: str, entries: tuple[str, ...]) -> str:
    """Whether a domain is one of these, or below it."""
    patterns = [f"%.{entry.removesuffix('*')}{'%' if entry.endswith('*') else ''}" for entry in entries]
    return "(" + " OR ".join(f"'.' || {domain} LIKE '{pattern}'" for pattern in patterns) + ")"
