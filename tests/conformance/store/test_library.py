"""Reports, boards and share links, on every store: kept, changed by one at a time, bounded, there after a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.errors import Changed, InUse, InvalidRequest, LimitReached, NotFound
from tallystick.store import Store, make_store
from tallystick.store import library as rules
from tallystick.store.library import Document, Kind, Share
from tests.helpers.samples import sample_block

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
BODY = {"name": 'quote " \\ \u2028 ü', "question": {"kind": "events", "n": 1.5}, "view": {"deep": [{"": None}]}}


def document(kind: Kind, id_: str, site: str | None = "shop", seconds: int = 0, **body: Any) -> Document:
    made = NOON + timedelta(seconds=seconds)
    return Document(kind, id_, site, {**BODY, **body}, made, made)


def board(id_: str, site: str | None, *reports: str, seconds: int = 0) -> Document:
    return document("board", id_, site, seconds, tiles=[{"report_id": report} for report in reports])


def share(id_: str, board_id: str = "b", **fields: Any) -> Share:
    return Share(id_, board_id, f"for {id_}", bytes(range(32)), NOON, **fields)


# --- keeping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["report", "board"])
@pytest.mark.parametrize("site", ["shop", "", "*", None])
async def test_what_is_added_is_there_as_it_was_given(store: Store, kind: Kind, site: str | None) -> None:
    given = document(kind, "a", site)
    await store.library.add(given)
    assert await store.library.document(kind, "a") == given
    assert await store.library.documents(kind) == [given]
    other: Kind = "board" if kind == "report" else "report"
    assert await store.library.document(other, "a") is None
    assert await store.library.documents(other) == []


async def test_the_oldest_come_first_and_sites_apart(store: Store) -> None:
    for id_, site, seconds in (("c", "shop", 2), ("a", "blog", 1), ("b", None, 0), ("d", "shop", 1), ("0", "shop", 2)):
        await store.library.add(document("report", id_, site, seconds))
    assert [found.id for found in await store.library.documents("report")] == ["b", "a", "d", "0", "c"]
    assert [found.id for found in await store.library.documents("report", "shop")] == ["d", "0", "c"]
    assert await store.library.documents("report", "none") == []


async def test_what_was_changed_is_there_under_a_later_version(store: Store) -> None:
    old = document("report", "a")
    await store.library.add(old)
    changed = document("report", "a", "blog", -3_600, name="new")  # its site and first instant are not looked at
    kept = await store.library.replace(changed, old.updated_at)
    assert (kept.site_id, kept.created_at, kept.body["name"]) == ("shop", old.created_at, "new")
    assert kept.updated_at > old.updated_at
    assert await store.library.document("report", "a") == kept
    later = await store.library.replace(document("report", "a", seconds=60), kept.updated_at)
    assert later.updated_at == NOON + timedelta(seconds=60)


async def test_what_was_removed_is_gone(store: Store) -> None:
    await store.library.add(document("report", "a"))
    await store.library.add(document("report", "b"))
    await store.library.remove("report", "a")
    assert [found.id for found in await store.library.documents("report")] == ["b"]
    with pytest.raises(NotFound):
        await store.library.remove("report", "a")
    with pytest.raises(NotFound):
        await store.library.replace(document("report", "a"), NOON)
    with pytest.raises(NotFound):
        await store.library.remove("board", "b")


async def test_all_of_it_is_there_after_a_restart(store_settings: Settings) -> None:
    first = make_store(store_settings)
    await first.open()
    await first.library.add(document("report", "r"))
    await first.library.add(board("b", "shop", "r"))
    await first.library.add_share(share("s", expires_at=NOON))
    await first.close()
    second = make_store(store_settings)
    await second.open()
    try:
        assert await second.library.document("report", "r") == document("report", "r")
        assert await second.library.document("board", "b") == board("b", "shop", "r")
        assert await second.library.share("s") == share("s", expires_at=NOON)
        assert await second.verify() == []
    finally:
        await second.close()


async def test_retention_leaves_it_alone(store: Store) -> None:
    await store.library.add(document("report", "r"))
    await store.write([sample_block(0, range(10))])
    assert (await store.purge(NOON + timedelta(days=2))).events == 10
    assert len(await store.library.documents("report")) == 1
    assert await store.verify() == []


# --- several at a time ----------------------------------------------------------------------------------------------


async def test_only_the_version_that_is_there_can_be_changed(store: Store) -> None:
    await store.library.add(document("report", "a"))
    first = await store.library.replace(document("report", "a", name="first"), NOON)
    for version in (NOON, first.updated_at + timedelta(microseconds=1), first.updated_at - timedelta(microseconds=1)):
        with pytest.raises(Changed):
            await store.library.replace(document("report", "a", name="second"), version)
    assert await store.library.document("report", "a") == first


async def test_of_many_who_change_the_same_version_one_wins(store: Store) -> None:
    await store.library.add(document("report", "a"))
    tries = [store.library.replace(document("report", "a", name=str(n)), NOON) for n in range(12)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, Document)]
    assert len(won) == 1
    assert sum(isinstance(outcome, Changed) for outcome in outcomes) == 11
    assert await store.library.document("report", "a") == won[0]


async def test_changes_while_events_are_stored(store: Store) -> None:
    """Neither is in the other's way: every batch is stored, every report kept."""

    async def load() -> None:
        for seq in range(8):
            await store.write([sample_block(seq, range(seq * 500, seq * 500 + 500))])

    async def save() -> None:
        for number in range(20):
            await store.library.add(document("report", f"r{number}"))
            await store.library.replace(document("report", f"r{number}", name="new"), NOON)

    await asyncio.gather(load(), save(), load())
    assert {found.body["name"] for found in await store.library.documents("report")} == {"new"}
    assert len(await store.library.documents("report")) == 20
    assert sum(entry.stored for entry in (await store.ledger()).values()) == 4_000
    assert await store.verify() == []


