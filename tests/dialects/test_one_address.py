"""All processes behind the proxy of compose.yaml: a client of any of the four systems changes only its host.

Real processes (two of `ingest`, `work`, `serve`), real Redis, PostgreSQL and Caddy, which finds the replicas by their
names as it does among containers. Each has an address of loopback, as have the clients, of which 127.0.0.2 is a trusted
network. 127.0.9.1 stands for the gateway of the containers' network, from which the machine's own TLS proxy comes.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from tallystick.app import Role, Tallystick, _write_routes
from tallystick.config import Settings
from tallystick.store import make_store
from tests.dialects.transcript import SESSIONS, replay
from tests.faults.rolling import Load, Part
from tests.helpers.http import plain_http
from tests.servers.caddy import Caddy
from tests.servers.dns import NameServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port, wait_until
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text("utf-8"))
CADDYFILE: str = COMPOSE["configs"]["proxy"]["content"]
TRUSTED, STRANGER, GATEWAY = "127.0.0.2", "127.0.0.3", "127.0.9.1"
SUBNET = "127.0.9.0/24"
WRITE, READ = "wk_" + "w" * 40, "rk_" + "r" * 40
REPLICAS = {"ingest-1": "127.0.1.1", "ingest-2": "127.0.1.2", "serve-1": "127.0.1.3", "work-1": "127.0.0.1"}
"""Their addresses."""


@dataclass
class Site:
    """One address.

    Attributes:
        url: the proxy's.
        port: that of every replica.
        settings: those of every process behind it.
        names: the replicas' addresses, as the name server gives them.
        running: the replicas, by their address.
    """

    url: str
    port: int
    settings: dict[str, str]
    names: dict[str, list[str]]
    folder: Path
    running: dict[str, Part] = field(default_factory=dict)

    @property
    def serve(self) -> str:
        """A `serve` by itself."""
        return f"http://{self.names['serve'][0]}:{self.port}"

    def start(self, service: str, address: str) -> None:
        """Start a replica; it has its name as soon as it runs, as a container has, which is before it is ready."""
        port = free_port() if service == "work" else self.port
        settings = {**self.settings, **FROM_COMPOSE[service], "TALLYSTICK_HOST": address}
        log = self.folder / f"{service}.{address}.log"
        self.running[address] = Part([*COMPOSE["services"][service]["command"], "--port", str(port)], settings, log)
        self.names.setdefault(service, []).append(address)

    def stop(self, service: str, address: str) -> None:
        """End a replica in good order; it has its name until it is gone."""
        self.running.pop(address).stop()
        self.names[service].remove(address)

    def client(self, address: str) -> httpx.AsyncClient:
        """A client from this address, which knows no key."""
        return httpx.AsyncClient(base_url=self.url, transport=httpx.AsyncHTTPTransport(local_address=address))

    async def drained(self) -> None:
        """Returns when everything that was accepted is stored."""
        headers = {"X-API-Key": READ}
        async with httpx.AsyncClient(base_url=self.url, headers=headers) as client:
            async with asyncio.timeout(60):
                while (await client.get("/v1/pipeline")).json()["ledger"]["queued"]:  # noqa: ASYNC110 - another process has no event to wait for
                    await asyncio.sleep(0.05)

    async def purge(self) -> None:
        """Remove all events: the sessions share their sites."""
        await self.drained()
        store = make_store(Settings(store_url=self.settings["TALLYSTICK_STORE_URL"]))
        await store.open()
        await store.purge(datetime.now(UTC) + timedelta(days=2))
        await store.close()


def _default(text: str) -> str:
    """`${NAME:-default}` as compose replaces it, where .env has only TALLYSTICK_SUBNET."""
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", re.sub(r"\$\{TALLYSTICK_SUBNET:-[^}]*\}", SUBNET, text))


FROM_COMPOSE = {
    service: {
        name: _default(value)
        for name, value in COMPOSE["services"][service]["environment"].items()
        if name in ("TALLYSTICK_DRAIN_DELAY", "TALLYSTICK_METRICS_PUBLIC")
    }
    for service in ("ingest", "work", "serve")
}
"""Settings of compose.yaml that decide how replicas end."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with (
        scratch_folder("redis") as redis_folder,
        scratch_folder("postgres") as postgres_folder,
        scratch_folder("site") as folder,
        NameServer() as names,
    ):
        redis, postgres = RedisServer(redis_folder), PostgresServer(postgres_folder)
        made: Site | None = None
        proxy: Caddy | None = None
        try:
            redis.start()
            postgres.start()
            settings = {
                "TALLYSTICK_QUEUE_URL": redis.url,
                "TALLYSTICK_STORE_URL": postgres.new_database(),
                "TALLYSTICK_DATA": str(folder / "visitors"),
                "TALLYSTICK_START_TIMEOUT": "30",
                "TALLYSTICK_TRUSTED_PROXIES": f"{SUBNET} 127.0.0.1",  # Caddy connects from there
                "TALLYSTICK_TRUSTED_NETWORKS": f"{TRUSTED}/32",
                "TALLYSTICK_WRITE_KEYS": f"*={WRITE}",
                "TALLYSTICK_READ_KEYS": f"*={READ}",
            }
            port = free_port()
            made = Site(f"http://127.0.0.1:{port}", free_port(), settings, names.names, folder)
            for name, address in REPLICAS.items():
                made.start(name.partition("-")[0], address)
            for part in made.running.values():
                part.until_ready()
            text = re.sub(r"^:8000 ", f":{port} ", _default(CADDYFILE), flags=re.MULTILINE)
            text = re.sub(r"(dynamic a \w+) 8000 \{", rf"\1 {made.port} {{\nresolvers udp/{names.address}", text)
            proxy = Caddy(folder, text)
            wait_until(lambda: _answers(made.url), "Caddy with a process behind it")
            yield made
        finally:
            if proxy is not None:
                proxy.kill()
            for part in made.running.values() if made else ():
                part.kill()
            postgres.kill()
            redis.kill()


