"""Channels: where a session came from, by the campaign tags and the referring domain of its entry event.

The first that fits, of: `email` (a tag says so, or a webmail referred), `campaign` (any tag, or a click on an ad),
`search`, `social`, `referral` (any other domain referred), `direct`.
"""

from __future__ import annotations

TAGS = ("utm_source", "utm_medium", "utm_campaign", "$ad_click")
"""Properties of which one that is there and not empty makes a session a campaign's."""
REFERRER = "$referring_domain"
NO_REFERRER = "$direct"
"""What PostHog's clients write where there was none."""

EMAIL_TAGS = ("email", "e-mail", "e_mail", "newsletter")
"""Values of `utm_medium` or `utm_source`, in any case, that say email."""

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
"""Each stands for itself and its subdomains; `.*` for any ending."""