async def test_two_processes_share_a_library(settings: Settings, postgres_url: str) -> None:
    """Where the store is on a server: what one of them changes the other sees at once."""
    stores = [make_store(settings.model_copy(update={"store_url": postgres_url})) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    try:
        one, two = (store.library for store in stores)
        await one.add(document("report", "a"))
        kept = await two.replace(document("report", "a", name="two"), NOON)
        with pytest.raises(Changed):
            await one.replace(document("report", "a", name="one"), NOON)
        assert await one.document("report", "a") == kept
        # A board that begins to show a report while it is deleted: one of the two is refused, whichever comes second.
        for round_ in range(10):
            report, shows = f"r{round_}", f"b{round_}"
            await one.add(document("report", report))
            outcomes = await asyncio.gather(
                one.remove("report", report), two.add(board(shows, "shop", report)), return_exceptions=True
            )
            refused = [outcome for outcome in outcomes if outcome is not None]
            assert len(refused) == 1
            assert isinstance(refused[0], InUse | InvalidRequest)
    finally:
        for store in stores:
            await store.close()


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["report", "board"])
async def test_a_site_has_so_many_and_no_more(store: Store, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.LIMITS, kind, 3)
    for site in ("shop", None):
        for number in range(3):
            await store.library.add(document(kind, f"{site}{number}", site))
        with pytest.raises(LimitReached, match="3"):
            await store.library.add(document(kind, f"{site}3", site))
    await store.library.remove(kind, "shop1")
    tries = [store.library.add(document(kind, f"again{number}")) for number in range(4)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert len(await store.library.documents(kind, "shop")) == 3


async def test_a_board_has_so_many_links_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "SHARES_MAX", 2)
    await store.library.add(board("b", "shop"))
    await store.library.add(board("c", "shop"))
    for id_, board_id in (("s", "b"), ("t", "b"), ("u", "c")):
        await store.library.add_share(share(id_, board_id))
    with pytest.raises(LimitReached, match="2"):
        await store.library.add_share(share("v"))
    await store.library.remove_share("s")
    await store.library.add_share(share("v"))
    assert [found.id for found in await store.library.shares("b")] == ["t", "v"]


# --- boards and their reports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "shown", "fits"),
    [
        ("shop", "shop", True),
        ("shop", "blog", False),
        ("shop", "every", False),
        ("shop", "none", False),
        (None, "shop", True),
        (None, "every", True),
        (None, "none", False),
    ],
)
async def test_a_board_shows_reports_that_are_there_and_of_its_site(
    store: Store, site: str | None, shown: str, fits: bool
) -> None:
    for id_, of in (("shop", "shop"), ("blog", "blog"), ("every", None)):
        await store.library.add(document("report", id_, of))
    await store.library.add(board("old", site))
    if fits:
        await store.library.add(board("b", site, shown, shown))
        await store.library.replace(board("old", site, shown), NOON)
    else:
        with pytest.raises(InvalidRequest, match=r"tiles\.0\.report_id"):
            await store.library.add(board("b", site, shown))
        with pytest.raises(InvalidRequest, match=r"tiles\.0\.report_id"):
            await store.library.replace(board("old", site, shown), NOON)
        assert await store.library.document("board", "b") is None
        assert await store.library.document("board", "old") == board("old", site)


async def test_a_report_that_boards_show_stays(store: Store) -> None:
    """The refusal names the boards of its site, and counts the others."""
    for id_ in ("r", "q"):
        await store.library.add(document("report", id_))
    await store.library.add(board("b", "shop", "q", "r"))
    await store.library.add(board("e", None, "r"))
    with pytest.raises(InUse, match=r"\(b\), 1 of every site") as refused:
        await store.library.remove("report", "r")
    assert "(e)" not in refused.value.message
    await store.library.replace(board("b", "shop", "q"), NOON)
    with pytest.raises(InUse, match="report: 1 of every site;"):
        await store.library.remove("report", "r")
    await store.library.remove("board", "e")
    await store.library.remove("report", "r")
    assert [found.id for found in await store.library.documents("report")] == ["q"]


# --- links ----------------------------------------------------------------------------------------------------------


async def test_links_are_kept_used_and_removed(store: Store) -> None:
    await store.library.add(board("b", "shop"))
    given = share("s", expires_at=NOON + timedelta(days=1))
    await store.library.add_share(given)
    assert await store.library.share("s") == given
    await store.library.touch_share("s", NOON + timedelta(minutes=5))
    await store.library.touch_share("s", NOON)  # an earlier use that comes late
    used = await store.library.share("s")
    assert used is not None
    assert used.last_used_at == NOON + timedelta(minutes=5)
    assert await store.library.shares("b") == [used]
    await store.library.remove_share("s")
    await store.library.remove_share("s")
    assert await store.library.share("s") is None


async def test_links_go_with_their_board(store: Store) -> None:
    for id_ in ("b", "c"):
        await store.library.add(board(id_, "shop"))
        await store.library.add_share(share(f"of-{id_}", id_))
    await store.library.remove("board", "b")
    assert await store.library.share("of-b") is None
    assert await store.library.share("of-c") is not None
    with pytest.raises(NotFound):
        await store.library.add_share(share("new", "b"))
