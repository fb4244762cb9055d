"""Servers of others on this machine, such as a queue's or a store's: who they are, and their processor time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from tallystick.config import split_url

PORTS = {
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "kafka": 9092,
    "kafkas": 9092,
    "postgresql": 5432,
    "postgres": 5432,
    "clickhouse": 8123,
    "clickhouses": 8443,
}
"""Port of a URL that names none, by its scheme."""

REST_EVERY = 1.0
REST_SHARE = 0.15
REST_TIMEOUT = 60.0
"""A server is at rest when it takes less than this share of a core for this long, or after this many seconds."""

_LISTENS = "0A"
"""State of a listening socket in /proc/net/tcp."""


class Neighbours:
    """Processes that are not ours, with all their descendants.

    Args:
        pids: the topmost ones. None of them: nothing is known.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self.pids = frozenset(pids)

    def cpu_seconds(self) -> float | None:
        """Processor seconds so far, of descendants that ended too; None: no process is known, or one is gone."""
        stats = dict(_stats())
        if not self.pids or not self.pids <= stats.keys():
            return None
        ticks = sum(sum(map(int, stats[pid][11:15])) for pid in _with_descendants(self.pids, stats))
        return ticks / os.sysconf("SC_CLK_TCK")


def rest(servers: Iterable[Neighbours]) -> None:
    """Returns when the servers have done what they put off, such as merging tables, or after REST_TIMEOUT."""
    deadline = time.monotonic() + REST_TIMEOUT
    for server in servers:
        last = server.cpu_seconds()
        while last is not None and time.monotonic() < deadline:
            time.sleep(REST_EVERY)
            now = server.cpu_seconds()
            if now is None or now - last < REST_SHARE * REST_EVERY:
                break
            last = now


def difference(after: float | None, before: float | None) -> float | None:
    """None: one of the two is not known."""
    return None if after is None or before is None else after - before


def on_this_machine(url: str) -> frozenset[int]:
    """The processes that listen where a queue's or store's URL points, as far as that is a loopback address.

    Empty: it is elsewhere, embedded, or this system does not tell (only Linux does, to the same user or root).
    """
    sockets: set[str] = set()
    for host, port in servers(url):
        if _is_loopback(host):
            sockets |= _listening(port)
    return frozenset(pid for pid in _pids() if sockets & _open_sockets(pid)) if sockets else frozenset()


def servers(url: str) -> list[tuple[str, int]]:
    """Host and port of each server in a queue's or store's URL; none of an embedded one. Raises ValueError."""
    parts = split_url(url)
    usual = PORTS.get(parts.scheme)
    if usual is None:
        return []
    found = []
    for name in parts.netloc.rpartition("@")[2].split(","):
        host, colon, port = name.rpartition(":")
        given = bool(colon) and port.isdigit()
        found.append((unquote(host if given else name).strip("[]"), int(port) if given else usual))
    return found


def _is_loopback(host: str) -> bool:
    try:
        addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, None)]
    except OSError:
        return False
    return bool(addresses) and all(address == "::1" or address.startswith("127.") for address in addresses)


def _listening(port: int) -> set[str]:
    """What the links of descriptors of listening TCP sockets on this port point to."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _open_sockets(pid: int) -> set[str]:
    found = set()
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found.add(os.readlink(descriptor))
            except OSError:
                continue  # it was closed between two looks
    except OSError:
        return set()  # the process ended, or belongs to another user
    return found


def _pids() -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        yield int(folder.name)


def _stats() -> Iterator[tuple[int, Sequence[str]]]:
    """Of each process what /proc/<pid>/stat has after its name."""
    for pid in _pids():
        try:
            yield pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended between two looks


def _with_descendants(pids: Iterable[int], stats: dict[int, Sequence[str]]) -> set[int]:
    found, waiting = set(pids), list(pids)
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(pid)
    while waiting:
        new = [child for child in children.get(waiting.pop(), []) if child not in found]
        found.update(new)
        waiting += new
    return found
