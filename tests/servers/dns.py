"""A name server as a container engine has it: a name stands for the addresses of all replicas that run."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType

A, IN = 1, 1
ANSWER, NO_SUCH_NAME = 0x8180, 0x8183


class NameServer:
    """Answers on a UDP port of 127.0.0.1 while it is open.

    Attributes:
        names: IPv4 addresses of each name; may change at any time.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._socket.getsockname())
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:  # from `__exit__`
                return
            self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        kind = struct.unpack_from("!H", question, at + 1)[0]
        known = self.names.get(".".join(labels).lower())
        addresses = list(known or ()) if kind == A else []
        number, code = struct.unpack_from("!H", question)[0], NO_SUCH_NAME if known is None else ANSWER
        head = struct.pack("!HHHHHH", number, code, 1, len(addresses), 0, 0)
        record = struct.pack("!HHHLH", 0xC00C, A, IN, 1, 4)  # of the name in the question, for one second
        return head + question[12 : at + 5] + b"".join(record + socket.inet_aton(address) for address in addresses)
