"""Where a process listens: which addresses are allowed (G12), and which of its ports it may share."""

from __future__ import annotations

import errno
import ipaddress
import socket
import time
from dataclasses import dataclass, field

from tallystick import keys, queue, store
from tallystick.app import Role
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.process import handover

HANDOVER_SECONDS = 3.0
"""Seconds for which a taken port that is not offered is tried again: its process may be ending."""
ASK_EVERY = 0.05
BACKLOG = 2_048
"""Connections that may wait to be accepted."""


@dataclass
class Door:
    """What a process listens on.

    Attributes:
        listener: a bound socket, which may listen already; None: this process listens on nothing.
        shared_as: the name under which the port is handed over; empty: the port is not shared.
        beside: further ports, which belong to this process alone.
    """

    listener: socket.socket | None
    shared_as: str = ""
    beside: list[socket.socket] = field(default_factory=list)

    @property
    def sockets(self) -> list[socket.socket]:
        return [*([self.listener] if self.listener else []), *self.beside]

    def listen(self) -> None:
        """Start to listen, so that clients can connect.

        Raises:
            ConfigError: another process took the port first and does not share it.
        """
        if self.listener is None:
            return
        try:
            self.listener.listen(BACKLOG)
        except OSError as error:
            if not self.shared_as:
                raise _cannot_listen("TALLYSTICK_PORT", self.listener.getsockname(), error) from error
            host, port = self.listener.getsockname()[:2]
            self.listener.close()
            self.listener = _shared(host, port, self.shared_as)

    @property
    def url(self) -> str:
        """The base URL of this process; empty when it listens on nothing."""
        if self.listener is None:
            return ""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def open_door(settings: Settings, role: Role) -> Door:
    """The sockets of a process with this role. No client can connect yet, unless another process shares its port.

    Raises:
        ConfigError: the address is not allowed or taken.
    """
    host = allowed_host(settings, role)
    if role is Role.WORK:
        if settings.status_port == 0:
            return Door(None)
        return Door(_bound(host, settings.status_port, "TALLYSTICK_STATUS_PORT"))
    if settings.port == 0 or not handover.AVAILABLE or not _shareable(settings, role):
        return Door(_bound(host, settings.port, "TALLYSTICK_PORT"))
    name = f"{role}/{host}/{settings.port}"
    return Door(_shared(host, settings.port, name), name)


def status_socket(settings: Settings, number: int) -> socket.socket | None:
    """The status socket of process `number`, of several that share a port; None when TALLYSTICK_STATUS_PORT is 0.

    Raises:
        ConfigError: the port is taken.
    """
    if settings.status_port == 0:
        return None
    # SO_REUSEPORT, since the old process still has the port while its successor starts. A scrape may reach either one,
    # and no events come by this port.
    return _bound(
        allowed_host(settings, Role.INGEST), settings.status_port + number, "TALLYSTICK_STATUS_PORT", reuse=True
    )


def allowed_host(settings: Settings, role: Role) -> str:
    """The address to listen on. Without keys only loopback is allowed (G12).

    Raises:
        ConfigError: TALLYSTICK_HOST is no IP address, or needs keys that are not set.
    """
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ConfigError(f"TALLYSTICK_HOST: {host!r} is no IP address") from error
    keys.may_listen(host, settings.access_keys(), role.value)
    return host


def _shareable(settings: Settings, role: Role) -> bool:
    """Whether two processes with these settings can run at once, so that the next takes the port over."""
    return role is not Role.UP or not (queue.is_embedded(settings) or store.is_embedded(settings))


def _shared(host: str, port: int, name: str) -> socket.socket:
    deadline = time.monotonic() + HANDOVER_SECONDS
    while True:
        if (given := handover.take(name, host, port)) is not None:
            return given
        try:
            return _bound(host, port, "TALLYSTICK_PORT")
        except ConfigError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
        time.sleep(ASK_EVERY)


def _bound(host: str, port: int, variable: str, *, reuse: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse and hasattr(socket, "SO_REUSEPORT"):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise _cannot_listen(variable, (host, port), error) from error
    return listener


def _cannot_listen(variable: str, address: tuple[object, ...], error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigError(f"{variable}: cannot listen on {address[0]}:{address[1]}: {reason}")
