"""The URL of a ClickHouse store: its servers, the user, the database, the cluster. Opens no connection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from tallystick.config import split_url
from tallystick.errors import ConfigError
from tallystick.store.clickhouse.tables.schema import Cluster

PORT, TLS_PORT = 8123, 8443
"""ClickHouse's ports for HTTP and HTTPS."""
FILES = {"cafile": "ca_cert", "certfile": "client_cert", "keyfile": "client_cert_key"}
"""Parameters of the URL that name a file for TLS, and the driver's names for them."""
CLUSTER = ("cluster", "replicated")
"""Parameters of the URL about the cluster."""
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]@/,]+)(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """Servers and a database on them.

    Attributes:
        servers: host and port of each; the first one is asked.
        driver: the driver's settings for TLS.
        cluster: the cluster that they belong to; None: there is one server.
    """

    servers: Sequence[tuple[str, int]]
    secure: bool
    user: str
    password: str = field(repr=False)
    database: str
    driver: Mapping[str, Any] = field(default_factory=dict)
    cluster: Cluster | None = None


def parse_address(url: str, variable: str = "TALLYSTICK_STORE_URL") -> Address:
    """The server, the user and the database in a URL.

    Args:
        variable: the setting that has it, for error messages.

    Raises:
        ConfigError: the URL cannot be read, names no host or database, or has a parameter that is not known. The
            message does not repeat the URL, which may hold a password.
    """
    try:
        parts = split_url(url)
    except ValueError:
        raise ConfigError(f"{variable}: not a ClickHouse URL that can be read; is the password escaped?") from None
    secure = parts.scheme == "clickhouses"
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    found = [_SERVER.fullmatch(host) for host in hosts.split(",")]
    database = unquote(parts.path.strip("/"))
    if not database or "/" in database or not all(found):
        raise ConfigError(f"{variable}: write it as {parts.scheme}://[user:password@]host[:port]/database")
    servers = [
        (host[1].strip("[]"), int(host[2] or (TLS_PORT if secure else PORT))) for host in found if host is not None
    ]
    driver, given = {}, dict[str, str]()
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in CLUSTER:
            given[name] = value
        elif name in FILES and secure:
            driver[FILES[name]] = value
        else:
            known = f"{', '.join(CLUSTER)}, and {', '.join(FILES)} of clickhouses://"
            raise ConfigError(f"{variable}: ?{name}= is no parameter of this URL; there are {known}")
    return Address(
        servers,
        secure,
        unquote(user or "default"),
        unquote(password),
        database,
        driver,
        _cluster(given, variable, servers),
    )


def _cluster(given: Mapping[str, str], variable: str, servers: Sequence[tuple[str, int]]) -> Cluster | None:
    name, replicated = given.get("cluster", ""), given.get("replicated", "true")
    if replicated not in ("true", "false"):
        raise ConfigError(f"{variable}: ?replicated= is true or false")
    if name:
        return Cluster(name, replicated == "true")
    if len(servers) > 1 or "replicated" in given:
        raise ConfigError(f"{variable}: several servers are those of a cluster: name it with ?cluster=")
    return None
