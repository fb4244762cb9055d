"""A session's channel and referrer, as SQL over texts of the entry event. `model.queries.channels` defines them.

The store's table `referrers` says which kind of site a domain is; the store fills it from `model.referrers` when it
opens. The statements here look domains up as `ReferrerList.kind` does.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import columns, sql
from tallystick.analysis.dialect import Dialect
from tallystick.model.queries.channels import (
    AFFILIATE_MEDIUMS,
    AI_TAGS,
    DISPLAY_CLICKS,
    DISPLAY_MEDIUMS,
    EMAIL_TAGS,
    FACEBOOK_CLICK,
    HOST,
    NO_REFERRER,
    PAID_MEDIUMS,
    REFERRAL_MEDIUMS,
    REFERRER,
    SEARCH_CLICKS,
    SOCIAL_CLICKS,
    SOCIAL_MEDIUMS,
    TAGS,
)
from tallystick.model.referrers import LABELS, MAIL_HOST, PORT, SAME_HOST

CHANNEL_PROPERTIES = (*TAGS, REFERRER, HOST)
"""The properties that a channel depends on, in the order of the values of `with_channel`."""
REFERRERS = "referrers"
"""The table of a store, with the columns of `model.referrers.Entry`."""


def with_channel(dialect: Dialect, sessions: str, values: Sequence[str]) -> str:
    """SELECT of all columns of some sessions and two more, `channel` and `referring_site`.

    `referring_site` is the referring domain; NULL if there is none or it is the site's own.

    Args:
        sessions: a SELECT of sessions.
        values: the texts of `CHANNEL_PROPERTIES` as SQL over columns of `sessions`.
    """
    source, medium, campaign, click, domain, host = values
    given = sql(
        """
        SELECT
            {columns}
        FROM (
            {sessions}
        ) AS sessions
        """,
        columns=columns(
            [
                "*",
                f"nullif({dialect.lowered.format(source)}, '') AS tag_source",
                f"nullif({dialect.lowered.format(medium)}, '') AS tag_medium",
                f"nullif({campaign}, '') AS tag_campaign",
                f"nullif({click}, '') AS tag_click",
                f"nullif(nullif({domain}, '{NO_REFERRER}'), '') AS referring_domain",
                f"nullif({bare_host(dialect, domain)}, '') AS referring_host",
                f"nullif({bare_host(dialect, host)}, '') AS own_host",
            ]
        ),
        sessions=sessions,
    )
    placed = sql(
        """
        SELECT
            *,
            {external_domain} AS external_referrer,
            coalesce({is_mail}, FALSE) AS from_mail,
            coalesce({bare_source}, {external_host}) AS place
        FROM (
            {given}
        ) AS given
        """,
        external_domain=_external("referring_domain"),
        external_host=_external("referring_host"),
        is_mail=dialect.matches.format("referring_host", pattern=MAIL_HOST),
        bare_source=bare_host(dialect, "tag_source"),
        given=given,
    )
    parents = [f"parent_{count}" for count in LABELS]
    known = sql(
        """
        SELECT
            placed.*,
            coalesce({kinds}) AS kind
        FROM (
            {placed}
        ) AS placed
        LEFT JOIN {referrers} AS of_place ON of_place.domain = place
        {joins}
        """,
        kinds=", ".join(
            [
                "of_place.kind",
                f"CASE WHEN {dialect.matches.format('place', pattern=MAIL_HOST)} THEN 'email' END",
                *(f"{parent}.kind" for parent in parents),
            ]
        ),
        placed=placed,
        referrers=REFERRERS,
        joins="\n".join(
            f"LEFT JOIN {REFERRERS} AS {parent} ON {parent}.domain = {_parent(dialect, count)} AND {parent}.subdomains"
            for parent, count in zip(parents, LABELS, strict=True)
        ),
    )
    return sql(
        """
        SELECT
            *,
            CASE WHEN {internal} THEN NULL ELSE external_referrer END AS referring_site,
            {channel} AS channel
        FROM (
            {known}
        ) AS known
        """,
        internal=_INTERNAL,
        channel=_channel(),
        known=known,
    )


_INTERNAL = "kind = 'internal' AND tag_source IS NULL"


def bare_host(dialect: Dialect, host: str) -> str:
    """A host as the list has it: in lower case, without a port and without `www.`, as `model.referrers.bare_host`."""
    return f"regexp_replace(regexp_replace({dialect.lowered.format(host)}, '{PORT}', ''), '{SAME_HOST}', '')"


def _external(column: str) -> str:
    """A column of the referrer; NULL if there is none, or if it is the page's host, above or below it."""
    ends = "right('.' || {0}, length({1}) + 1) = '.' || {1}"
    pairs = (("referring_host", "own_host"), ("own_host", "referring_host"))
    internal = " OR ".join(ends.format(*pair) for pair in pairs)
    return f"CASE WHEN referring_domain IS NULL OR {internal} THEN NULL ELSE {column} END"


