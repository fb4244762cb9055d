"""What the figures of `tallystick bench` rest on: the events, the client's clock and counts, how it treats a server."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from benchmarks import render
from tallystick.cli.bench import query
from tallystick.cli.bench.events import DAY_US, bodies, day_blocks, uniform_blocks
from tallystick.cli.bench.load import Target
from tallystick.cli.bench.load_client import LoadFailed, closed_loop, paced, wrap
from tallystick.cli.bench.query_list import timed_queries
from tallystick.cli.bench.report import DedupeFigures, QueryFigures, Report, machine
from tallystick.cli.bench.scenario import Scenario, run_users
from tallystick.cli.bench.tables import markdown, sheets
from tallystick.harness.server import ServerFailed, ServerProcess
from tallystick.model.event import decode_line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000

Answer = Callable[[bytes], Awaitable[list[bytes]]]
"""From a request's body to the bytes of the answer, in the pieces that they are sent in."""


# --- events ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminal", "seconds", "lines"), [(False, 0.0, 2), (False, 60.0, 0), (True, 0.0, 0)])
def test_the_progress_of_a_long_step_is_printed_where_no_bar_moves(
    terminal: bool, seconds: float, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "SAY_SECONDS", seconds)
    printed = io.StringIO()
    log = query.ProgressLog(Console(file=printed, force_terminal=terminal))
    for step in range(2):
        log.say(f"Housekeeping: {step} steps done")
    assert printed.getvalue().count("steps done") == lines


def test_single_bodies_are_events_with_ids_of_their_own() -> None:
    events = [json.loads(body) for body in bodies(2_500, 1, NOW_US)]
    assert len({event["event_id"] for event in events}) == 2_500
    for event in events:
        assert NOW - timedelta(minutes=1) <= datetime.fromisoformat(event["timestamp"]) <= NOW
        assert 2 <= len(event["properties"]) <= 4
        assert event["user_id"]
        assert event["path"].startswith("/")


def test_the_same_seed_never_repeats_an_id() -> None:
    first, second = bodies(100, 1, NOW_US), bodies(100, 1, NOW_US)
    assert not {json.loads(b)["event_id"] for b in first} & {json.loads(b)["event_id"] for b in second}


@pytest.mark.parametrize(("events", "size", "counts"), [(25_000, 1_000, [1_000] * 25), (250, 100, [100, 100, 50])])
def test_bodies_have_as_many_events_as_they_should(events: int, size: int, counts: list[int]) -> None:
    parsed = [json.loads(body)["events"] for body in bodies(events, size, NOW_US)]
    assert [len(part) for part in parsed] == counts
    assert len({event["event_id"] for part in parsed for event in part}) == events


def test_a_made_day_is_canonical_and_has_its_people_and_sessions() -> None:
    day = NOW_US // DAY_US * DAY_US
    blocks = day_blocks("0123456789abcdef", 7, day, 12_000, 1_000)
    assert [(block.seq, block.count) for block in blocks] == [(7, 10_000), (8, 2_000)]
    events = [decode_line(line) for block in blocks for line in block.lines().splitlines()]
    assert {event.timestamp.date() for event in events} == {NOW.date()}
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    assert len({event.user_id for event in events}) == 1_000
    assert len({event.session_id for event in events}) == 2_000
    assert all(event.received_at - event.timestamp == timedelta(seconds=1) for event in events)
    paths = Counter(event.path for event in events).most_common()
    assert paths[0][1] > 10 * paths[-1][1], "paths have a long tail"


def test_made_blocks_arrive_when_they_are_said_to() -> None:
    (block,) = uniform_blocks("0123456789abcdef", 0, 50, NOW_US - DAY_US, NOW_US, NOW_US)
    events = [decode_line(line) for line in block.lines().splitlines()]
    assert {event.received_at for event in events} == {NOW}
    assert all(NOW - timedelta(days=1) <= event.timestamp < NOW for event in events)


