"""A session's channel and referrer as SQL over the texts of its entry event.

The rules and lists of domains are in `model/queries/channels.py`.
"""

from __future__ import annotations

from tallystick.analysis.cte import lines, sql
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
"""The properties that decide on the channel, in the order of the values of `channel_sql`."""


def referrer_sql(domain: str) -> str:
    """The referring domain; NULL when there is none."""
    return f"nullif(nullif({domain}, '{NO_REFERRER}'), '')"


def channel_sql(dialect: Dialect, values: list[str]) -> str:
    """The channel that the values of `CHANNEL_PROPERTIES` give."""
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
    return sql(
        """
        CASE
            {cases}
            ELSE 'direct'
        END
        """,
        cases=lines(f"WHEN {condition} THEN '{channel}'" for condition, channel in cases),
    )


def _one_of(domain: str, entries: tuple[str, ...]) -> str:
    """Whether a domain is one of these, or a subdomain of one."""
    patterns = [f"%.{entry.removesuffix('*')}{'%' if entry.endswith('*') else ''}" for entry in entries]
    return "(" + " OR ".join(f"'.' || {domain} LIKE '{pattern}'" for pattern in patterns) + ")"
