"""The file of a data folder that has the known event names and property keys of each site, for their quotas (G5)."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from tallystick.config import Settings

FILE = "known-names.ndjson"
"""Its name in the data folder. Each line is `[kind, site, name]`; `["whole","name",""]`: it has what the store had."""

Kind: TypeAlias = Literal["name", "key", "whole"]
Entry: TypeAlias = tuple[Kind, str, str]

_line = msgspec.json.Decoder(tuple[Kind, str, str])
_encoder = msgspec.json.Encoder()


def known_of_sites(settings: Settings) -> Counter[tuple[Kind, str]]:
    """How many different names and keys of each site are in the file. Blocks. Raises OSError: it cannot be read."""
    return Counter((kind, site) for kind, site, _ in set(NamesFile(settings).read()) if kind != "whole")


class NamesFile:
    """The file, as one process reads and extends it. Lines are whole or skipped: a process may die in mid-write."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings.data / FILE
        self._read_to = 0

    def read(self) -> list[Entry]:
        """What was written since the last look. Blocks. Raises OSError: it cannot be read."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._read_to:
                    self._read_to = 0  # the operator replaced it
                file.seek(self._read_to)
                text = file.read()
        except FileNotFoundError:
            self._read_to = 0
            return []
        end = text.rfind(b"\n") + 1  # what follows is written now
        self._read_to += end
        return list(_entries(text[:end]))

    def exchange(self, new: Sequence[Entry]) -> list[Entry]:
        """Write what is new; returns what was written since the last look. Blocks. Raises OSError."""
        if new and self._path.parent.is_dir():  # a process without queue and store of its own needs no data folder
            # It begins with a line break, since another process may have died within its last line.
            text = b"\n" + b"".join(_encoder.encode(entry) + b"\n" for entry in new)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                if os.write(descriptor, text) < len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(descriptor)
        return self.read()


def _entries(text: bytes) -> Iterator[Entry]:
    for line in text.splitlines():
        if line:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                yield _line.decode(line)
