"""Dead letters: list the events that could not be stored, look at one, replay or drop them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import Convertor, register_url_convertor

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenAudit, GivenParts, Parts
from tallystick.api.query_answer import require_json
from tallystick.api.replay import BadOriginal, line_to_replay
from tallystick.errors import InvalidRequest, NotFound
from tallystick.model.block import receipt_of
from tallystick.model.status import (
    DeadLetterDetail,
    DeadLetterList,
    DeadLetterSummary,
    DropReport,
    NotDone,
    ReplayReport,
)
from tallystick.store.base import StoredDeadLetter

ID_MAX = 2**63 - 1
LINES_MAX = 4 * 1024 * 1024
"""Most bytes of canonical lines that one request replays."""

LetterId = Annotated[int, Field(ge=0, le=ID_MAX)]


class _Digits(Convertor[int]):
    """A number of any length in a path.

    Python refuses to parse more than 4,300 digits, and Starlette's own convertor does not handle that error. A number
    beyond 64 bits becomes `ID_MAX + 1`, which validation then refuses as too large.
    """

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        digits = value.lstrip("0") or "0"
        return int(digits) if len(digits) < len(str(ID_MAX)) + 1 else ID_MAX + 1

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("digits", _Digits())

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class DeadParams(BaseModel):
    """Which dead letters."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["dead", "replayed", "dropped", "erased", "all"] = "dead"
    limit: int = Field(100, ge=1, le=1_000)
    after: LetterId = Field(0, description="Only ids greater than this: `next_after` of the page before.")


class Drop(BaseModel):
    """Dead letters to drop."""

    model_config = ConfigDict(extra="forbid")

    ids: list[LetterId] = Field(min_length=1, max_length=1_000)


class Replay(Drop):
    """Dead letters to replay."""

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
@access(Access.EVERY, Permission.OPERATE)
async def replay(parts: GivenParts, audit: GivenAudit, request: Request, order: Replay) -> ReplayReport:
    """Put dead letters into the queue again, as they are or corrected.

    They are marked as replayed once the queue has them. A repeated replay stores nothing twice, because event ids stay.
    """
    ids = list(dict.fromkeys(order.ids))
    if order.original is not None and len(ids) != 1:
        raise InvalidRequest("original corrects one event: give a single id with it")
    lines, good, bad, size = [], [], [], 0
    for stored, refused in await _split_by_state(parts, ids):
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
        await audit.note("dead.replay", receipt, letters=len(good))
    return ReplayReport(replayed=good, receipt=receipt, not_replayed=[note for note in bad if note])


@router.post("/v1/dead/drop", dependencies=[Depends(require_json)])
@access(Access.EVERY, Permission.OPERATE)
async def drop(parts: GivenParts, audit: GivenAudit, order: Drop) -> DropReport:
    """Drop dead letters: their rows stay, marked as dropped."""
    checked = await _split_by_state(parts, list(dict.fromkeys(order.ids)))
    good = [stored.id for stored, _ in checked if stored]
    if good:
        await parts.store.mark_dead(good, "dropped")
        await audit.note("dead.drop", "", letters=len(good))
    return DropReport(dropped=good, not_dropped=[refused for _, refused in checked if refused])


async def _split_by_state(
    parts: Parts, ids: Sequence[int]
) -> list[tuple[StoredDeadLetter, None] | tuple[None, NotDone]]:
    """For each id the stored letter when its state is dead, else why it is left as it is."""
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
