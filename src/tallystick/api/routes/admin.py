"""Receipts and dead letters: what became of events, and what to do about those that could not be stored."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import Convertor, register_url_convertor

from tallystick.api.access import Access, Guarded, access
from tallystick.api.parts import GivenParts, GivenSite, Parts
from tallystick.api.replay import BadOriginal, line_to_replay
from tallystick.api.routes.query import require_json
from tallystick.errors import InvalidRequest, NotFound
from tallystick.model.block import parse_receipt, receipt_of
from tallystick.model.books import LedgerEntry
from tallystick.model.status import (
    DeadLetterDetail,
    DeadLetterList,
    DeadLetterSummary,
    DropReport,
    NotDone,
    ReceiptStatus,
    ReplayReport,
)
from tallystick.store.base import StoredDeadLetter

ID_MAX = 2**63 - 1
LINES_MAX = 4 * 1024 * 1024
"""Most bytes of canonical lines in one replay."""

LetterId = Annotated[int, Field(ge=0, le=ID_MAX)]


class _Digits(Convertor[int]):
    """A number in a path, however long: Python refuses to read more than 4,300 digits, which Starlette's own does not
    expect. Whatever is beyond 64 bits becomes a number that is refused as too large.
    """

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        digits = value.lstrip("0") or "0"
        return int(digits) if len(digits) < len(str(ID_MAX)) + 1 else ID_MAX + 1

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("digits", _Digits())

router = APIRouter(tags=["operations"], route_class=Guarded)


# --- receipts -------------------------------------------------------------------------------------------------------


@router.get("/v1/receipts/{receipt}")
@access(Access.SITE)
async def receipt_status(
    parts: GivenParts,
    site: GivenSite,
    receipt: Annotated[str, Path(max_length=64, description="As a write request's answer gave it.")],
) -> ReceiptStatus:
    """Is the block with this request's events stored yet, and what became of its events?

    With a key of one site the answer is the state alone: other sites' events may be in the block, and in its numbers.
    """
    status = await _status_of(parts, receipt)
    return status if site is None else ReceiptStatus(receipt=status.receipt, state=status.state)


async def _status_of(parts: Parts, receipt: str) -> ReceiptStatus:
    """The store is asked twice: a block may be stored and leave the queue between the two looks."""
    key = parse_receipt(receipt)
    if key is None:
        raise NotFound("that has not the form of a receipt")
    if entry := await parts.store.receipt(*key):
        return _stored(receipt, entry)
    books = await parts.queue.books()
    for block in books.queued:
        if (block.ingester, block.seq) == key:
            return ReceiptStatus(receipt=receipt, state="queued", count=block.count)
    if entry := await parts.store.receipt(*key):
        return _stored(receipt, entry)
    ledger = (await parts.store.ledger()).get(key[0])
    if ledger is not None and key[1] < ledger.folded:
        return ReceiptStatus(receipt=receipt, state="stored")
    published = books.published.get(key[0])
    if books.held and published is not None and key[1] < published.next_seq:  # one that the queue does not name
        return ReceiptStatus(receipt=receipt, state="queued")
    raise NotFound("no block has this receipt")


def _stored(receipt: str, entry: LedgerEntry) -> ReceiptStatus:
    return ReceiptStatus(
        receipt=receipt,
        state="stored",
        count=entry.count,
        stored=entry.stored,
        duplicates=entry.duplicates,
        dead=entry.dead,
        loaded_at=entry.loaded_at,
    )


# --- dead letters ---------------------------------------------------------------------------------------------------


class DeadParams(BaseModel):
    """Which dead letters."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["dead", "replayed", "dropped", "all"] = "dead"
    limit: int = Field(100, ge=1, le=1_000)
    after: LetterId = Field(0, description="Only ids greater than this: `next_after` of the page before.")


class Drop(BaseModel):
    """Dead letters to give up."""

    model_config = ConfigDict(extra="forbid")

    ids: list[LetterId] = Field(min_length=1, max_length=1_000)


class Replay(Drop):
    """Dead letters to put into the queue again."""

    original: str | None = Field(
        None, description="With a single id: the corrected event, in the form that `GET /v1/dead/{id}` shows."
    )