def _answers(url: str) -> bool:
    try:
        return plain_http.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
async def unchanged(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A client in the trusted network."""
    async with site.client(TRUSTED) as client:
        yield client


@pytest.mark.parametrize("name", sorted(path.name for path in SESSIONS.glob("*.txt")))
async def test_a_documented_session_through_the_proxy_without_a_key(
    site: Site, unchanged: httpx.AsyncClient, name: str
) -> None:
    await site.purge()
    assert await replay(name, unchanged, site.drained, {"X-API-Key": READ}) > 5


async def test_the_books_close_behind_the_proxy(site: Site) -> None:
    """G4."""
    await site.drained()
    async with site.client(STRANGER) as client:
        answer = await client.get("/v1/verify", headers={"X-API-Key": READ})
    assert answer.json()["differences"] == []


EVENT = {"site_id": "s", "event_type": "page_view", "path": "/", "timestamp": "2026-01-01T00:00:00Z"}


async def test_a_stranger_needs_a_key(site: Site) -> None:
    """G12: the proxy's own address is no reason to trust, nor is what a client says about itself."""
    async with site.client(STRANGER) as client:
        for headers in ({}, {"X-Forwarded-For": TRUSTED}, {"Forwarded": f"for={TRUSTED}"}, {"X-Real-IP": TRUSTED}):
            assert (await client.post("/api/event", json=EVENT, headers=headers)).status_code == 401
            assert (await client.get("/api/stats?site_id=s", headers=headers)).status_code == 401
            direct = await client.get(f"{site.serve}/api/stats?site_id=s", headers=headers)
            assert direct.status_code == 401


async def test_the_machines_own_proxy_says_who_its_client_is(site: Site) -> None:
    """G12: what comes by way of the published port, from the gateway, is known by its own address."""
    async with site.client(GATEWAY) as client:
        for address, status in ((TRUSTED, 202), (STRANGER, 401)):
            headers = {"X-Forwarded-For": address}
            assert (await client.post("/api/event", json=EVENT, headers=headers)).status_code == status


async def test_replicas_give_a_visitor_one_id(site: Site) -> None:
    """Whichever of them the proxy chooses."""
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    headers = {**browser, "X-API-Key": WRITE, "X-Forwarded-For": "203.0.113.9", "Sec-Fetch-Mode": "cors"}
    events = {"site_id": "visited", "name": "page_view"}
    async with site.client(GATEWAY) as client:
        for _ in range(6):
            assert (await client.post("/v1/events", json=events, headers=headers)).status_code == 202
        await site.drained()
        stored = await client.get("/v1/export?site_id=visited", headers={"X-API-Key": READ})
    visitors = [json.loads(line)["user_id"] for line in stored.text.splitlines()]
    assert len(visitors) == 6
    (visitor,) = set(visitors)
    assert visitor.startswith("visitor-")


async def test_tallysticks_own_routes_need_a_key_everywhere(unchanged: httpx.AsyncClient) -> None:
    """G12."""
    assert (await unchanged.post("/v1/events", json={"name": "a"})).status_code == 401
    assert (await unchanged.get("/v1/events")).status_code == 401


async def test_a_page_that_points_its_name_here_reads_nothing(unchanged: httpx.AsyncClient) -> None:
    """G12: DNS rebinding, by a browser within the trusted network."""
    for host, status in (("evil.example", 421), ("stats", 200), ("10.0.0.7:8000", 200), ("[fd00::1]", 200)):
        answer = await unchanged.get("/api/stats?site_id=s", headers={"Host": host})
        assert (host, answer.status_code) == (host, status)


async def test_a_page_from_elsewhere_cannot_read_what_needs_no_key(unchanged: httpx.AsyncClient) -> None:
    """G12: no CORS header for it."""
    answer = await unchanged.get("/analytics/stats", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("form", ["{key}:", "any:{key}", "{key}"])
async def test_a_key_in_the_url_of_a_client_that_takes_nothing_else(site: Site, form: str) -> None:
    """`http://KEY@host`: HTTP libraries send it as Basic credentials."""

    def basic(key: str) -> dict[str, str]:
        return {"Authorization": f"Basic {b64encode(form.format(key=key).encode()).decode()}"}

    async with site.client(STRANGER) as client:
        assert (await client.post("/api/event", json=EVENT, headers=basic(WRITE))).status_code == 202
        assert (await client.get("/api/stats?site_id=s", headers=basic(READ))).status_code == 200
        assert (await client.post("/api/event", json=EVENT, headers=basic(READ))).status_code == 403
        assert (await client.get("/v1/events", headers=basic(READ))).status_code == 401


def test_the_proxy_sends_every_write_route_to_ingest() -> None:
    block = re.search(r"@events \{.*?path ([^\n]+)", CADDYFILE, re.DOTALL)
    assert block is not None
    paths = block[1].split()
    routes = _write_routes(Tallystick(Settings(), Role.INGEST))
    for method, path in routes:
        below = any(path.lower().startswith(known[:-1]) for known in paths if known.endswith("*"))
        assert method in ("OPTIONS", "GET", "HEAD") or path.lower() in paths or below, (method, path)
        # A GET of a path for sending is answered with 405, wherever it goes.
        assert method not in ("GET", "HEAD") or path.startswith("/js/") or ("POST", path) in routes


async def test_serve_takes_events_too_when_it_is_told_to(site: Site, tmp_path: Path) -> None:
    """Without a proxy: `serve` with TALLYSTICK_SERVE_WRITES is one address for both."""
    port = free_port()
    part = Part(
        ["serve", "--port", str(port)], {**site.settings, "TALLYSTICK_SERVE_WRITES": "true"}, tmp_path / "serve.log"
    )
    try:
        part.until_ready()
        keys = {"write": {"X-API-Key": WRITE}, "read": {"X-API-Key": READ}}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            taken = await client.post("/v1/events", json={"name": "taken_by_serve"}, headers=keys["write"])
            assert taken.status_code == 202
            assert (await client.get("/js/tallystick.js")).status_code == 200
            await site.drained()
            receipt = await client.get(f"/v1/receipts/{taken.json()['receipt']}", headers=keys["read"])
            assert receipt.json()["state"] == "stored"
    finally:
        part.kill()


async def test_replicas_are_replaced_and_no_request_fails(site: Site) -> None:
    """G2, G11: as `scripts/roll` does it, with clients that never try again; and there is one more at the end."""
    port = int(site.url.rpartition(":")[2])
    load = Load(9, port, port, (WRITE, READ))
    old = [("ingest", "127.0.1.1"), ("ingest", "127.0.1.2"), ("serve", "127.0.1.3")]
    new = [("ingest", "127.0.2.1"), ("ingest", "127.0.2.2"), ("ingest", "127.0.2.3"), ("serve", "127.0.2.4")]
    for service, address in new:
        site.start(service, address)
    for _, address in new:
        await asyncio.to_thread(site.running[address].until_ready)
    await asyncio.gather(*(asyncio.to_thread(site.stop, service, address) for service, address in old))
    await load.stop()
    assert load.failures == []
    assert len(load.accepted) > 100
    assert load.asked > 10
    await site.drained()
    async with httpx.AsyncClient(base_url=site.url, headers={"X-API-Key": READ}) as client:
        exported = (await client.get("/v1/export?site_id=default")).text.splitlines()
        differences = (await client.get("/v1/verify")).json()["differences"]
    assert {json.loads(line)["event_id"] for line in exported} >= load.accepted
    assert differences == []
