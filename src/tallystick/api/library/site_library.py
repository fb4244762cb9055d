"""Saved reports and boards as one caller may see and change them: those of one site, or those of every site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Depends, Path, Query

from tallystick.access.model import Permission, Reach
from tallystick.api.access.scoped_store import NAME_A_SITE, OTHER_SITE
from tallystick.api.dependencies import GivenCaller, GivenParts
from tallystick.errors import Forbidden, InvalidRequest, NotFound
from tallystick.keys import EVERY_SITE
from tallystick.model import library as model
from tallystick.model.library import (
    ID_PATTERN,
    Board,
    BoardChange,
    BoardFields,
    Report,
    ReportChange,
    ReportFields,
    new_id,
    saved_question,
)
from tallystick.store.library import Document, Kind, Library

_ID = re.compile(ID_PATTERN)
ONLY_SEE = "you may see the reports and boards of this site, and not change them"

DocumentId: TypeAlias = Annotated[str, Path(max_length=64)]
"""The path parameter of a route about one report, board or share link."""
ListedSite: TypeAlias = Annotated[
    model.ListedSite | None, Query(description="Only this site's; `*`: those of every site together. Absent: all.")
]


class SiteLibrary:
    """A library limited to the sites that its caller may see, and may change.

    What the caller may not see is answered as if it did not exist. Methods raise what `Library` raises, too.
    """

    def __init__(self, library: Library, sees: Reach, changes: Reach) -> None:
        self.library = library
        self._sees = sees
        self._changes = changes

    async def documents(self, kind: Kind, site_id: str | None) -> Sequence[Document]:
        """The documents of a site, oldest first.

        Args:
            site_id: `*`: the documents that belong to every site together; None: all that the caller may see.

        Raises:
            Forbidden: the caller may not see that site.
        """
        if site_id is None:
            if self._sees.single is not None:
                return await self.library.documents(kind, self._sees.single)
            return [found for found in await self.library.documents(kind) if found.site_id in self._sees]
        if site_id == EVERY_SITE and self._sees.every:
            return [found for found in await self.library.documents(kind) if found.site_id is None]
        if site_id not in self._sees:
            raise Forbidden(OTHER_SITE)
        return await self.library.documents(kind, site_id)

    async def document(self, kind: Kind, id_: str) -> Document:
        """Raises NotFound."""
        found = await self.library.document(kind, id_) if _ID.fullmatch(id_) else None
        if found is None or found.site_id not in self._sees:
            raise NotFound(f"there is no {kind} {id_!r}")
        return found

    async def document_to_change(self, kind: Kind, id_: str) -> Document:
        """Raises NotFound, and Forbidden when the caller may see it only."""
        found = await self.document(kind, id_)
        if found.site_id not in self._changes:
            raise Forbidden(ONLY_SEE)
        return found

    async def create(self, kind: Kind, fields: ReportFields | BoardFields) -> Document:
        """Store a new document. Raises Forbidden when its site is not the caller's."""
        site = fields.site_id
        if not self._changes.every:
            if "site_id" not in fields.model_fields_set:
                if self._changes.single is None:
                    raise InvalidRequest(NAME_A_SITE)
                site = self._changes.single
            if site not in self._changes:
                raise Forbidden(ONLY_SEE if site in self._sees else OTHER_SITE)
        _check_query_site(fields, site)
        now = datetime.now(UTC)
        made = Document(kind, new_id(), site, _body_of(fields), now, now)
        await self.library.add(made)
        return made

    async def change(self, kind: Kind, id_: str, fields: ReportChange | BoardChange) -> Document:
        """Replace a document's fields. Raises NotFound, and InvalidRequest when it would move to another site."""
        old = await self.document_to_change(kind, id_)
        if "site_id" in fields.model_fields_set and fields.site_id != old.site_id:
            raise InvalidRequest(f"site_id: a {old.kind} stays with its site; save a new one for another")
        _check_query_site(fields, old.site_id)
        new = Document(old.kind, old.id, old.site_id, _body_of(fields), old.created_at, datetime.now(UTC))
        return await self.library.replace(new, fields.updated_at)

    async def delete(self, kind: Kind, id_: str) -> None:
        """Delete a document. Raises NotFound."""
        await self.library.remove(kind, (await self.document_to_change(kind, id_)).id)

    async def board_of_share(self, share_id: str) -> Document:
        """The board that a share link shows, to change the link. Raises NotFound and Forbidden."""
        share = await self.library.share(share_id) if _ID.fullmatch(share_id) else None
        board = None if share is None else await self.library.document("board", share.board_id)
        if board is None or board.site_id not in self._sees:
            raise NotFound(f"there is no share link {share_id!r}")
        if board.site_id not in self._changes:
            raise Forbidden(ONLY_SEE)
        return board


def _check_query_site(fields: ReportFields | BoardFields, site: str | None) -> None:
    """Raises InvalidRequest when the query of a report names another site than the report."""
    if isinstance(fields, ReportFields):
        query = fields.question
        if "site_id" in query.model_fields_set and query.site_id != site:
            raise InvalidRequest("question.site_id: it is the report's; leave it out, or name the same")


def _body_of(fields: ReportFields | BoardFields) -> dict[str, Any]:
    """The JSON that is stored beside the columns, in the form in which it is read again."""
    body = fields.model_dump(mode="json", exclude={"site_id", "updated_at"})
    if isinstance(fields, ReportFields):
        body["question"] = saved_question(fields.question)
    stored: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return stored


def report_of(found: Document) -> Report:
    """A stored report as the API answers it."""
    return Report(**_fields_of(found))


def board_of(found: Document) -> Board:
    """A stored board as the API answers it."""
    return Board(**_fields_of(found))


def _fields_of(found: Document) -> dict[str, Any]:
    own = {"id": found.id, "site_id": found.site_id, "created_at": found.created_at, "updated_at": found.updated_at}
    return {**found.body, **own}


def _library_of(parts: GivenParts, caller: GivenCaller) -> SiteLibrary:
    return SiteLibrary(parts.store.library, caller.reach(Permission.READ), caller.reach(Permission.EDIT))


GivenLibrary: TypeAlias = Annotated[SiteLibrary, Depends(_library_of)]
"""A route's parameter of this type is the library as the caller may see and change it."""
