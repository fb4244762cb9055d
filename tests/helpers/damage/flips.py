"""Damage done to files, the same for the same seed: flipped bits, cut ends, pages of zeros."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

PAGE = 4_096

Kind = Literal["flip", "cut", "zero"]


class Harm(NamedTuple):
    """One damage and what the file looks like with it."""

    kind: Kind
    place: int
    content: bytes

    def __repr__(self) -> str:
        return f"{self.kind} at {self.place}"


def harms(content: bytes, kind: Kind, count: int, seed: int = 14) -> Iterator[Harm]:
    """So many random damages of one kind to a file."""
    chance = random.Random(f"{kind} {seed}")
    for _ in range(count):
        place = chance.randrange(len(content))
        harmed = bytearray(content)
        if kind == "flip":
            harmed[place] ^= 1 << chance.randrange(8)
        elif kind == "cut":
            del harmed[place:]
        else:
            place -= place % PAGE
            harmed[place : place + PAGE] = bytes(len(harmed[place : place + PAGE]))
        yield Harm(kind, place, bytes(harmed))


def every_flip(content: bytes) -> Iterator[Harm]:
    """A small file with each of its bits flipped in turn."""
    for place in range(len(content)):
        for bit in range(8):
            harmed = bytearray(content)
            harmed[place] ^= 1 << bit
            yield Harm("flip", place, bytes(harmed))


def fresh_copy(source: Path, target: Path) -> Path:
    """A copy of a folder, in place of what was there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    """What the files of a folder hold, but for those whose content means nothing."""
    meaningless = (".lock", "-shm")
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(meaningless)}
