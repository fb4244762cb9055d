"""Where visits come from: other people's lists of referrers, and links as they are in the wild, on every store."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tallystick.config import Settings
from tallystick.ingest.enrich.page import PageRules, read_page
from tallystick.model.event import Event
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.referrers import parse_domains, referrer_list
from tallystick.store import Store, make_store
from tests.helpers.query_steps import NOON, make_event, put

HERE = Path(__file__).parent
OWN = "www.shop-international.example, shop.example.net"


def sections(name: str) -> dict[str, list[str]]:
    """The lines of a file by the section that they stand in."""
    found: dict[str, list[str]] = {}
    for line in (HERE / name).read_text("utf-8").splitlines():
        if line.startswith("["):
            inside = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            inside.append(line)
    return found


SNOWPLOW, LEFT_OUT = sections("snowplow.txt"), sections("left_out.txt")
LINKS = [line.split() for line in (HERE / "channels.txt").read_text("utf-8").splitlines() if line[0] != "#"]


@pytest.mark.parametrize("medium", ["search", "social", "email"])
def test_nearly_all_of_another_list_is_known(medium: str) -> None:
    """Counted with the entries that are left out, too. None of those that are counted is of another kind."""
    domains = SNOWPLOW[medium]
    kinds = {domain: referrer_list().kind(domain.split("/")[0]) for domain in domains}
    assert sum(kind == medium for kind in kinds.values()) >= 0.95 * len(domains)
    assert {domain for domain, kind in kinds.items() if kind != medium} == set(LEFT_OUT[medium])


def test_other_services_of_search_engines_are_no_search() -> None:
    """Such as accounts, documents and finance: entries whose medium is unknown there."""
    kinds = {domain: referrer_list().kind(domain) for domain in SNOWPLOW["unknown"]}
    assert {domain for domain, kind in kinds.items() if kind not in {None, "referral"}} == set(LEFT_OUT["unknown"])


@pytest_asyncio.fixture
async def owned(store_settings: Settings) -> AsyncIterator[Store]:
    """A store that knows the operator's own domains."""
    opened = make_store(store_settings.model_copy(update={"own_domains": OWN}))
    await opened.open()
    yield opened
    await opened.close()


def entry(number: int, url: str, referrer: str, rules: PageRules) -> Event:
    """The only page view of a visit, enriched. Odd numbers have a `session_id`, even ones a user alone."""
    properties = {**read_page(url, referrer, rules).properties, "link": f"{url} {referrer}"}
    who = {"session_id": f"s{number}"} if number % 2 else {"user_id": f"u{number}"}
    at = NOON + timedelta(seconds=number)
    return make_event(40_000_000 + number, "shop", name="page_view", timestamp=at, properties=properties, **who)


async def test_channels(owned: Store) -> None:
    """From the session index where the store has one, and from events."""
    rules = PageRules(parse_domains(OWN))
    links = [(channel, url, "" if referrer == "-" else referrer) for channel, url, referrer in LINKS for _ in range(2)]
    await put(owned, [entry(number, url, referrer, rules) for number, (_, url, referrer) in enumerate(links)])
    by_channel = SessionsQuery(site_id="shop", metrics=["sessions"], breakdown=["channel"], top=1000)
    by_link = by_channel.model_copy(update={"breakdown": ["properties.link", "channel"]})
    rows = (await owned.run(by_link)).rows
    found = {str(row["properties.link"]): row["channel"] for row in rows}
    assert found == {f"{url} {referrer}": channel for channel, url, referrer in links}
    assert {row["sessions"] for row in rows} == {2}
    counted = {str(row["channel"]): row["sessions"] for row in (await owned.run(by_channel)).rows}
    assert counted == Counter(channel for channel, _, _ in links)


async def test_a_client_s_own_domain_is_no_referrer(owned: Store) -> None:
    """PostHog's SDK sends the referring domain itself, also that of the same site."""
    sent = [
        {"$host": "shop.example", "$referring_domain": "www.shop.example"},
        {"$host": "shop.example:8080", "$referring_domain": "shop.example:8080"},
        {"$host": "shop.example", "$referring_domain": "blog.shop.example"},
        {"$host": "shop.example", "$referring_domain": "de.shop-international.example"},
        {"$referring_domain": "$direct"},
        {"$host": "shop.example", "$referring_domain": "other-shop.example"},
    ]
    events = [
        make_event(number, "shop", name="$pageview", timestamp=NOON, properties=properties, session_id=f"s{number}")
        for number, properties in enumerate(sent)
    ]
    await put(owned, events)
    query = SessionsQuery(site_id="shop", metrics=["sessions"], breakdown=["channel", "referrer"])
    found = {(row["channel"], row["referrer"]): row["sessions"] for row in (await owned.run(query)).rows}
    assert found == {("direct", None): 5, ("referral", "other-shop.example"): 1}


async def test_other_own_domains_find_channels_anew(store: Store, store_settings: Settings) -> None:
    """What was stored before the setting changed is answered by the new one."""
    event = make_event(
        1, "shop", name="$pageview", timestamp=NOON, properties={"$referring_domain": "a.example"}, session_id="s"
    )
    await put(store, [event])
    while await store.maintain():
        pass
    query = SessionsQuery(site_id="shop", metrics=["sessions"], breakdown=["channel"])
    assert (await store.run(query)).rows == [{"channel": "referral", "sessions": 1}]
    await store.close()
    again = make_store(store_settings.model_copy(update={"own_domains": "a.example"}))
    await again.open()
    while await again.maintain():
        pass
    assert (await again.run(query)).rows == [{"channel": "direct", "sessions": 1}]
    await again.close()
    await store.open()
