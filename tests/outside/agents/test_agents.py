"""User-Agents of the world: bots are found, whatever else they call themselves; browsers and services are not bots.

`browsers.txt` is a sample of the package user-agents on npm (BSD-2-Clause, agents of real visits) and some whose names
are easily mistaken; `bots.txt` has what monitors, headless browsers and crawlers on phones send; `services.txt` has
programs that send events of their own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # type: ignore[import-untyped]

from tallystick.config import Settings
from tallystick.ingest.enrich.agent import Agents, is_browser
from tallystick.ingest.enrich.enrichment import Enrichment
from tests.helpers.samples import sample_event

HERE = Path(__file__).parent
AGENTS = Agents()
URL = b'{"$current_url":"https://shop.example/a"}'


def lines(name: str) -> list[str]:
    return (HERE / name).read_text("utf-8").splitlines()


def is_bot(agent: str) -> bool:
    return AGENTS.properties(agent).get("$bot") is True


@pytest.fixture(scope="module")
def enrichment(tmp_path_factory: pytest.TempPathFactory) -> Enrichment:
    return Enrichment(Settings(data=tmp_path_factory.mktemp("agents")))


def stored(enrichment: Enrichment, agent: str, properties: bytes, native: bool = True) -> dict[str, object]:
    """The properties of an event that a request with this User-Agent brought."""
    event = sample_event(1, properties=properties)
    scope = {"type": "http", "headers": [(b"user-agent", agent.encode("latin-1"))], "client": ("198.51.100.7", 1)}
    if (visit := enrichment.visit(scope, native)) is not None:
        visit(event)
    found: dict[str, object] = json.loads(bytes(event.properties))
    return found


def test_bots_are_found(enrichment: Enrichment) -> None:
    given = lines("bots.txt")
    assert [agent for agent in given if not is_bot(agent)] == []
    assert [agent for agent in given if stored(enrichment, agent, URL).get("$bot") is not True] == []


def test_the_public_list_is_found() -> None:
    """Every example of crawler-user-agents: 789 of its 2,123 were taken for visitors, 34 of them with a bot's name."""
    examples = [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry["instances"]]
    assert len(examples) > 2_000
    assert [agent for agent in examples if not is_bot(agent)] == []


def test_bots_have_no_device() -> None:
    """A crawler on a phone is no visitor with a phone."""
    assert {name for agent in lines("bots.txt") for name in AGENTS.properties(agent)} <= {
        "$browser",
        "$browser_version",
        "$os",
        "$bot",
    }


def test_browsers_are_no_bots(enrichment: Enrichment) -> None:
    given = lines("browsers.txt")
    assert len(given) >= 100
    assert [agent for agent in given if is_bot(agent) or not is_browser(agent)] == []
    assert [agent for agent in given if "$browser" not in stored(enrichment, agent, URL)] == []


def test_services_are_neither(enrichment: Enrichment) -> None:
    """They send the events of others: nothing is added, not even to views of pages."""
    given = lines("services.txt")
    assert [agent for agent in given if stored(enrichment, agent, URL) != json.loads(URL)] == []


def test_a_service_with_a_crawler_s_name_sends_events(enrichment: Enrichment) -> None:
    """Without a URL they are no views of pages."""
    assert stored(enrichment, "Slackbot 1.0 (+https://api.slack.com/robots)", b'{"plan":"pro"}') == {"plan": "pro"}


def test_other_systems_routes_are_left_alone(enrichment: Enrichment) -> None:
    """By default: their clients read their own events again and expect them as they sent them."""
    for agent in (*lines("bots.txt"), *lines("browsers.txt")):
        assert stored(enrichment, agent, URL, native=False) == json.loads(URL)
