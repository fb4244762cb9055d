"""Turns: who waits is served in turn by caller, no caller has the last one, and none is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import QueryTimeout
from tallystick.store.turns import CALLER, GRACE, Turn, Turns
from tests.helpers.thorough import examples


async def asking(turns: Turns, caller: str, heavy: bool = False, by: float = math.inf) -> asyncio.Task[Turn]:
    """A caller that asks for a turn; it has it already, or waits for it."""
    CALLER.set(caller)
    task = asyncio.create_task(turns.take(by, heavy))
    await asyncio.sleep(0)
    return task


async def settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_one_caller_leaves_a_turn_to_others() -> None:
    turns = Turns(3)
    own = [await asking(turns, "flood") for _ in range(9)]
    assert (turns.held, turns.waiting) == (2, 7)
    other = await asking(turns, "other")
    assert other.done()
    for task in (*own, other):
        task.cancel()
    await settled()
    assert turns.waiting == 0


async def test_statements_leave_more_and_do_not_hold_up_their_callers_questions() -> None:
    turns = Turns(3)
    statements = [await asking(turns, "flood", heavy=True) for _ in range(8)]
    assert [task.done() for task in statements] == [True] + [False] * 7
    question = await asking(turns, "flood")
    assert question.done(), "behind seven statements that wait"
    second = await asking(turns, "other", heavy=True)
    assert second.done()
    third = await asking(turns, "third", heavy=True)
    assert not third.done(), "all turns are held"
    (await question).end()
    await settled()
    assert not third.done(), "statements leave the last turn to questions"
    assert (await asking(turns, "fourth")).done()
    (await second).end()
    await settled()
    assert third.done()


async def test_who_waits_is_served_in_turn_by_caller() -> None:
    turns = Turns(2)
    first = await asking(turns, "a"), await asking(turns, "b")
    waiting = {name: await asking(turns, name[0]) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")}
    held, order = [await task for task in first], []
    while held:
        held.pop(0).end()
        await settled()
        for name in [name for name, task in waiting.items() if task.done()]:
            order.append(name)
            held.append(await waiting.pop(name))
    assert order[:3] == ["a1", "b1", "c1"], "c came last and waits for one turn of each"
    assert sorted(order) == ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]
    assert (turns.held, turns.waiting) == (0, 0)


async def test_with_a_single_turn_anybody_may_have_it() -> None:
    turns = Turns(1)
    turn = await (await asking(turns, "a", heavy=True))
    waiting = await asking(turns, "b")
    assert not waiting.done()
    turn.end()
    turn.end()
    await settled()
    assert turns.held == 1, "giving it back twice makes no second one"
    assert await waiting


async def test_the_wait_ends_at_the_deadline_and_leaves_nothing() -> None:
    turns = Turns(2)
    with await turns.take(math.inf):
        with pytest.raises(QueryTimeout, match="no turn"):
            await turns.take(asyncio.get_running_loop().time() + 0.01)
        assert turns.waiting == 0
    assert turns.held == 0


async def test_a_turn_that_comes_with_the_cancellation_goes_to_the_next() -> None:
    turns = Turns(1)
    turn = await (await asking(turns, "a"))
    unlucky, next_one = await asking(turns, "b"), await asking(turns, "c")
    turn.end()  # it is b's now, who does not know it yet
    unlucky.cancel()
    await settled()
    assert unlucky.cancelled()
    assert next_one.done()


async def test_busy_is_not_stuck() -> None:
    turns, now = Turns(3), asyncio.get_running_loop().time()
    held = [await (await asking(turns, "a", by=now + 5)) for _ in range(2)]
    many = [await asking(turns, "a", by=now + 5) for _ in range(50)]
    assert not turns.stuck()
    held[0].by = now - GRACE - 1
    assert not turns.stuck(), "one is left"
    held[1].by = now - GRACE - 1
    assert turns.stuck()
    held[1].end()
    assert not turns.stuck()
    for task in many:
        task.cancel()


async def test_waiting_for_quiet_ends_with_the_last_turn() -> None:
    turns = Turns(2)
    await turns.quiet(1_000)
    turn = await turns.take(math.inf)
    waiting = asyncio.create_task(turns.quiet(1_000))
    await settled()
    assert not waiting.done()
    await turns.quiet(0.001)
    turn.end()
    await settled()
    assert waiting.done()


# --- whatever happens -----------------------------------------------------------------------------------------------

Step = tuple[str, int, bool]
STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "end", "cancel", "late", "go"]), st.integers(0, 5), st.booleans()),
    max_size=60,
)


@given(total=st.integers(1, 5), steps=STEPS)
@settings(max_examples=examples(800), deadline=None)
def test_no_turn_is_lost_and_nobody_waits_in_vain(total: int, steps: Sequence[Step]) -> None:
    asyncio.run(_follow(total, steps))


async def _follow(total: int, steps: Sequence[Step]) -> None:
    turns = Turns(total)
    async with _ended() as tasks:
        for kind, number, flag in steps:
            if kind == "ask":
                CALLER.set(f"caller {number}")
                tasks.append(asyncio.create_task(turns.take(math.inf, heavy=flag)))
            elif kind == "go" or not tasks:
                await settled()
            elif kind == "end" and (has := [task for task in tasks if task.done() and not task.cancelled()]):
                task = has[number % len(has)]
                tasks.remove(task)
                task.result().end()
            elif kind == "cancel":
                tasks.pop(number % len(tasks)).cancel() if not tasks[number % len(tasks)].done() else None
            elif kind == "late":
                with contextlib.suppress(QueryTimeout):
                    (await turns.take(0.0, heavy=flag)).end()
            _check(turns)
        await settled()
        _check(turns)
    await settled()
    while turns.held:
        for task in [task for task in tasks if task.done() and not task.cancelled()]:
            tasks.remove(task)
            task.result().end()
        await settled()
    assert turns.waiting == 0


@contextlib.asynccontextmanager
async def _ended() -> AsyncIterator[list[asyncio.Task[Turn]]]:
    tasks: list[asyncio.Task[Turn]] = []
    yield tasks
    for task in tasks:
        if not task.done():
            task.cancel()


def _check(turns: Turns) -> None:
    """No more run than allowed, and a query waits only if it has to."""
    held = Counter(turn.caller for turn in turns._held)
    assert turns.held <= turns.total
    assert all(count <= max(1, turns.total - 1) for count in held.values())
    heavy = Counter(turn.caller for turn in turns._held if turn.heavy)
    assert all(count <= max(1, turns.total - 2) for count in heavy.values())
    assert heavy.total() <= max(1, turns.total - 1)
    if turns.held < turns.total:
        for caller, line in turns._waiting.items():
            for turn in (turn for turn in line if not turn.given.cancelled()):
                most = held[caller] >= max(1, turns.total - 1)
                full = turn.heavy and (
                    heavy[caller] >= max(1, turns.total - 2) or heavy.total() >= max(1, turns.total - 1)
                )
                assert most or full, "it could have its turn"
