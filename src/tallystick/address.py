"""The client's address of a request, read through the proxies that the operator trusts. Pure; nothing is stored."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from tallystick.errors import ConfigError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks: TypeAlias = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

CACHED = 4096
"""Most pairs of peer and X-Forwarded-For whose address is cached, in memory only."""
FORWARDED_MAX = 2048
"""Characters of X-Forwarded-For that are read, from its end."""

_SEPARATORS = re.compile(r"[,\s]+")
_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>\d+\.\d+\.\d+\.\d+))(?::\d+)?")


def parse_networks(text: str, where: str) -> Networks:
    """The networks in a setting: addresses or networks, separated by commas or white space.

    Raises:
        ConfigError: an entry is neither; the message names the entry and the setting.
    """
    try:
        return tuple(ipaddress.ip_network(part) for part in filter(None, _SEPARATORS.split(text)))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; write addresses or networks such as 10.0.0.0/8") from None


class Clients:
    """Finds the address of the client behind trusted proxies."""

    def __init__(self, proxies: Networks) -> None:
        self._proxies = proxies
        self.address = lru_cache(CACHED)(self._address)
        """`(peer, values of X-Forwarded-For)` → the client's address."""
        self.looks_like_a_proxy = lru_cache(CACHED)(self._looks_like_a_proxy)
        """Whether a peer that sends X-Forwarded-For may be a proxy of the operator that is not trusted yet."""

    def is_proxy(self, peer: str) -> bool:
        """Whether a peer is one of the trusted proxies."""
        address = parse_address(peer)
        return address is not None and self._is_proxy(address)

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _looks_like_a_proxy(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and address.is_private and not self._is_proxy(address)

    def _address(self, peer: str, forwarded: tuple[bytes, ...]) -> Address | None:
        """The peer; if that is a trusted proxy, the last hop of X-Forwarded-For that is not a trusted proxy.

        Any client can send X-Forwarded-For. Only the part that trusted proxies appended can be trusted, which is its
        end. None when the address is unknown: the peer has none, or a proxy wrote something else.
        """
        client = parse_address(peer)
        for hop in _from_the_end(forwarded):
            if client is None or not self._is_proxy(client):
                break
            client = parse_address(hop)
        return client


def _from_the_end(forwarded: Iterable[bytes]) -> Iterable[str]:
    whole = b",".join(forwarded)[-FORWARDED_MAX:].decode("latin-1")
    return (part for hop in reversed(whole.split(",")) if (part := hop.strip()))


def parse_address(text: str) -> Address | None:
    """An address, with or without port. IPv4 mapped into IPv6 becomes IPv4. None when the text is not an address."""
    if whole := _PORT.fullmatch(text):
        text = whole["six"] or whole["four"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if address.version == 6 else address


def truncated(address: Address) -> str:
    """The address without the part that identifies one client: the first 24 bits of IPv4, 48 of IPv6."""
    return str(_first_bits(address, 24 if address.version == 4 else 48))


def household(address: Address) -> str:
    """The address by which visitors are distinguished: all of IPv4, the first 64 bits of IPv6. A visitor's system
    changes the other bits of IPv6 several times a day.
    """
    return str(_first_bits(address, 32 if address.version == 4 else 64))


def _first_bits(address: Address, bits: int) -> Address:
    away = address.max_prefixlen - bits
    return type(address)(int(address) >> away << away)