def test_what_comes_in_later_changes_no_answer_about_the_history() -> None:
    unbounded = [
        question.name for question in timed_queries(NOW_US, "u1") if not {"since", "until"} <= question.body.keys()
    ]
    assert unbounded == ["newest 100 events", "property keys"]


# --- the client -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """The address of a server that reads whole requests and sends whatever `answer` makes of their bodies."""
    connections: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                for piece in await answer(await reader.readexactly(length)):
                    writer.write(piece)
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*filter(None, connections))


def accepted(events: int) -> list[bytes]:
    body = json.dumps({"accepted": events}).encode()
    return [b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)]


async def test_the_closed_loop_sends_each_request_once_and_counts_what_was_accepted() -> None:
    seen: Counter[bytes] = Counter()

    async def answer(body: bytes) -> list[bytes]:
        seen[body] += 1
        return accepted(len(body))

    sent = [b"x" * n for n in range(1, 51)]
    async with serving(answer) as url:
        tally = await closed_loop(url, wrap(url, sent), 4)
    assert seen == Counter(sent)
    assert (tally.requests, tally.events, tally.refused) == (50, sum(range(1, 51)), 0)
    assert 0 < tally.milliseconds(50) <= tally.milliseconds(100)


async def test_connections_are_shared_by_all_servers() -> None:
    seen: Counter[int] = Counter()

    def answer_of(server: int) -> Answer:
        async def answer(body: bytes) -> list[bytes]:
            seen[server] += 1
            await asyncio.sleep(0.01)
            return accepted(1)

        return answer

    async with serving(answer_of(1)) as one, serving(answer_of(2)) as other:
        tally = await closed_loop([one, other], wrap(one, [b"{}"] * 40), 4)
    assert tally.events == 40
    assert seen.total() == 40
    assert min(seen[1], seen[2]) >= 2, "each server has two of the connections"


async def test_an_answer_in_pieces_is_one_answer() -> None:
    async def answer(body: bytes) -> list[bytes]:
        (whole,) = accepted(9)
        return [whole[n : n + 1] for n in range(len(whole))]

    async with serving(answer) as url:
        tally = await closed_loop(url, wrap(url, [b"{}"] * 3), 1)
    assert (tally.requests, tally.events) == (3, 27)


