"""Where a process listens: which addresses are allowed (G12), and which of its ports it may share."""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import socket
import struct
import time
from dataclasses import dataclass, field

from tallystick import keys, queue, store
from tallystick.access import closed_rights
from tallystick.app import Role
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.process import handover
from tallystick.trusted import TrustedNetworks

HANDOVER_SECONDS = 3.0
"""Seconds for which a taken port that is not offered is tried again: its process may be ending."""
ASK_EVERY = 0.05
BACKLOG = 2_048
"""Connections that may wait to be accepted."""
_SO_ATTACH_FILTER = 26
_IGNORE_OPENING = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte with the flags, the 13th of the TCP header
        (0x54, 0, 0, 0x12),  # of them SYN and ACK
        (0x15, 0, 1, 0x02),  # SYN alone opens a connection:
        (0x06, 0, 0, 0),  # ignore it
        (0x06, 0, 0, 0xFFFFFFFF),  # pass on everything else
    )
)
"""A program of the kernel's packet filter (classic BPF)."""
_IGNORE_OPENING_AT = ctypes.create_string_buffer(_IGNORE_OPENING)


@dataclass
class Door:
    """What a process listens on.

    Attributes:
        listener: a bound socket, which may listen already; None: this process listens on nothing.
        shared_as: the name under which the port is handed over; empty: the port is not shared.
        taken: the listener comes from another process, which may have it still.
        beside: further ports, which belong to this process alone.
    """

    listener: socket.socket | None
    shared_as: str = ""
    taken: bool = False
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
            self.listener, self.taken = _shared(host, port, self.shared_as)

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
    listener, taken = _shared(host, settings.port, name)
    return Door(listener, name, taken)


def reachable_as(url: str) -> str:
    """A door's URL as other machines may write it: this machine's name, where it listens on every address."""
    for every in ("//0.0.0.0:", "//[::]:"):
        url = url.replace(every, f"//{socket.gethostname()}:")
    return url


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
    given, rights = settings.access_keys(), role.rights(settings)
    missing = [right for right in rights if not getattr(given, right)]
    if missing and not keys.is_loopback(host):
        made = closed_rights(settings)
        rights = [right for right in rights if right not in missing or right not in made]
    keys.may_listen(host, given, rights, trusted=bool(TrustedNetworks(settings)))
    return host


def _shareable(settings: Settings, role: Role) -> bool:
    """Whether two processes with these settings can run at once, so that the next takes the port over."""
    return role is not Role.UP or not (queue.is_embedded(settings) or store.is_embedded(settings))


def hold_back(listener: socket.socket) -> bool:
    """Let the kernel ignore who wants to open a connection from now on; those that are being opened still are.

    A client whose first packet is ignored sends it again a second later. If nobody listens by then, it is refused, and
    a proxy asks another process. Without this the kernel would reset a connection that it opened a moment before the
    listener is closed; a proxy that has sent a request by then cannot know what became of it.

    Only for a listener that no other process has. Returns False where the system cannot do it: it is Linux's, and some
    kernels let root alone do it.
    """
    program = struct.pack("HL", len(_IGNORE_OPENING) // 8, ctypes.addressof(_IGNORE_OPENING_AT))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def _shared(host: str, port: int, name: str) -> tuple[socket.socket, bool]:
    """A socket on this address, and whether it was taken over from another process."""
    deadline = time.monotonic() + HANDOVER_SECONDS
    while True:
        if (given := handover.take(name, host, port)) is not None:
            return given, True
        try:
            return _bound(host, port, "TALLYSTICK_PORT"), False
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
