"""Browser, operating system and device type from a User-Agent. ua-parser is imported here and in `bots` only.

The names of properties and values are those of PostHog's web SDK. The version of the operating system is left out,
because browsers have frozen it (Windows 11 sends 10.0, every macOS 10.15.7).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

from tallystick.errors import ConfigError
from tallystick.ingest.enrich.bots import Bots
from tallystick.ingest.text import clean_text

if TYPE_CHECKING:
    from ua_parser import PartialResult
    from ua_parser.regex import Resolver

Properties: TypeAlias = dict[str, str | int | bool]

CACHED = 4096
"""Most User-Agents whose properties are cached."""
AGENT_MAX = 512
"""Characters of a User-Agent that are read; real ones have 70 to 300."""

_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome iOS",
    "Edge": "Microsoft Edge",
    "Edge Mobile": "Microsoft Edge",
    "Firefox Mobile": "Firefox",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Opera Mobile": "Opera",
}
"""ua-parser's browser names → PostHog's, where they differ."""
_CONSOLE = re.compile(r"PlayStation|Xbox|Nintendo")
_TELEVISION = re.compile(r"\bTV\b|SMART-TV|SmartTV|AppleTV|GoogleTV|CrKey|AFT[A-Z]|BRAVIA|Web0S|NetCast|HbbTV")


def is_browser(agent: str) -> bool:
    """Whether a User-Agent is that of a browser, or of a bot that runs pages: all of them begin like this.

    Programs that send events (`python-requests/2.32`) begin otherwise. Their requests describe a service, not a
    visitor; `Agents.crawls` finds the crawlers among them.
    """
    return agent.startswith(("Mozilla/", "Opera/"))


class Agents:
    """Reads User-Agents, and caches the result of each."""

    def __init__(self) -> None:
        """Raises ConfigError if ua-parser or crawler-user-agents is not installed."""
        bots = Bots()
        try:
            from ua_parser import Domain

            resolve = _resolver()
        except ImportError as error:
            raise ConfigError(
                f"TALLYSTICK_ENRICH_AGENT: a package is missing ({error}): pip install ua-parser[regex]"
            ) from None

        @lru_cache(CACHED)
        def properties(agent: str) -> Properties:
            return _properties(resolve(agent, Domain.ALL), agent, bots)

        self._properties = properties
        self._crawls = lru_cache(CACHED)(bots.crawls)
        properties("Mozilla/5.0")  # compile the patterns now, not while a request waits

    def properties(self, agent: str) -> Properties:
        """`$browser`, `$browser_version`, `$os`, `$device_type`, `$bot`; unknown ones are left out.

        The dictionary belongs to the cache and must not be changed.
        """
        return self._properties(agent[:AGENT_MAX])

    def crawls(self, agent: str) -> bool:
        """Whether an agent that is no browser is a crawler by name, as `facebookexternalhit/1.1` is."""
        return self._crawls(agent[:AGENT_MAX])


@cache
def _resolver() -> Resolver:
    """ua-parser's patterns. Compiling them takes 0.2 s, so the instances of a process share them."""
    from ua_parser.loaders import load_lazy_builtins
    from ua_parser.regex import Resolver

    return Resolver(load_lazy_builtins())


def _properties(found: PartialResult, agent: str, bots: Bots) -> Properties:
    spider = found.device is not None and found.device.family == "Spider"
    given: dict[str, str | int | bool | None] = {}
    if found.user_agent is not None:
        family, major = found.user_agent.family, found.user_agent.major
        given["$browser"] = clean_text(_BROWSERS.get(family, family))
        given["$browser_version"] = int(major) if major and major.isascii() and major.isdigit() else None
    if found.os is not None:
        given["$os"] = clean_text(found.os.family)
    if spider or bots.is_bot(agent):
        given["$bot"] = True
    else:
        given["$device_type"] = _device_type(found, agent)
    return {name: value for name, value in given.items() if value is not None}


def _device_type(found: PartialResult, agent: str) -> str | None:
    """Desktop, Mobile, Tablet, TV or Console; None when it is unknown."""
    system = found.os.family if found.os is not None else ""
    device = f"{found.device.family} {found.device.brand}" if found.device is not None else ""
    if _CONSOLE.search(agent):
        return "Console"
    if system in ("tvOS", "Chromecast", "Roku") or _TELEVISION.search(agent):
        return "TV"
    if "iPad" in device or "Tablet" in device or "Kindle" in device or "Tablet" in agent:
        return "Tablet"
    if system == "Android":  # without "Mobile" it is a tablet, as Google advises browser makers
        return "Mobile" if "Mobile" in agent else "Tablet"
    if system == "iOS" or "Mobi" in agent:
        return "Mobile"
    return "Desktop" if system else None
