"""The contract of a library: saved reports, boards and share links, kept beside the events; and its rules.

The rules are written once, as scripts that yield the statements they want run and get their rows; a store runs each in
one transaction of its own and lets no other change in between.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from tallystick.analysis.buckets import MICROSECOND, instant_of, micros
from tallystick.errors import Changed, InUse, InvalidRequest, LimitReached, NotFound
from tallystick.model.sql import load_statements

REPORTS_MAX = 500
BOARDS_MAX = 100
"""Most of them that a site may have; those of every site count as one more site's."""
SHARES_MAX = 50
"""Most share links of a board, expired ones included."""

Kind: TypeAlias = Literal["report", "board"]
LIMITS: dict[Kind, int] = {"report": REPORTS_MAX, "board": BOARDS_MAX}
SQL = load_statements("tallystick.store", "sql/library.sql")


class Document(msgspec.Struct, frozen=True):
    """A report or a board.

    Attributes:
        site_id: whose it is, for ever; None: of every site.
        body: everything else, a JSON object; of a board `tiles` are looked at, each with its `report_id`.
        updated_at: also its version; each change gives a later one.
    """

    kind: Kind
    id: str
    site_id: str | None
    body: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class Share(msgspec.Struct, frozen=True):
    """A link that shows a board to whoever has its token.

    Attributes:
        digest: SHA-256 of the token, which is kept nowhere.
        expires_at: from when on it shows nothing any more; None: it always does.
        last_used_at: None: never.
    """

    id: str
    board_id: str
    name: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class Library(Protocol):
    """Reports, boards and shares of a store. All methods may raise StoreUnavailable; nothing was changed then."""

    async def documents(self, kind: Kind, site: str | None = None) -> Sequence[Document]:
        """The oldest first; of one site, or (None) all there are."""

    async def document(self, kind: Kind, id_: str) -> Document | None: ...

    async def add(self, document: Document) -> None:
        """Raises LimitReached, and InvalidRequest when a board shows a report that is not there or not of its site."""

    async def replace(self, document: Document, version: datetime) -> Document:
        """Put this in place of the version that was edited; as it was kept. Its site and first instant stay.

        Raises:
            NotFound: there is none of this id (any more).
            Changed: somebody else was faster.
            InvalidRequest: as `add`.
        """

    async def remove(self, kind: Kind, id_: str) -> None:
        """A board goes with its shares. Raises NotFound, and InUse for a report that boards show."""

    async def shares(self, board_id: str) -> Sequence[Share]:
        """The oldest first, expired ones included."""

    async def share(self, id_: str) -> Share | None: ...
    async def add_share(self, share: Share) -> None:
        """Raises NotFound (no such board), LimitReached."""

    async def touch_share(self, id_: str, now: datetime) -> None:
        """It was used now."""

    async def remove_share(self, id_: str) -> None:
        """It shows nothing from now on."""


# --- rules ----------------------------------------------------------------------------------------------------------


class Ask(NamedTuple):
    """A statement of library.sql to run."""

    statement: str
    params: tuple[Any, ...]


Rows: TypeAlias = Sequence[Sequence[Any]]
R = TypeVar("R")
Script: TypeAlias = Generator[Ask, Rows, R]
"""Yields what it wants run, is sent the rows, returns the outcome. What it raises undoes everything."""


def documents(kind: Kind, site: str | None) -> Script[list[Document]]:
    """As `Library.documents`."""
    rows = yield Ask("documents", (kind, site))
    return [_document(row) for row in rows]


def document(kind: Kind, id_: str) -> Script[Document | None]:
    """As `Library.document`."""
    rows = yield Ask("document", (kind, id_))
    return _document(rows[0]) if rows else None


def add(new: Document) -> Script[None]:
    """As `Library.add`."""
    rows = yield Ask("count_documents", (new.kind, new.site_id))
    if rows[0][0] >= (most := LIMITS[new.kind]):
        raise LimitReached(f"{_of(new.site_id)} has {most} {new.kind}s already, the most there may be: delete some")
    yield from _check_tiles(new)
    instants = (micros(new.created_at), micros(new.updated_at))
    yield Ask("insert_document", (new.kind, new.id, new.site_id, _text(new.body), *instants))


