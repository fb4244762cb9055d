"""A store's schema as numbered SQL files: `0001_init.sql`, `0002_….sql`, applied in order, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from tallystick.errors import SchemaTooNew

_FILE = re.compile(r"(\d{4})_\w+\.sql")


def migrations(store: str) -> Sequence[str]:
    """The statements of each migration of a store, in order. The schema's version is the number of migrations.

    Raises:
        AssertionError: the files are not numbered from 1, each number once.
    """
    found = sorted(
        (int(match[1]), entry.read_text("utf-8"))
        for entry in files(f"tallystick.store.{store}").joinpath("sql").iterdir()
        if (match := _FILE.fullmatch(entry.name))
    )
    assert [number for number, _ in found] == list(range(1, len(found) + 1)), (
        f"migrations of {store}: see their numbers"
    )
    return [statements for _, statements in found]


def pending_migrations(store: str, version: int, where: str) -> Sequence[tuple[int, str]]:
    """The migrations after a version, each with the version that it leads to.

    Args:
        where: what has this version, for the error message.

    Raises:
        SchemaTooNew: the version is one of a later Tallystick.
    """
    steps = migrations(store)
    if version > len(steps):
        raise SchemaTooNew(f"{where} has schema {version}; this Tallystick knows {len(steps)}: upgrade Tallystick")
    return list(enumerate(steps[version:], version + 1))