@router.get("/v1/dead")
@access(Access.EVERY)
async def dead_letters(parts: GivenParts, params: Annotated[DeadParams, Query()]) -> DeadLetterList:
    """Events that the store could not take, by ascending id."""
    state = None if params.state == "all" else params.state
    found = await parts.store.dead_letters(state, params.limit, params.after)
    more = found[-1].id if len(found) == params.limit else None
    return DeadLetterList(dead=[DeadLetterSummary(**summary(letter)) for letter in found], next_after=more)


@router.get("/v1/dead/{letter_id:digits}")
@access(Access.EVERY)
async def dead_letter(parts: GivenParts, letter_id: Annotated[int, Path(ge=0, le=ID_MAX)]) -> DeadLetterDetail:
    """One dead letter with its original bytes."""
    stored = await parts.store.dead_letter(letter_id)
    if stored is None:
        raise NotFound(f"there is no dead letter {letter_id}")
    return detail(stored)


@router.post("/v1/dead/replay", dependencies=[Depends(require_json)])
@access(Access.EVERY)
async def replay(parts: GivenParts, request: Request, order: Replay) -> ReplayReport:
    """Put dead letters into the queue again, as they are or corrected.

    They are marked as replayed once the queue has them; a repeated replay stores nothing twice, the ids are the same.
    """
    ids = list(dict.fromkeys(order.ids))
    if order.original is not None and len(ids) != 1:
        raise InvalidRequest("original corrects one event: give a single id with it")
    lines, good, bad, size = [], [], [], 0
    for stored, refused in await _dead_among(parts, ids):
        if stored is None:
            bad.append(refused)
            continue
        try:
            line = line_to_replay(stored.letter, order.original, parts.settings.max_event_bytes)
        except BadOriginal as error:
            bad.append(NotDone(id=stored.id, code=error.code, message=str(error)))
            continue
        size += len(line)
        if size > LINES_MAX:
            bad.append(NotDone(id=stored.id, code="too_many", message="replay it with the next request"))
            continue
        lines.append(line)
        good.append(stored.id)
    receipt = None
    if good:
        receipt = await parts.republish(b"".join(lines), len(lines), request.state.request_id)
        await parts.store.mark_dead(good, "replayed")
    return ReplayReport(replayed=good, receipt=receipt, not_replayed=[note for note in bad if note])


@router.post("/v1/dead/drop", dependencies=[Depends(require_json)])
@access(Access.EVERY)
async def drop(parts: GivenParts, order: Drop) -> DropReport:
    """Give dead letters up; their rows stay, marked as dropped."""
    looked_up = await _dead_among(parts, list(dict.fromkeys(order.ids)))
    good = [stored.id for stored, _ in looked_up if stored]
    if good:
        await parts.store.mark_dead(good, "dropped")
    return DropReport(dropped=good, not_dropped=[refused for _, refused in looked_up if refused])


async def _dead_among(parts: Parts, ids: Sequence[int]) -> list[tuple[StoredDeadLetter, None] | tuple[None, NotDone]]:
    """Each id's letter when its state is dead, else why it is left alone."""
    found: list[tuple[StoredDeadLetter, None] | tuple[None, NotDone]] = []
    for letter_id in ids:
        stored = await parts.store.dead_letter(letter_id)
        if stored is None:
            found.append((None, NotDone(id=letter_id, code="not_found", message="there is no such dead letter")))
        elif stored.state != "dead":
            was = stored.state
            found.append((None, NotDone(id=letter_id, code=f"already_{was}", message=f"it was {was} before")))
        else:
            found.append((stored, None))
    return found


def summary(stored: StoredDeadLetter) -> dict[str, Any]:
    """The fields of a `DeadLetterSummary`."""
    letter = stored.letter
    return {
        "id": stored.id,
        "state": stored.state,
        "code": letter.code,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "events": letter.events,
        "dead_at": stored.dead_at,
        "receipt": receipt_of(letter.ingester, letter.seq),
        "index": letter.index,
    }


def detail(stored: StoredDeadLetter) -> DeadLetterDetail:
    """A dead letter as `GET /v1/dead/{id}` answers it."""
    try:
        text, encoding = stored.letter.original.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(stored.letter.original).decode("ascii"), "base64"
    return DeadLetterDetail(**summary(stored), original=text, encoding=encoding)
