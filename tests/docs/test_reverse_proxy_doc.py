"""docs/run/reverse-proxy.md: a real Caddy and a real nginx with TLS, on the configurations that stand there."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.rolling import Part
from tests.servers.caddy import Caddy
from tests.servers.process import free_port, needed, wait_until
from tests.servers.scratch import scratch_folder

PAGE = (Path(__file__).parents[2] / "docs" / "run" / "reverse-proxy.md").read_text("utf-8")
HOST = "stats.example.org"
WRITE, READ = "wk_" + "w" * 40, "rk_" + "r" * 40
CLIENT, CDN = "127.0.5.3", "127.0.9.1"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "X-API-Key": WRITE}
MIB = 1024 * 1024


def block(language: str, replaced: dict[str, str]) -> str:
    """The page's block of this language, where each of these texts stands and is replaced."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return str(text)


@pytest.fixture(scope="module")
def tallystick() -> Iterator[int]:
    """The port of a server that trusts the proxy, and the network of a CDN in front of it."""
    with scratch_folder("proxied") as folder:
        port = free_port()
        settings = {
            "TALLYSTICK_DATA": str(folder / "data"),
            "TALLYSTICK_WRITE_KEYS": f"*={WRITE}",
            "TALLYSTICK_READ_KEYS": f"*={READ}",
            "TALLYSTICK_TRUSTED_PROXIES": "127.0.0.1 127.0.9.0/24",
            "TALLYSTICK_ENRICH_ADDRESS": "truncated",
        }
        part = Part(["up", "--port", str(port)], settings, folder / "up.log")
        try:
            part.until_ready()
            yield port
        finally:
            part.kill()


class Proxy:
    """A running proxy: its port, and the certificate of who vouches for it."""

    def __init__(self, port: int, authority: Path) -> None:
        self._port = port
        self._trust = ssl.create_default_context(cafile=authority)

    def client(self, address: str) -> httpx.Client:
        """A client from this address, over TLS and under the name of the page."""
        transport = httpx.HTTPTransport(verify=self._trust, local_address=address)
        return httpx.Client(base_url=f"https://{HOST}:{self._port}", transport=_ToLoopback(transport), timeout=30)


class _ToLoopback(httpx.BaseTransport):
    """What the name server would do."""

    def __init__(self, inner: httpx.HTTPTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = HOST
        request.url = request.url.copy_with(host="127.0.0.1")
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def caddy(folder: Path, upstream: int, stack: ExitStack) -> Proxy:
    port = free_port()
    options = f"{{\nadmin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\nhttps_port {port}\n}}\n"
    running = Caddy(folder, options + block("caddy", {"127.0.0.1:8000": f"127.0.0.1:{upstream}"}))
    stack.callback(running.kill)
    authority = folder / ".local" / "share" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    wait_until(authority.exists, "Caddy with a certificate")
    return Proxy(port, authority)


def nginx(folder: Path, upstream: int, stack: ExitStack) -> Proxy:
    port, program, openssl = free_port(), needed("nginx", "nginx", "/usr/sbin"), needed("openssl", "openssl")
    key, certificate = folder / "privkey.pem", folder / "fullchain.pem"
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj"
    names = [f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    command: list[str | Path] = [openssl, "req", "-x509", *kind.split(), *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    site = block(
        "nginx",
        {
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
            "listen 443 ssl": f"listen {port} ssl",
            "/etc/ssl/tallystick": str(folder),
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}worker_processes 1;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{site}}}\n"
    )
    with (folder / "nginx.log").open("wb") as log:
        running = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
    stack.callback(running.wait)
    stack.callback(running.terminate)
    return Proxy(port, certificate)


@pytest.mark.parametrize("start", [caddy, nginx], ids=["caddy", "nginx"])
def test_the_configuration_of_the_page(start: Callable[[Path, int, ExitStack], Proxy], tallystick: int) -> None:
    site = start.__name__
    with scratch_folder(site) as folder, ExitStack() as stack:
        proxy = start(folder, tallystick, stack)
        client = stack.enter_context(proxy.client(CLIENT))
        wait_until(lambda: _answers(client), f"{site} with the server behind it")

        # What stays inside, and what needs a key.
        reader = {"X-API-Key": READ}
        assert client.get("/metrics", headers=reader).status_code == 404
        assert client.get("/v1/query?metric=events").status_code == 401

        # The live feed is open before the event is sent, and shows it while it stays open.
        with client.stream("GET", f"/v1/live?site_id={site}", headers=reader) as live:
            assert live.status_code == 200
            lines = live.iter_lines()
            next(lines)
            event = {"site_id": site, "name": "seen", "properties": {"filler": ""}}
            other = stack.enter_context(proxy.client(CLIENT))
            pretended = {**BROWSER, "X-Forwarded-For": "198.51.100.7"}
            assert other.post("/v1/events", json=event, headers=pretended).status_code == 202
            assert next(line for line in lines if '"seen"' in line)

        # A body that is as large as the server takes it, and one that is larger.
        large = [{"site_id": site, "name": "large", "properties": {"filler": "x" * 60_000}} for _ in range(130)]
        assert client.post("/v1/events", json=large, headers=BROWSER).status_code == 202
        assert client.post("/v1/events", content=b"[" + b" " * 9 * MIB, headers=BROWSER).status_code == 413

        wait_until(lambda: len(_stored(client, site)) == 131, "all events")
        (seen,) = [event for event in _stored(client, site) if event["name"] == "seen"]
        assert seen["properties"]["$ip"] == "127.0.5.0"  # not what the client pretends

        if start is nginx:  # what is in front of it says who the client is
            behind_cdn = stack.enter_context(proxy.client(CDN))
            event = {"site_id": site, "name": "by_cdn"}
            assert behind_cdn.post("/v1/events", json=event, headers=pretended).status_code == 202
            wait_until(lambda: len(_stored(client, site)) == 132, "the event by way of the CDN")
            (by_cdn,) = [event for event in _stored(client, site) if event["name"] == "by_cdn"]
            assert by_cdn["properties"]["$ip"] == "198.51.100.0"


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _stored(client: httpx.Client, site: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/export?site_id={site}", headers={"X-API-Key": READ})
    assert answer.status_code == 200, (answer.headers, answer.text)
    return [json.loads(line) for line in answer.text.splitlines()]
