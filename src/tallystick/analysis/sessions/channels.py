"""A session's channel and referrer, as SQL over texts of the entry event. `model.queries.channels` defines them."""

from __future__ import annotations

from tallystick.analysis.cte import sql
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
"""The properties that a channel depends on, in the order of the values of `channel_sql`."""


def referrer_sql(domain: str) -> str:
    """The referring domain; NULL if there is none."""
    return f"nullif(nullif({domain}, '{NO_REFERRER}'), '')"


def channel_sql(dialect: Dialect, values: list[str]) -> str:
    """The channel of a session: the first case that holds. `values` is SQL of the texts of `CHANNEL_PROPERTIES`."""
    *tags, domain = values
    source, medium = tags[:2]
    words = ", ".join(f"'{word}'" for word in EMAIL_TAGS)
    tagged = [f"{dialect.lowered.format(tag)} IN ({words})" for tag in (source, medium)]
    referrer = referrer_sql(domain)
    return sql(
        """
        CASE
            WHEN {is_email} THEN 'email'
            WHEN {is_campaign} THEN 'campaign'
            WHEN {is_search} THEN 'search'
            WHEN {is_social} THEN 'social'
            WHEN {is_referral} THEN 'referral'
            ELSE 'direct' END
        """,
        is_email=" OR ".join([*tagged, _one_of(referrer, MAIL_DOMAINS)]),
        is_campaign=" OR ".join(f"{tag} <> ''" for tag in tags),
        is_search=_one_of(referrer, SEARCH_DOMAINS),
        is_social=_one_of(referrer, SOCIAL_DOMAINS),
        is_referral=f"{referrer} IS NOT NULL",
    )


def _one_of(domain: str, entries: tuple[str, ...]) -> str:
    """Condition: a domain is one of the entries or a subdomain of one. An entry ending in `*` matches any ending."""
    patterns = [f"%.{entry.removesuffix('*')}{'%' if entry.endswith('*') else ''}" for entry in entries]
    return "(" + " OR ".join(f"'.' || {domain} LIKE '{pattern}'" for pattern in patterns) + ")"
