"""Whose address a request came from, through the proxies that the operator trusts. Pure; nothing here is stored."""

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
"""Most pairs of peer and X-Forwarded-For whose address is kept, in memory alone."""
FORWARDED_MAX = 2048
"""Characters of X-Forwarded-For that are looked at, from its end."""

_SEPARATORS = re.compile(r"[,\s]+")
_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>\d+\.\d+\.\d+\.\d+))(?::\d+)?")


def parse_networks(text: str, where: str) -> Networks:
    """The networks of a setting: addresses or networks, between them commas or white space.

    Raises:
        ConfigError: one of them is none; the message names it and the setting.
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
        """Whether a peer that sends X-Forwarded-For is near enough to be the operator's own, and not trusted."""

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _looks_like_a_proxy(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and address.is_private and not self._is_proxy(address)

    def _address(self, peer: str, forwarded: tuple[bytes, ...]) -> Address | None:
        """The peer, or when that is a trusted proxy the last hop of X-Forwarded-For that is none.

        Any client can send X-Forwarded-For; only what trusted proxies appended is true, and that is its end. None when
        nothing is known: the peer has no address, or a proxy wrote something that is none.
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
    """An address, with or without port; IPv4 within IPv6 becomes IPv4. None when it is none."""
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
    """The address by which visitors are distinguished: all of IPv4, the first 64 bits of IPv6, the rest of which a
    visitor's system changes several times a day.
    """
    return str(_first_bits(address, 32 if address.version == 4 else 64))


def _first_bits(address: Address, bits: int) -> Address:
    away = address.max_prefixlen - bits
    return type(address)(int(address) >> away << away)
