"""A store's schema as numbered SQL files: `0001_init.sql`, `0002_….sql`, applied in order, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

_FILE = re.compile(r"(\d{4})_\w+\.sql")


def migrations(store: str) -> Sequence[str]:
    """The statements of each migration of a store, in order; the schema's version is their number."""
    found = {
        int(match[1]): entry.read_text("utf-8")
        for entry in files(f"tallystick.store.{store}").joinpath("sql").iterdir()
        if (match := _FILE.fullmatch(entry.name))
    }
    return [found[number] for number in range(1, len(found) + 1)]