def replace(new: Document, version: datetime) -> Script[Document]:
    """As `Library.replace`."""
    old = yield from document(new.kind, new.id)
    if old is None:
        raise NotFound(f"there is no {new.kind} {new.id}")
    if old.updated_at != version:
        raise Changed(f"the {new.kind} was changed meanwhile: load it again; this names a version that is not the last")
    kept = Document(
        old.kind, old.id, old.site_id, new.body, old.created_at, max(new.updated_at, old.updated_at + MICROSECOND)
    )
    yield from _check_tiles(kept)
    yield Ask("update_document", (kept.kind, kept.id, _text(kept.body), micros(kept.updated_at)))
    return kept


def remove(kind: Kind, id_: str) -> Script[None]:
    """As `Library.remove`."""
    old = yield from document(kind, id_)
    if old is None:
        raise NotFound(f"there is no {kind} {id_}")
    if kind == "board":
        yield Ask("delete_shares_of", (id_,))
    else:
        rows = yield Ask("boards_for_site", (old.site_id,))
        boards = [board for board in map(_document, rows) if id_ in _shown(board)]
        if boards:
            raise InUse(_in_use(old, boards))
    yield Ask("delete_document", (kind, id_))


def shares(board_id: str) -> Script[list[Share]]:
    """As `Library.shares`."""
    rows = yield Ask("shares", (board_id,))
    return [_share(row) for row in rows]


def share(id_: str) -> Script[Share | None]:
    """As `Library.share`."""
    rows = yield Ask("share", (id_,))
    return _share(rows[0]) if rows else None


def add_share(new: Share) -> Script[None]:
    """As `Library.add_share`."""
    if (yield from document("board", new.board_id)) is None:
        raise NotFound(f"there is no board {new.board_id}")
    if len((yield from shares(new.board_id))) >= SHARES_MAX:
        raise LimitReached(f"the board has {SHARES_MAX} share links already, the most there may be: revoke some")
    instants = (micros(new.created_at), _maybe_micros(new.expires_at), _maybe_micros(new.last_used_at))
    yield Ask("insert_share", (new.id, new.board_id, new.name, new.digest, *instants))


def touch_share(id_: str, now: datetime) -> Script[None]:
    """As `Library.touch_share`."""
    yield Ask("touch_share", (id_, micros(now)))


def remove_share(id_: str) -> Script[None]:
    """As `Library.remove_share`."""
    yield Ask("delete_share", (id_,))


def _check_tiles(board: Document) -> Script[None]:
    """A board of one site shows that site's reports alone, one of every site any."""
    shown = _shown(board) if board.kind == "board" else []
    if not shown:
        return
    rows = yield Ask("sites_of_reports", (sorted(set(shown)),))
    sites = {row[0]: row[1] for row in rows}
    for place, report in enumerate(shown):
        if report not in sites or (board.site_id is not None and sites[report] != board.site_id):
            raise InvalidRequest(f"tiles.{place}.report_id: {_of(board.site_id)} has no report {report!r}")


def _shown(board: Document) -> list[str]:
    return [tile["report_id"] for tile in board.body.get("tiles", ())]


def _in_use(report: Document, boards: Sequence[Document]) -> str:
    """Boards of every site are counted and not named: whoever has the report's site may not see them."""
    names = [f"{board.body.get('name', '')!r} ({board.id})" for board in boards if board.site_id == report.site_id]
    others = len(boards) - len(names)
    if others:
        names.append(f"{others} of every site")
    return f"boards show this report: {', '.join(names)}; take it off them first"


def _of(site_id: str | None) -> str:
    return "every site together" if site_id is None else f"the site {site_id!r}"


# --- rows -----------------------------------------------------------------------------------------------------------


def _maybe_micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def _maybe_instant(value: int | None) -> datetime | None:
    return None if value is None else instant_of(value)


def _text(body: dict[str, Any]) -> str:
    return msgspec.json.encode(body).decode("utf-8")


def _document(row: Sequence[Any]) -> Document:
    kind, id_, site_id, body, created_at, updated_at = row
    return Document(kind, id_, site_id, msgspec.json.decode(body), instant_of(created_at), instant_of(updated_at))


def _share(row: Sequence[Any]) -> Share:
    id_, board_id, name, digest, created_at, expires_at, last_used_at = row
    made, end, used = instant_of(created_at), _maybe_instant(expires_at), _maybe_instant(last_used_at)
    return Share(id_, board_id, name, bytes(digest), made, end, used)
