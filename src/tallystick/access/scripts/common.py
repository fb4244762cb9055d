"""What all scripts are made of: a script yields statements of `sql/` and is sent their rows.

A database runs a script in one transaction; an exception of a script undoes all of it. A change that other processes
have to see raises `version` (`bump`), and does so first: on PostgreSQL the row's lock makes changes one at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from tallystick.analysis.buckets import instant_of
from tallystick.errors import NotFound
from tallystick.keys import EVERY_SITE
from tallystick.model.sql import load_statements

SCHEMA = load_statements("tallystick.access", "sql/schema.sql")
SQL = {
    **load_statements("tallystick.access", "sql/access.sql"),
    **load_statements("tallystick.access", "sql/carried.sql"),
}


class Step(NamedTuple):
    """A statement of access.sql or carried.sql to run."""

    statement: str
    params: tuple[Any, ...] = ()


Rows: TypeAlias = Sequence[Sequence[Any]]
R = TypeVar("R")
Script: TypeAlias = Generator[Step, Rows, R]


def bump() -> Script[None]:
    """Show the change to other processes."""
    yield Step("bump")


def schema_version() -> Script[int]:
    """The version of the tables; 0: they hold nothing yet."""
    rows = yield Step("state")
    return int(rows[0][0]) if rows else 0


def json_text(value: Any) -> str:
    """A value as the tables have it."""
    return msgspec.json.encode(value).decode()


def only_site(sites: Sequence[str]) -> str | None:
    """The site that an entry of the audit log is about; None: several, or every site."""
    return sites[0] if len(sites) == 1 and sites[0] != EVERY_SITE else None


def instant(value: int | None) -> datetime | None:
    """A time that may be absent."""
    return None if value is None else instant_of(value)


def require_sites(sites: Iterable[str]) -> Script[None]:
    """Raises NotFound: one of the sites is not known."""
    for site_id in sites:
        if site_id != EVERY_SITE and not (yield Step("site", (site_id,))):
            raise NotFound(f"there is no site {site_id!r}: `tallystick sites add` makes it known")