def _parent(dialect: Dialect, labels: int) -> str:
    """The last labels of the place; no domain if it has fewer."""
    pattern = f"(?:[^.]+\\.){{{labels - 1}}}[^.]+$"
    return dialect.matched.format("place", pattern=pattern)


def _channel() -> str:
    """The channel: the first case that holds."""
    untagged = "tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL"
    # A tagged link says itself what it is: without a source it is known to be paid by its medium only.
    organic = f"CASE WHEN tag_source IS NOT NULL OR {untagged} THEN kind END"
    paid = f"(tag_medium LIKE '%cp%' OR tag_medium LIKE 'paid%' OR {_in('tag_medium', PAID_MEDIUMS)})"
    cases = [
        ("email", f"{_in('tag_source', EMAIL_TAGS)} OR {_in('tag_medium', EMAIL_TAGS)}"),
        ("email", "kind = 'email' OR from_mail"),
        *((f"paid_{kind}", f"{paid} AND kind = '{kind}'") for kind in ("shopping", "search", "social", "video")),
        ("paid_search", _in("tag_click", SEARCH_CLICKS)),
        ("paid_social", _in("tag_click", SOCIAL_CLICKS)),
        ("display", f"{_in('tag_medium', DISPLAY_MEDIUMS)} OR {_in('tag_click', DISPLAY_CLICKS)}"),
        ("paid_other", paid),
        ("affiliate", _in("tag_medium", AFFILIATE_MEDIUMS)),
        ("audio", "tag_medium = 'audio'"),
        ("sms", "tag_medium = 'sms' OR tag_source = 'sms'"),
        ("push", "tag_medium LIKE '%push' OR tag_medium LIKE '%notification%' OR tag_source = 'firebase'"),
        ("ai", f"{_in('tag_medium', AI_TAGS)} OR {organic} = 'ai'"),
        ("shopping", f"{organic} = 'shopping'"),
        ("social", f"{_in('tag_medium', SOCIAL_MEDIUMS)} OR {organic} = 'social'"),
        ("video", f"tag_medium LIKE '%video%' OR {organic} = 'video'"),
        ("search", f"tag_medium = 'organic' OR {organic} = 'search'"),
        ("referral", _in("tag_medium", REFERRAL_MEDIUMS)),
        ("campaign", f"NOT ({untagged}) OR tag_click <> '{FACEBOOK_CLICK}'"),
        ("direct", _INTERNAL),
        ("referral", "external_referrer IS NOT NULL"),
        ("social", f"tag_click = '{FACEBOOK_CLICK}'"),
    ]
    whens = [f"WHEN {condition} THEN '{channel}'" for channel, condition in cases]
    return "\n".join(["CASE", *(f"    {when}" for when in whens), "    ELSE 'direct' END"])


def _in(text: str, words: Sequence[str]) -> str:
    """Condition: a text is one of some words. Not written with IN, which DuckDB makes a join of."""
    return "(" + " OR ".join(f"{text} = '{word}'" for word in words) + ")"


def with_page(channel: str, viewed: str = "pages > 0") -> str:
    """The channel of a session; without a page view (`viewed`) it did not come directly."""
    return f"CASE WHEN {viewed} OR {channel} <> 'direct' THEN {channel} END"
