"""Channels: where a session came from, by the campaign tags, the ad click and the referrer of its entry event.

The channels are those of Google Analytics 4 ("default channel group") under shorter names, and `campaign` for tags that
none of its rules knows. `docs/use/analyses.md` has the rules as a table; `analysis.sessions.channels` has them as SQL.
"""

from __future__ import annotations

TAGS = ("utm_source", "utm_medium", "utm_campaign", "$ad_click")
"""The properties of campaigns."""
REFERRER = "$referring_domain"
HOST = "$host"
"""The property with the host of a page. A referrer of the same host, above or below it is none."""
NO_REFERRER = "$direct"
"""The value that PostHog's clients send if there is no referrer."""

CHANNELS = (
    "direct",
    "search",
    "paid_search",
    "social",
    "paid_social",
    "email",
    "ai",
    "video",
    "paid_video",
    "shopping",
    "paid_shopping",
    "display",
    "affiliate",
    "audio",
    "sms",
    "push",
    "paid_other",
    "campaign",
    "referral",
)

# Values of tags; case is ignored.
EMAIL_TAGS = ("email", "e-mail", "e_mail", "e mail", "newsletter")
"""`utm_medium` or `utm_source`."""
PAID_MEDIUMS = ("ppc", "retargeting")
"""`utm_medium` of paid clicks, besides those that contain `cp` (`cpc`, `cpm`, `cpv`) or begin with `paid`."""
DISPLAY_MEDIUMS = ("display", "banner", "expandable", "interstitial", "cpm")
SOCIAL_MEDIUMS = ("social", "social-network", "social-media", "sm", "social network", "social media")
AI_TAGS = ("ai", "ai-assistant", "ai_assistant", "llm", "chatbot")
AFFILIATE_MEDIUMS = ("affiliate", "affiliates")
REFERRAL_MEDIUMS = ("referral", "app", "link")

# Values of `$ad_click`.
SEARCH_CLICKS = ("gclid", "gbraid", "wbraid", "msclkid", "yclid")
SOCIAL_CLICKS = ("ttclid", "twclid", "li_fat_id")
DISPLAY_CLICKS = ("dclid",)
FACEBOOK_CLICK = "fbclid"
"""Facebook adds it to every outbound link, so it says where a visitor comes from and not that someone paid."""
