"""The library as somebody may see it: one site's reports and boards, or everybody's; and what its parts become."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Depends

from tallystick.api.parts import GivenParts, GivenSite
from tallystick.errors import Forbidden, InvalidRequest, NotFound
from tallystick.keys import EVERY_SITE
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
OTHER_SITE = "the key is for one site, and this is about another, or about all of them"


class Shelf:
    """What somebody with a key may see of a library and change in it. What they may not see is not there."""

    def __init__(self, library: Library, site: str | None) -> None:
        self.library = library
        self._site = site

    async def all(self, kind: Kind, site_id: str | None) -> Sequence[Document]:
        """Those of a site, `*`: of every site together, None: all that may be seen. Raises Forbidden."""
        if site_id is None:
            return await self.library.documents(kind, self._site)
        if self._site not in (None, site_id):
            raise Forbidden(OTHER_SITE)
        if site_id == EVERY_SITE:
            return [found for found in await self.library.documents(kind) if found.site_id is None]
        return await self.library.documents(kind, site_id)

    async def one(self, kind: Kind, id_: str) -> Document:
        """Raises NotFound."""
        found = await self.library.document(kind, id_) if _ID.fullmatch(id_) else None
        if found is None or self._site not in (None, found.site_id):
            raise NotFound(f"there is no {kind} {id_!r}")
        return found

    async def board_of_share(self, share_id: str) -> Document:
        """The board that a share link shows. Raises NotFound."""
        share = await self.library.share(share_id) if _ID.fullmatch(share_id) else None
        board = None if share is None else await self.library.document("board", share.board_id)
        if board is None or self._site not in (None, board.site_id):
            raise NotFound(f"there is no share link {share_id!r}")
        return board

    def new(self, kind: Kind, fields: ReportFields | BoardFields) -> Document:
        """A document with these fields. Raises Forbidden: its site is not the key's."""
        site = fields.site_id
        if self._site is not None:
            if "site_id" in fields.model_fields_set and site != self._site:
                raise Forbidden(OTHER_SITE)
            site = self._site
        _check_question(fields, site)
        now = datetime.now(UTC)
        return Document(kind, new_id(), site, body_of(fields), now, now)


def _check_question(fields: ReportFields | BoardFields, site: str | None) -> None:
    """A report's question is about the report's site. Raises InvalidRequest."""
    if isinstance(fields, ReportFields):
        question = fields.question
        if "site_id" in question.model_fields_set and question.site_id != site:
            raise InvalidRequest("question.site_id: it is the report's; leave it out, or name the same")


def body_of(fields: ReportFields | BoardFields) -> dict[str, Any]:
    """What is stored beside the columns, as it will be read again."""
    body = fields.model_dump(mode="json", exclude={"site_id", "updated_at"})
    if isinstance(fields, ReportFields):
        body["question"] = saved_question(fields.question)
    stored: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return stored


def changed(old: Document, fields: ReportChange | BoardChange) -> Document:
    """The document with other fields. Raises InvalidRequest: it would belong to another site."""
    if "site_id" in fields.model_fields_set and fields.site_id != old.site_id:
        raise InvalidRequest(f"site_id: a {old.kind} stays with its site; save a new one for another")
    _check_question(fields, old.site_id)
    return Document(old.kind, old.id, old.site_id, body_of(fields), old.created_at, datetime.now(UTC))


def report_of(found: Document) -> Report:
    """A document as its routes answer it."""
    return Report(**_named(found))


def board_of(found: Document) -> Board:
    """Likewise."""
    return Board(**_named(found))


def _named(found: Document) -> dict[str, Any]:
    own = {"id": found.id, "site_id": found.site_id, "created_at": found.created_at, "updated_at": found.updated_at}
    return {**found.body, **own}


def _shelf_of(parts: GivenParts, site: GivenSite) -> Shelf:
    return Shelf(parts.store.library, site)


GivenShelf: TypeAlias = Annotated[Shelf, Depends(_shelf_of)]
"""A route's parameter of this type is the library as the caller's key shows it."""
