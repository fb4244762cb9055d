"""Channels: where a session came from, by the campaign tags and the referring domain of its entry event.

A session has the first channel that applies: `email` (by its tags, or if it came from a webmail domain), `campaign`
(any tag, or a click on an ad), `search`, `social`, `referral` (any other domain), `direct`.
"""

from __future__ import annotations

TAGS = ("utm_source", "utm_medium", "utm_campaign", "$ad_click")
"""The properties of campaigns. If one of them is set and not empty, the session came from a campaign."""
REFERRER = "$referring_domain"
NO_REFERRER = "$direct"
"""The value that PostHog's clients send if there is no referrer."""

EMAIL_TAGS = ("email", "e-mail", "e_mail", "newsletter")
"""Values of `utm_medium` or `utm_source` that mean email; case is ignored."""

MAIL_DOMAINS = (
    "mail.google.com",
    "mail.yahoo.com",
    "outlook.live.com",
    "outlook.office.com",
    "mail.proton.me",
    "mail.aol.com",
    "com.google.android.gm",
)
SEARCH_DOMAINS = (
    "google.*",
    "bing.com",
    "duckduckgo.com",
    "yahoo.*",
    "yandex.*",
    "baidu.com",
    "ecosia.org",
    "startpage.com",
    "qwant.com",
    "search.brave.com",
    "kagi.com",
    "naver.com",
    "seznam.cz",
    "sogou.com",
    "ask.com",
)
SOCIAL_DOMAINS = (
    "facebook.com",
    "instagram.com",
    "threads.net",
    "t.co",
    "twitter.com",
    "x.com",
    "linkedin.com",
    "lnkd.in",
    "reddit.com",
    "youtube.com",
    "youtu.be",
    "pinterest.*",
    "tiktok.com",
    "bsky.app",
    "mastodon.social",
    "vk.com",
    "ok.ru",
    "weibo.com",
    "snapchat.com",
    "tumblr.com",
    "quora.com",
    "whatsapp.com",
    "t.me",
    "discord.com",
    "news.ycombinator.com",
)
"""Each domain includes its subdomains; `.*` matches any ending."""
