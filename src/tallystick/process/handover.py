"""Handing a port from one process to the next without losing a connection (Linux only).

With SO_REUSEPORT, each listening process would have its own queue of new connections, and the kernel resets those that
wait when their process ends. Here the processes share one listening socket: a new process asks the running one for it,
and its queue exists until the last process has closed the socket. They meet at an abstract Unix socket named after role
and address. Like the port it belongs to the network namespace, and it leaves no file. Both sides check that the other
runs as the same user.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

AVAILABLE = sys.platform == "linux"
TIMEOUT = 2.0
"""Seconds to wait for the other process, which answers between two requests of its own."""


class Handover:
    """Offers a listening socket to processes that ask for it under `name`.

    The owner calls `offer` repeatedly, because only one of the processes that share the socket can hold the name at a
    time. It calls `answer` when `fileno` is readable.
    """

    def __init__(self, listener: socket.socket, name: str) -> None:
        self._listener = listener.dup()
        self._address = _address(name)
        self._meeting: socket.socket | None = None
        self.given = False
        """Whether another process has the socket too, or had it."""

    def offer(self) -> bool:
        """Take the name if it is free. Returns True if this call took it; `fileno` works from then on."""
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
        """Whether this process holds the name."""
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
                    self.given = True
                    socket.send_fds(asking, [b"!"], [self._listener.fileno()])

    def close(self) -> None:
        """Withdraw the offer and close the socket."""
        if self._meeting is not None:
            self._meeting.close()
            self._meeting = None
        self._listener.close()


def take(name: str, host: str, port: int) -> socket.socket | None:
    """The listening socket on this address that a running process offers under `name`; None if there is none."""
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
    """Whether the other process runs as this user or as root."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return user in (os.geteuid(), 0)
