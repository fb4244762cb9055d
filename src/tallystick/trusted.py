"""Trusted networks: whose clients need no key on the routes of other systems (G12).

Clients of the four systems that Tallystick replaces know no key. An operator can name the networks that they are in.
The native API, the dashboard and the commands ask for keys from there too.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import Scope

from tallystick.address import Address, Clients, parse_networks
from tallystick.config import Settings
from tallystick.errors import ConfigError, Untrusted
from tallystick.keys import names_this_machine

TRUSTED = "tallystick.trusted"
"""Key of an ASGI scope whose client was admitted without a key because of its network."""
_FORWARDING = (b"x-forwarded-for", b"forwarded", b"x-real-ip")
_NAME = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d+)?", re.ASCII)


class TrustedNetworks:
    """The networks of TALLYSTICK_TRUSTED_NETWORKS, and the names under which their clients may read.

    Raises:
        ConfigError: a setting holds something else than addresses and networks.
    """

    def __init__(self, settings: Settings) -> None:
        self._networks = parse_networks(settings.trusted_networks, "TALLYSTICK_TRUSTED_NETWORKS")
        if any(network.prefixlen == 0 for network in self._networks):
            raise ConfigError("TALLYSTICK_TRUSTED_NETWORKS: a network of every address would open the server to all")
        self._clients = Clients(parse_networks(settings.trusted_proxies, "TALLYSTICK_TRUSTED_PROXIES"))
        self._hosts = frozenset(re.split(r"[,\s]+", settings.trusted_hosts.lower().strip())) - {""}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def may_write(self, scope: Scope) -> bool:
        """Whether the client of a request is in a trusted network."""
        address = self._client(scope)
        return address is not None and any(address in network for network in self._networks)

    def may_read(self, scope: Scope) -> bool:
        """As `may_write`, for a request whose answer has events in it.

        Raises:
            Untrusted: the client is in a trusted network, but its Host header is a name that a web page may have
                pointed at this server (DNS rebinding): such a page would read through a browser in the network.
        """
        if not self.may_write(scope):
            return False
        if not self._is_own(Headers(scope=scope).get("host", "")):
            raise Untrusted
        return True

    def _client(self, scope: Scope) -> Address | None:
        """The client's address; None when it is unknown.

        A request that another proxy than a trusted one has forwarded may come from anywhere.
        """
        if not self._networks or not scope.get("client"):
            return None
        peer = scope["client"][0]
        forwarded = tuple(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        if any(name in _FORWARDING for name, _ in scope["headers"]) and not self._clients.is_proxy(peer):
            return None
        return self._clients.address(peer, forwarded)

    def _is_own(self, host: str) -> bool:
        """Whether a Host header cannot be a name that another party owns: an address, a name without a dot, or listed.

        A request without the header is not from a browser.
        """
        host = host.strip().lower()
        if names_this_machine(host):
            return True
        if (found := _NAME.fullmatch(host)) is None:
            return False
        name = found["name"].rstrip(".")
        if name in self._hosts or ("." not in name and not name.startswith("[")):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True
