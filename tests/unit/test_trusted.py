"""Trusted networks by themselves (G12): which requests come from one, and under which names they may read."""

from __future__ import annotations

import pytest
from starlette.types import Scope

from tallystick.config import Settings
from tallystick.errors import ConfigError, Untrusted
from tallystick.trusted import TrustedNetworks

NETWORKS = "10.1.0.0/16, 192.168.7.9 fd00::/8"


def request(peer: str, host: str = "10.9.9.9:8000", **headers: str) -> Scope:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name.encode(), value.encode()) for name, value in {"host": host, **named}.items()]
    return {"type": "http", "client": (peer, 5555), "headers": pairs}


def trusted(proxies: str = "", hosts: str = "") -> TrustedNetworks:
    return TrustedNetworks(Settings(trusted_networks=NETWORKS, trusted_proxies=proxies, trusted_hosts=hosts))


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        (request("10.1.2.3"), True),
        (request("192.168.7.9"), True),
        (request("fd12::1"), True),
        (request("::ffff:10.1.2.3"), True),
        (request("10.2.0.1"), False),
        (request("127.0.0.1"), False),
        (request(""), False),
        # Forwarded by a proxy that is not trusted, or that says so itself: whose request it is, is not known.
        (request("10.1.2.3", x_forwarded_for="10.1.2.3"), False),
        (request("10.1.2.3", forwarded="for=10.1.2.3"), False),
        (request("10.1.2.3", x_real_ip="10.1.2.3"), False),
        # Through a trusted proxy the last hop counts.
        (request("172.16.0.1", x_forwarded_for="10.1.2.3"), True),
        (request("172.16.0.1", x_forwarded_for="10.1.2.3, 8.8.8.8"), False),
        (request("172.16.0.1", x_forwarded_for="8.8.8.8, 10.1.2.3"), True),
        (request("172.16.0.1", x_forwarded_for="unknown"), False),
        (request("172.16.0.1"), False),
        ({"type": "http", "client": None, "headers": []}, False),
    ],
)
def test_whose_request_is_in_a_trusted_network(scope: Scope, inside: bool) -> None:
    assert trusted(proxies="172.16.0.1").may_write(scope) is inside


@pytest.mark.parametrize(
    "host",
    [
        "10.1.0.5",
        "10.1.0.5:8000",
        "[fd00::5]:8000",
        "localhost",
        "stats",
        "STATS:80",
        "stats.",
        "a.example",
        "A.example:80",
    ],
)
def test_names_under_which_a_trusted_network_reads(host: str) -> None:
    assert trusted(hosts="a.example, b.example").may_read(request("10.1.2.3", host))


@pytest.mark.parametrize(
    "host", ["evil.example", "stats.evil.example:8000", "a.example.evil", "10.1.0.5.nip.io", "x:y:z"]
)
def test_a_name_of_another_party_reads_nothing(host: str) -> None:
    with pytest.raises(Untrusted, match="TALLYSTICK_TRUSTED_HOSTS"):
        trusted(hosts="a.example").may_read(request("10.1.2.3", host))


def test_without_the_setting_no_client_is_trusted() -> None:
    none = TrustedNetworks(Settings())
    assert not none
    assert not none.may_write(request("127.0.0.1"))


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "::/0", "10.1.0.0/33", "intranet"])
def test_what_is_no_network_is_refused_by_its_name(networks: str) -> None:
    with pytest.raises(ConfigError, match="TALLYSTICK_TRUSTED_NETWORKS"):
        TrustedNetworks(Settings(trusted_networks=networks))
