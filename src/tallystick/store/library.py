"""Saved reports, boards and share links, kept in the store beside the events.

Their rules are written once: as scripts, generators that yield statements of library.sql and are sent the rows. A store
only runs a script in one transaction; see `Library._read` and `Library._change`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from tallystick.analysis.buckets import MICROSECOND, instant_of, micros
from tallystick.errors import Changed, InUse, InvalidRequest, LimitReached, NotFound
from tallystick.model.sql import load_statements

REPORTS_MAX = 500
"""Most reports of a site; the reports of every site together count as those of one more site."""
BOARDS_MAX = 100
"""Most boards of a site, counted likewise."""
SHARES_MAX = 50
"""Most share links of a board, expired ones included."""

Kind: TypeAlias = Literal["report", "board"]
LIMITS: dict[Kind, int] = {"report": REPORTS_MAX, "board": BOARDS_MAX}
SQL = load_statements("tallystick.store", "sql/library.sql")


class Document(msgspec.Struct, frozen=True):
    """A report or a board.

    Attributes:
        site_id: its site, which never changes; None: it is of every site.
        body: everything else, a JSON object. A board has `tiles`, each with a `report_id`.
        updated_at: also its version: each change gives a later one.
    """

    kind: Kind
    id: str
    site_id: str | None
    body: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class Share(msgspec.Struct, frozen=True):
    """A link that shows a board to every visitor who has its token.

    Attributes:
        digest: SHA-256 of the token; the token itself is not kept.
        expires_at: from then on the link shows nothing; None: it does not expire.
        last_used_at: None: it was never used.
    """

    id: str
    board_id: str
    name: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class Step(NamedTuple):
    """A statement of library.sql to run."""

    statement: str
    params: tuple[Any, ...]


Rows: TypeAlias = Sequence[Sequence[Any]]
R = TypeVar("R")
Script: TypeAlias = Generator[Step, Rows, R]
"""Yields statements, is sent their rows, returns the outcome. An exception that it raises rolls everything back."""


class Library(ABC):
    """Reports, boards and shares of a store. All methods may raise StoreUnavailable; then nothing was changed."""

    @abstractmethod
    async def _read(self, begin: Callable[[], Script[R]]) -> R:
        """Run a script that changes nothing; `begin` makes it anew for each attempt."""

    @abstractmethod
    async def _change(self, script: Script[R]) -> R:
        """Run a script in one transaction; no other change happens at the same time."""

    async def documents(self, kind: Kind, site: str | None = None) -> Sequence[Document]:
        """The documents of one site, or (None) of all; the oldest first."""
        return await self._read(partial(_documents, kind, site))

    async def document(self, kind: Kind, id_: str) -> Document | None:
        """A document, or None."""
        return await self._read(partial(_find_document, kind, id_))

    async def add(self, document: Document) -> None:
        """Save a new document.

        Raises:
            LimitReached: the site has as many as it may.
            InvalidRequest: a board shows a report that does not exist, or is not of its site.
        """
        await self._change(_add(document))

    async def replace(self, document: Document, version: datetime) -> Document:
        """Save a new version; its site and `created_at` stay. Returns the document as it was saved.

        Args:
            version: `updated_at` of the version that was edited.

        Raises:
            NotFound: there is no such document (any more).
            Changed: the document has another version by now.
            InvalidRequest: as `add`.
        """
        return await self._change(_replace(document, version))

    async def remove(self, kind: Kind, id_: str) -> None:
        """Delete a document; a board with its shares.

        Raises:
            NotFound: there is no such document.
            InUse: boards show the report.
        """
        await self._change(_remove(kind, id_))

    async def shares(self, board_id: str) -> Sequence[Share]:
        """The shares of a board, expired ones included; the oldest first."""
        return await self._read(partial(_shares, board_id))

    async def share(self, id_: str) -> Share | None:
        """A share, or None."""
        return await self._read(partial(_find_share, id_))

    async def add_share(self, share: Share) -> None:
        """Save a new share.

        Raises:
            NotFound: there is no such board.
            LimitReached: the board has as many shares as it may.
        """
        await self._change(_add_share(share))

    async def touch_share(self, id_: str, now: datetime) -> None:
        """Note that a share is used now."""
        await self._change(_touch_share(id_, now))

    async def remove_share(self, id_: str) -> None:
        """Delete a share: its link shows nothing from now on."""
        await self._change(_remove_share(id_))

    async def replace_all(self, documents: Sequence[Document], shares: Sequence[Share]) -> None:
        """Put these in the place of all there are, as they were saved: with their ids and times. For a move."""
        await self._change(_replace_all(documents, shares))


# --- scripts --------------------------------------------------------------------------------------------------------


def _documents(kind: Kind, site: str | None) -> Script[list[Document]]:
    rows = yield Step("documents", (kind, site))
    return [_document_of(row) for row in rows]


def _find_document(kind: Kind, id_: str) -> Script[Document | None]:
    rows = yield Step("document", (kind, id_))
    return _document_of(rows[0]) if rows else None


def _add(new: Document) -> Script[None]:
    rows = yield Step("count_documents", (new.kind, new.site_id))
    if rows[0][0] >= (most := LIMITS[new.kind]):
        raise LimitReached(
            f"{_name_of_site(new.site_id)} has {most} {new.kind}s already, the most there may be: delete some"
        )
    yield from _check_tiles(new)
    instants = (micros(new.created_at), micros(new.updated_at))
    yield Step("insert_document", (new.kind, new.id, new.site_id, _json(new.body), *instants))


def _replace(new: Document, version: datetime) -> Script[Document]:
    old = yield from _find_document(new.kind, new.id)
    if old is None:
        raise NotFound(f"there is no {new.kind} {new.id}")
    if old.updated_at != version:
        raise Changed(f"the {new.kind} was changed meanwhile: load it again; this names a version that is not the last")
    # The version has to increase even if the clock does not.
    updated_at = max(new.updated_at, old.updated_at + MICROSECOND)
    kept = Document(old.kind, old.id, old.site_id, new.body, old.created_at, updated_at)
    yield from _check_tiles(kept)
    yield Step("update_document", (kept.kind, kept.id, _json(kept.body), micros(kept.updated_at)))
    return kept


def _remove(kind: Kind, id_: str) -> Script[None]:
    old = yield from _find_document(kind, id_)
    if old is None:
        raise NotFound(f"there is no {kind} {id_}")
    if kind == "board":
        yield Step("delete_shares_of", (id_,))
    else:
        rows = yield Step("boards_for_site", (old.site_id,))
        boards = [board for board in map(_document_of, rows) if id_ in _shown_reports(board)]
        if boards:
            raise InUse(_in_use(old, boards))
    yield Step("delete_document", (kind, id_))


def _replace_all(documents: Sequence[Document], shares: Sequence[Share]) -> Script[None]:
    for kind in LIMITS:
        for found in (yield from _documents(kind, None)):
            if kind == "board":
                yield Step("delete_shares_of", (found.id,))
            yield Step("delete_document", (kind, found.id))
    for kept in documents:
        instants = (micros(kept.created_at), micros(kept.updated_at))
        yield Step("insert_document", (kept.kind, kept.id, kept.site_id, _json(kept.body), *instants))
    for share in shares:
        yield from _insert_share(share)


def _insert_share(new: Share) -> Script[None]:
    instants = (micros(new.created_at), _optional_micros(new.expires_at), _optional_micros(new.last_used_at))
    yield Step("insert_share", (new.id, new.board_id, new.name, new.digest, *instants))


def _shares(board_id: str) -> Script[list[Share]]:
    rows = yield Step("shares", (board_id,))
    return [_share_of(row) for row in rows]


def _find_share(id_: str) -> Script[Share | None]:
    rows = yield Step("share", (id_,))
    return _share_of(rows[0]) if rows else None


def _add_share(new: Share) -> Script[None]:
    if (yield from _find_document("board", new.board_id)) is None:
        raise NotFound(f"there is no board {new.board_id}")
    if len((yield from _shares(new.board_id))) >= SHARES_MAX:
        raise LimitReached(f"the board has {SHARES_MAX} share links already, the most there may be: revoke some")
    yield from _insert_share(new)


def _touch_share(id_: str, now: datetime) -> Script[None]:
    yield Step("touch_share", (id_, micros(now)))


def _remove_share(id_: str) -> Script[None]:
    yield Step("delete_share", (id_,))


def _check_tiles(board: Document) -> Script[None]:
    """Refuse a board of one site that shows reports of another; a board of every site may show any report."""
    shown = _shown_reports(board) if board.kind == "board" else []
    if not shown:
        return
    rows = yield Step("sites_of_reports", (sorted(set(shown)),))
    sites = {row[0]: row[1] for row in rows}
    for index, report in enumerate(shown):
        if report not in sites or (board.site_id is not None and sites[report] != board.site_id):
            raise InvalidRequest(f"tiles.{index}.report_id: {_name_of_site(board.site_id)} has no report {report!r}")


def _shown_reports(board: Document) -> list[str]:
    return [tile["report_id"] for tile in board.body.get("tiles", ())]


def _in_use(report: Document, boards: Sequence[Document]) -> str:
    """The error for a report that boards show.

    Boards of every site are counted and not named, because a caller who may see the report's site may not see them.
    """
    names = [f"{board.body.get('name', '')!r} ({board.id})" for board in boards if board.site_id == report.site_id]
    others = len(boards) - len(names)
    if others:
        names.append(f"{others} of every site")
    return f"boards show this report: {', '.join(names)}; take it off them first"


def _name_of_site(site_id: str | None) -> str:
    return "every site together" if site_id is None else f"the site {site_id!r}"


# --- rows -----------------------------------------------------------------------------------------------------------


def _optional_micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def _optional_instant(value: int | None) -> datetime | None:
    return None if value is None else instant_of(value)


def _json(body: dict[str, Any]) -> str:
    return msgspec.json.encode(body).decode("utf-8")


def _document_of(row: Sequence[Any]) -> Document:
    kind, id_, site_id, body, created_at, updated_at = row
    return Document(kind, id_, site_id, msgspec.json.decode(body), instant_of(created_at), instant_of(updated_at))


def _share_of(row: Sequence[Any]) -> Share:
    id_, board_id, name, digest, created_at, expires_at, last_used_at = row
    made, end, used = instant_of(created_at), _optional_instant(expires_at), _optional_instant(last_used_at)
    return Share(id_, board_id, name, bytes(digest), made, end, used)
