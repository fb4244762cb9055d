"""Which User-Agents are bots: crawlers, link previews, monitors, scanners, automated and headless browsers.

ua-parser names a device `Spider` only for the bots it knows, and never for those that also name a phone. So two more
rules apply: the list crawler-user-agents (MIT, published every month) and words that no browser has in its name. The
list is matched by ua-parser's compiled library, 3 microseconds an agent: with `re` it is 440. crawler-user-agents is
imported here and nowhere else.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from tallystick.errors import ConfigError

if TYPE_CHECKING:
    from ua_parser_rs import UserAgentExtractor

LIBRARY = "http-library"
"""The list's tag of programs such as curl. They send events for services, so they are no crawlers by themselves."""

_CRAWLERS = r"(?<!cu)bots?(?![a-z])|crawl|spider"  # Cubot makes phones
_CRAWLS = re.compile(_CRAWLERS, re.IGNORECASE)
_WORDS = re.compile(
    _CRAWLERS + r"|scrape|headless|lighthouse|gtmetrix|pingdom|uptime|synthetic|monitor|checker|validat"
    r"|puppeteer|playwright|phantomjs|prerender|selenium|webdriver|cypress/|ptst/"
    r"|(?:url|uri|link|web|bing)\s?preview"
    r"|https?://",  # the page that describes the bot
    re.IGNORECASE,
)
"""Words of bots that are on no list yet."""


@cache
def _compiled(patterns: tuple[str, ...]) -> UserAgentExtractor:
    """Patterns as ua-parser's library has them; the instances of a process share them, as they do `agent._resolver`."""
    from ua_parser_rs import UserAgentExtractor

    return UserAgentExtractor([(pattern, None, None, None, None, None) for pattern in patterns])


class Bots:
    """Recognises bots by their User-Agents."""

    def __init__(self) -> None:
        """Raises ConfigError if a package is missing."""
        try:
            from crawleruseragents import CRAWLER_USER_AGENTS_DATA as listed  # type: ignore[import-untyped]

            self._named = _compiled(tuple(entry["pattern"] for entry in listed if LIBRARY not in entry["tags"]))
            self._libraries = _compiled(tuple(entry["pattern"] for entry in listed if LIBRARY in entry["tags"]))
        except ImportError as error:
            raise ConfigError(
                f"TALLYSTICK_ENRICH_AGENT: a package is missing ({error}): "
                'pip install crawler-user-agents "ua-parser[regex]"'
            ) from None

    def is_bot(self, agent: str) -> bool:
        """Whether a visitor's agent is that of a program, HTTP libraries included."""
        listed = self._named.extract(agent) or self._libraries.extract(agent)
        return listed is not None or _WORDS.search(agent) is not None

    def crawls(self, agent: str) -> bool:
        """Whether an agent that is no browser is a crawler by its name.

        HTTP libraries are none, and neither is a program whose name has a URL: services send their events so.
        """
        return self._named.extract(agent) is not None or _CRAWLS.search(agent) is not None
