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

from tallystick.address import Address, Clients, household, parse_networks, truncated
from tallystick.config import Enrich, Settings
from tallystick.errors import ConfigError
from tallystick.ingest.body import header, of_head
from tallystick.ingest.enrich.agent import AGENT_MAX, Agents, Properties, is_browser
from tallystick.ingest.enrich.country import Countries
from tallystick.ingest.enrich.page import (
    AD_CLICKS,
    CAMPAIGN,
    NOTHING,
    REFERRER_NAMES,
    URL_NAMES,
    Page,
    PageRules,
    read_page,
)
from tallystick.ingest.enrich.paths import PathRules
from tallystick.ingest.enrich.visitor import ComputedSalts, Salts, visitor_id
from tallystick.model.queries.channels import HOST, REFERRER
from tallystick.model.referrers import parse_domains

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
        HOST,
        REFERRER,
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
        settings.enrich_agent != "false",
        settings.enrich_page != "false",
        settings.enrich_country_file,
        settings.enrich_visitor != "false",
        settings.enrich_address != "never",
    )
    return Enrichment(settings) if any(asked) else None


def page_rules(settings: Settings) -> PageRules:
    """What the settings say about pages."""
    return PageRules(
        parse_domains(settings.own_domains),
        PathRules(settings.path_trailing_slash == "strip", settings.path_case == "lower", settings.path_decode),
    )


class Enrichment:
    """The steps that the settings turn on."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError: as `make_enrichment`."""
        self._settings = settings
        self.agents = self._new_agents()
        file = settings.enrich_country_file
        self.countries = Countries(Path(file)) if file else None
        self.salts: Salts | ComputedSalts | None = None
        if settings.enrich_visitor == "true" or (settings.enrich_visitor == "auto" and settings.enrich_salt_folder):
            self.salts = self._new_salts()  # what was asked for is refused now, not at the first visitor
        self._no_salts = False
        self.page_rules = page_rules(settings)
        self.shows_address = settings.enrich_address == "truncated"
        self.properties_max = settings.max_event_bytes // 2
        """Bytes of properties above which an event is not changed, so that no addition makes an event too large."""
        self._clients = Clients(parse_networks(settings.trusted_proxies, "TALLYSTICK_TRUSTED_PROXIES"))
        self._warned = False

    def visit(self, scope: Scope, native: bool = True) -> Visit | None:
        """The facts of one request; None when there is nothing to add to its events.

        Args:
            native: the request is one for POST /v1/events, which the snippet uses, and not another system's.
        """
        settings = self._settings
        if native and of_head(scope, "visit", self._adds_nothing):
            return None
        agent = header(scope, b"user-agent")[:AGENT_MAX].decode("latin-1")
        browser = is_browser(agent)
        crawls = not browser and self.agents is not None and self.agents.crawls(agent)
        auto = native and (browser or crawls)
        page = _applies(settings.enrich_page, auto)
        agents = self.agents if _applies(settings.enrich_agent, auto) else None
        salts = self._salts_for(auto) if browser else None
        address = self._address(scope) if browser and (self.countries or salts or self.shows_address) else None
        if not page and agents is None and address is None:
            return None
        as_service = Visit(self, agents, page, None, "", None) if crawls else None
        return Visit(self, agents, page, salts, agent if browser or crawls else "", address, as_service)

    def _adds_nothing(self, scope: Scope) -> bool:
        """Whether no request for POST /v1/events with this head has anything to add, wherever it comes from."""
        agent = header(scope, b"user-agent")[:AGENT_MAX].decode("latin-1")
        if is_browser(agent) or (self.agents is not None and self.agents.crawls(agent)):
            return False
        return self._settings.enrich_page != "true" and (self.agents is None or self._settings.enrich_agent != "true")

    def _salts_for(self, auto: bool) -> Salts | ComputedSalts | None:
        """The salts where visitors get ids. By default they are made when the first browser comes: no others need
        them.
        """
        if self.salts is None and not self._no_salts and auto and self._settings.enrich_visitor == "auto":
            try:
                self.salts = self._new_salts()
            except ConfigError as error:
                self._no_salts = True
                log.warning("visitors get no ids", error=error.whole)
        return self.salts if _applies(self._settings.enrich_visitor, auto) else None

    def _new_agents(self) -> Agents | None:
        """What reads User-Agents. A missing package is refused when it was asked for, and said when it was not."""
        if self._settings.enrich_agent == "false":
            return None
        try:
            return Agents()
        except ConfigError as error:
            if self._settings.enrich_agent == "true":
                raise
            log.warning("browsers and bots are not recognised", error=error.whole)
            return None

    def _new_salts(self) -> Salts | ComputedSalts:
        settings = self._settings
        if secret := settings.enrich_salt.get_secret_value():
            if settings.enrich_salt_folder:
                raise ConfigError(
                    "TALLYSTICK_ENRICH_SALT and TALLYSTICK_ENRICH_SALT_FOLDER are both set: keep one of them"
                )
            return ComputedSalts(secret)
        return Salts(Path(settings.enrich_salt_folder) if settings.enrich_salt_folder else settings.data_folder)

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


def _applies(setting: Enrich, auto: bool) -> bool:
    return setting == "true" or (auto and setting == "auto")


class Visit:
    """One request's facts, applied to its events by calling it."""

    def __init__(
        self,
        steps: Enrichment,
        agents: Agents | None,
        page: bool,
        salts: Salts | ComputedSalts | None,
        agent: str,
        address: Address | None,
        as_service: Visit | None = None,
    ) -> None:
        """
        Args:
            agents: reads User-Agents; None: they are not read.
            page: URL and referrer are read.
            salts: for visitors' ids; None: they get none.
            agent: the User-Agent; empty when it is a service's.
            address: the client's address; None when it is unknown or not needed.
            as_service: applied instead to events without a URL, where the agent is a crawler that does not call itself
                a browser. Services that send other events may have such names too.
        """
        self._steps = steps
        self._agents = agents
        self._reads_page = page
        self._salts = salts
        self._agent = agent
        self._as_service = as_service
        self._address = household(address) if address and salts else ""
        self._of_agent = agents.properties(agent) if agents and agent else {}
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
        if event.user_id is None and self._salts and self._address:
            event.user_id = visitor_id(self._salts.salt(), event.site_id, self._address, self._agent)
        try:
            own = _members.decode(event.properties)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if self._as_service is not None and own.keys().isdisjoint(URL_NAMES):
            self._as_service(event)
            return
        page = self._page(own) if own and self._reads_page else NOTHING
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
        return read_page(url, referrer, self._steps.page_rules) if url or referrer else NOTHING

    def _chosen(self, own: Mapping[str, msgspec.Raw], page: Page) -> bytes:
        """The additions to an event that has some of them already, or a User-Agent of its own."""
        of_agent = self._of_agent
        if self._agents and AGENT_NAME in own:
            of_agent = self._agents.properties(_first_text(own, (AGENT_NAME,)))
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