async def test_a_refused_request_is_sent_again_and_its_latency_includes_the_wait() -> None:
    answers = [[b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"], accepted(1)]

    async def answer(body: bytes) -> list[bytes]:
        await asyncio.sleep(0.03)
        return answers.pop(0)

    async with serving(answer) as url:
        tally = await closed_loop(url, wrap(url, [b"{}"]), 1)
    assert (tally.requests, tally.events, tally.refused) == (1, 1, 1)
    assert tally.milliseconds(50) >= 60


async def test_any_other_answer_ends_the_load() -> None:
    async def answer(body: bytes) -> list[bytes]:
        return [b"HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\nnope"]

    async with serving(answer) as url:
        with pytest.raises(LoadFailed, match="400"):
            await closed_loop(url, wrap(url, [b"{}"] * 3), 2)


async def test_a_virtual_user_goes_on_after_an_error() -> None:
    """Errors are counted by what became of the request; a closed connection is opened again."""
    turns = itertools.count()

    async def answer(body: bytes) -> list[bytes]:
        turn = next(turns) % 4
        if turn == 3:
            raise ConnectionResetError
        status = (b"", b"503 Busy", b"429 Slow Down")[turn]
        return [b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status] if status else accepted(10)

    async with serving(answer) as url:
        one_user = Scenario("spike", 1, 1.0, body_events=10, pause=0.0)
        tally, errors = await run_users(Target(url, url, None), one_user)
    sent = next(turns)
    assert sent >= 8
    assert tally.requests == tally.events // 10 == (sent + 3) // 4
    assert (errors["503"], errors["429"], errors["connection closed"]) == ((sent + 2) // 4, (sent + 1) // 4, sent // 4)


async def test_the_open_loop_counts_from_when_a_request_fell_due() -> None:
    """A server that takes 50 ms for each of 10 requests that fall due within 50 ms leaves the last waiting for 450."""

    async def answer(body: bytes) -> list[bytes]:
        await asyncio.sleep(0.05)
        return accepted(1)

    async with serving(answer) as url:
        tally = await paced(url, wrap(url, [b"{}"] * 10), 200, 1)
    assert tally.requests == 10
    assert tally.milliseconds(100) >= 400


async def test_the_open_loop_keeps_its_rate() -> None:
    async def answer(body: bytes) -> list[bytes]:
        return accepted(1)

    async with serving(answer) as url:
        began = time.perf_counter()
        await paced(url, wrap(url, [b"{}"] * 50), 200, 4)
    assert time.perf_counter() - began >= 49 / 200


# --- the server's handling ------------------------------------------------------------------------------------------


def test_a_server_that_ends_at_its_start_is_reported_with_its_output(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "print('no such disk'); raise SystemExit(3)")
    with pytest.raises(ServerFailed, match=r"(?s)exited with 3.*no such disk"):
        ServerProcess(tmp_path / "data", command=command).start()


def test_kill_ends_the_whole_group_at_once(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    server = ServerProcess(tmp_path / "data", command=command)
    server.spawn()
    server.kill()
    with pytest.raises(ServerFailed, match="not running"):
        server.cpu_seconds()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_and_processor_time_are_the_servers(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import time; x = bytearray(64 << 20); time.sleep(60)")
    server = ServerProcess(tmp_path / "data", command=command)
    server.spawn()
    try:
        deadline = time.monotonic() + 60
        while (server.resident() or 0) < 64 << 20 and time.monotonic() < deadline:
            time.sleep(0.02)
        resident, peak, used = server.resident(), server.resident_peak(), server.cpu_seconds()
        assert resident is not None
        assert peak is not None
        assert used is not None
        assert 64 << 20 <= resident <= peak < 256 << 20
        assert used < 10
    finally:
        server.kill()


# --- the report -----------------------------------------------------------------------------------------------------


def report() -> Report:
    return Report(
        machine(Path()),
        query=[
            QueryFigures("top paths", 7, 10, False, 250.4, 240, 310, 300),
            QueryFigures("by day", 7, 30, True, 12.0, 9, 13, 10),
            QueryFigures("keys", 7, 5, False, 40, 39, 41, None),
            QueryFigures("funnel", 0, 0, False, 60_000, 60_000, 60_000, 500),
        ],
        query_events=10_000_000,
        dedupe=[DedupeFigures(1_000_000, 1_000, "fresh", 7, 4.25, 4, 5)],
    )


def test_tables_say_whether_a_target_was_met() -> None:
    questions, transactions = sheets(report())
    assert questions.title == "Queries on 10,000,000 events"
    assert [row[-1] for row in questions.rows] == ["< 300 ✓", "< 10 ✗", "", "< 500 ✗"]
    assert [row[2] for row in questions.rows] == ["events", "rollup", "events", "–"]
    assert questions.rows[-1][3] == "> 60,000"
    assert transactions.rows == [["1,000,000", "1,000", "fresh", "4.2", "4.0", "5.0"]]


def test_markdown_has_the_same_cells() -> None:
    text = markdown(report())
    assert "| top paths | 10 | events | 250.4 | 240.0 | 310.0 | < 300 ✓ |" in text
    assert "| :-- | --: | :-- | --: | --: | --: | --: |" in text


def test_the_json_can_be_read_back(tmp_path: Path) -> None:
    made = report()
    made.write(tmp_path / "bench.json")
    assert msgspec.json.decode((tmp_path / "bench.json").read_bytes(), type=Report) == made
    assert made.machine.cores >= 1
    assert "duckdb" in made.machine.packages


def test_the_documents_figures_are_those_of_the_results() -> None:
    """docs/build/benchmarks.md has no number that was not measured; `python -m benchmarks.render` writes it."""
    document = render.DOCUMENT.read_text("utf-8")
    assert document == render.rendered(document, render.figures(render.RESULTS))


def test_a_document_without_a_place_for_figures_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        render.rendered("# Benchmarks\n", "figures\n")
