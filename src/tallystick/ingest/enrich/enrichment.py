"""Adds facts from a request to its events, before they become lines. Values that a client sends are never changed.

`Enrichment` is made once from the settings, a `Visit` once per request; the visit is applied to each event. Events are
changed before they enter the queue, so a later delivery or replay has the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from starlette.types import Scope

from tallystick.config import Settings
from tallystick.ingest.body import header
from tallystick.ingest.enrich.address import Address, Clients, household, parse_networks, truncated
from tallystick.ingest.enrich.agent import AGENT_MAX, Agents, Properties, is_browser
from tallystick.ingest.enrich.country import Countries
from tallystick.ingest.enrich.page import AD_CLICKS, CAMPAIGN, NOTHING, REFERRER_NAMES, URL_NAMES, Page, read_page
from tallystick.ingest.enrich.visitor import Salts, visitor_id

log = structlog.get_logger(__name__)

AGENT_NAME = "$raw_user_agent"
"""Property with a visitor's User-Agent, from a server that forwards its visitors' events."""
COUNTRY_NAME = "$geoip_country_code"
ADDRESS_NAME = "$ip"
NAMES = frozenset(
    (
        "$browser",
        "$browser_version",
        "$os",
        "$device_type",
        "$bot",
        "$referring_domain",
        "$ad_click",
        *CAMPAIGN,
        COUNTRY_NAME,
        ADDRESS_NAME,
    )
)
"""All properties that enrichment may add."""
__all__ = ["AD_CLICKS", "NAMES", "Enrichable", "Enrichment", "Visit", "make_enrichment"]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


class Enrichable(Protocol):
    """The fields of an event that enrichment may change."""

    site_id: str
    user_id: str | None
    path: str | None
    properties: msgspec.Raw


def make_enrichment(settings: Settings) -> Enrichment | None:
    """The enrichment that the settings turn on; None when they turn on nothing.

    Raises:
        ConfigError: a file or folder cannot be used, or a package is missing.
    """
    asked = (
        settings.enrich_agent,
        settings.enrich_page,
        settings.enrich_country_file,
        settings.enrich_visitor,
        settings.enrich_address != "never",
    )
    return Enrichment(settings) if any(asked) else None


class Enrichment:
    """The steps that the settings turn on."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError: as `make_enrichment`."""
        self.agents = Agents() if settings.enrich_agent else None
        self.page = settings.enrich_page
        file = settings.enrich_country_file
        self.countries = Countries(Path(file)) if file else None
        folder = Path(settings.enrich_salt_folder) if settings.enrich_salt_folder else settings.data_folder
        self.salts = Salts(folder) if settings.enrich_visitor else None
        self.shows_address = settings.enrich_address == "truncated"
        self.properties_max = settings.max_event_bytes // 2
        """Bytes of properties above which an event is not changed, so that no addition makes an event too large."""
        self._clients = Clients(parse_networks(settings.trusted_proxies, "TALLYSTICK_TRUSTED_PROXIES"))
        self._wants_address = bool(self.countries or self.salts or self.shows_address)
        self._warned = False

    def visit(self, scope: Scope) -> Visit:
        """The facts of one request."""
        agent = header(scope, b"user-agent")[:AGENT_MAX].decode("latin-1")
        browser = is_browser(agent)
        address = self._address(scope) if browser and self._wants_address else None
        return Visit(self, agent if browser else "", address)

    def _address(self, scope: Scope) -> Address | None:
        peer = client[0] if (client := scope.get("client")) else ""
        forwarded = tuple(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        if forwarded and not self._warned and self._clients.looks_like_a_proxy(peer):
            self._warned = True
            log.warning(
                "X-Forwarded-For is ignored, so visitors may all seem to come from one address: if this is your "
                "proxy's, name it in TALLYSTICK_TRUSTED_PROXIES",
                peer=peer,
            )
        return self._clients.address(peer, forwarded)


class Visit:
    """One request's facts, applied to its events by calling it."""

    def __init__(self, steps: Enrichment, agent: str, address: Address | None) -> None:
        """
        Args:
            agent: the User-Agent; empty when it is not a browser's.
            address: the client's address; None when it is unknown or not needed.
        """
        self._steps = steps
        self._agent = agent
        self._address = household(address) if address and steps.salts else ""
        self._of_agent = steps.agents.properties(agent) if steps.agents and agent else {}
        self._of_address = self._address_properties(address) if address else {}
        self._encoded = _encoded({**self._of_agent, **self._of_address})

    def _address_properties(self, address: Address) -> Properties:
        found: Properties = {}
        if self._steps.countries and (country := self._steps.countries.country(address)):
            found[COUNTRY_NAME] = country
        if self._steps.shows_address:
            found[ADDRESS_NAME] = truncated(address)
        return found

    def __call__(self, event: Enrichable) -> None:
        """Add what the event does not have. An event whose properties are not an object is not changed."""
        if event.user_id is None and self._steps.salts and self._address:
            event.user_id = visitor_id(self._steps.salts.salt(), event.site_id, self._address, self._agent)
        try:
            own = _members.decode(event.properties)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        page = self._page(own) if own and self._steps.page else NOTHING
        if AGENT_NAME in own or not own.keys().isdisjoint(NAMES):
            added = self._chosen(own, page)
        elif page.encoded and self._encoded:
            added = self._encoded + b"," + page.encoded
        else:
            added = self._encoded or page.encoded
        room = self._steps.properties_max - len(event.properties) - len(added)
        if room < 0:
            return
        if event.path is None and page.path and 4 * len(page.path) < room:
            event.path = page.path
        if added:
            event.properties = _with(event.properties, added, bool(own))

    def _page(self, own: Mapping[str, msgspec.Raw]) -> Page:
        url, referrer = _first_text(own, URL_NAMES), _first_text(own, REFERRER_NAMES)
        return read_page(url, referrer) if url or referrer else NOTHING

    def _chosen(self, own: Mapping[str, msgspec.Raw], page: Page) -> bytes:
        """The additions to an event that has some of them already, or a User-Agent of its own."""
        of_agent = self._of_agent
        if self._steps.agents and AGENT_NAME in own:
            of_agent = self._steps.agents.properties(_first_text(own, (AGENT_NAME,)))
        added = {**of_agent, **self._of_address, **page.properties}
        return _encoded({name: value for name, value in added.items() if name not in own})


def _encoded(properties: Properties) -> bytes:
    return _encoder.encode(properties)[1:-1]


def _first_text(own: Mapping[str, msgspec.Raw], names: tuple[str, ...]) -> str:
    """The first of the named members that is a text; empty when none is."""
    for name in names:
        if (raw := own.get(name)) is not None and (text := bytes(raw)).startswith(b'"'):
            return msgspec.json.decode(text, type=str)
    return ""


def _with(properties: msgspec.Raw, added: bytes, any_own: bool) -> msgspec.Raw:
    rest = bytes(properties)[1:]
    return msgspec.Raw(b"{" + added + (b"," + rest if any_own else b"}"))
