"""A port handed from one process to the next without a connection lost (Linux).

Two processes that both listen with SO_REUSEPORT have a queue of new connections each, and what waits in the queue of
the one that ends is reset. Here they share a single listening socket instead: a new process asks the running one for
it, and the queue lives on until the last of them has closed it. They meet at an abstract Unix socket named after role
and address, which exists in the network namespace as the port does and leaves no file behind; both sides check that
the other runs as the same user.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

AVAILABLE = sys.platform == "linux"
TIMEOUT = 2.0
"""Seconds for the other side, which answers between two of its own requests."""


class Handover:
    """Offers a listening socket to processes that ask for it under `name`.

    The owner calls `offer` now and then, because only one of the processes that share the socket can have the
    name at a time, and `answer` when `fileno` is readable.
    """

    def __init__(self, listener: socket.socket, name: str) -> None:
        self._listener = listener.dup()
        self._address = _address(name)
        self._meeting: socket.socket | None = None

    def offer(self) -> bool:
        """Take the name when it is free. True when it has just been taken; `fileno` works from then on."""
        if self._meeting is not None:
            return False
        meeting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            meeting.bind(self._address)
        except OSError:
            meeting.close()
            return False
        meeting.listen()
        meeting.setblocking(False)
        self._meeting = meeting
        return True

    @property
    def offered(self) -> bool:
        """Whether it is this process that others find under the name."""
        return self._meeting is not None

    def fileno(self) -> int:
        """The descriptor to watch; raises ValueError before `offer` succeeded."""
        if self._meeting is None:
            raise ValueError("the name belongs to another process")
        return self._meeting.fileno()

    def answer(self) -> None:
        """Give the socket to one process that asks."""
        if self._meeting is None:
            return
        with contextlib.suppress(OSError):  # the other process is gone
            asking, _ = self._meeting.accept()
            with asking:
                if _same_user(asking):
                    asking.settimeout(TIMEOUT)
                    socket.send_fds(asking, [b"!"], [self._listener.fileno()])

    def close(self) -> None:
        """Withdraw the offer and close the socket."""
        if self._meeting is not None:
            self._meeting.close()
            self._meeting = None
        self._listener.close()


def take(name: str, host: str, port: int) -> socket.socket | None:
    """The listening socket on that address that a running process offers under `name`; None when there is none."""
    if not AVAILABLE:
        return None
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(TIMEOUT)
        asking.connect(_address(name))
        if not _same_user(asking):
            return None
        _, descriptors, _, _ = socket.recv_fds(asking, 1, 1)
        for descriptor in descriptors:
            given = socket.socket(fileno=descriptor)
            if _listens_on(given, host, port):
                return given
            given.close()
    return None


def _address(name: str) -> bytes:
    return b"\0tallystick/" + name.encode()


def _listens_on(given: socket.socket, host: str, port: int) -> bool:
    try:
        listening = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return bool(listening) and given.getsockname()[:2] == (host, port)
    except OSError:
        return False


def _same_user(peer: socket.socket) -> bool:
    """Whether the other side runs as this user, or as root."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return user in (os.geteuid(), 0)
