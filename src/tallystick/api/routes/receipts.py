"""GET /v1/receipts/{receipt}: what became of the events of one write request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenParts, GivenReach, Parts
from tallystick.errors import NotFound
from tallystick.model.block import parse_receipt
from tallystick.model.books import LedgerEntry
from tallystick.model.status import ReceiptStatus

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


@router.get("/v1/receipts/{receipt}")
@access(Access.SITE)
async def receipt_status(
    parts: GivenParts,
    reach: GivenReach,
    receipt: Annotated[str, Path(max_length=64, description="As a write request's answer gave it.")],
) -> ReceiptStatus:
    """Is the block with this request's events stored yet, and what became of its events?

    With a key of some sites the answer is the state alone: other sites' events may be in the block, and in its numbers.
    """
    status = await _status_of(parts, receipt)
    return status if reach.every else ReceiptStatus(receipt=status.receipt, state=status.state)


async def _status_of(parts: Parts, receipt: str) -> ReceiptStatus:
    """Looks in the store before and after the queue: between the two looks a block may move from queue to store."""
    key = parse_receipt(receipt)
    if key is None:
        raise NotFound("that does not have the form of a receipt")
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
    if (
        books.held and published is not None and key[1] < published.next_seq
    ):  # the queue holds blocks that it does not list
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
        erased=entry.erased,
        loaded_at=entry.loaded_at,
    )
