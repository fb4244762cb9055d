"""Sending a file: order of confirmation, retries, resuming. The server's side of HTTP is played by a mock transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import zstandard

from tallystick.cli.client import Refused, ServerClient
from tallystick.cli.importing import sending as import_run
from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.reading.content import survey
from tallystick.cli.importing.sending import Outcome, ServerSink, State, StateFile, run
from tallystick.cli.importing.source import Chunk, Reading, Source, open_source
from tallystick.errors import InvalidRequest, Unavailable
from tallystick.model.event import Rejection

Answer = Callable[[list[str]], httpx.Response]


class Mock(httpx.AsyncBaseTransport):
    """Answers each request with the next of `answers`; keeps the event names of each."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[list[str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = zstandard.ZstdDecompressor().decompressobj().decompress(await request.aread())
        self.requests.append([json.loads(line)["name"] for line in body.splitlines()])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def accepted(count: int, *rejected: int) -> httpx.Response:
    notes = [{"index": index, "code": "bad", "message": "is bad"} for index in rejected]
    return httpx.Response(202, json={"request_id": "r", "accepted": count, "rejected": notes, "receipt": "x-0"})


def refused(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": "c", "message": "no"}}, headers=headers)


def body(*names: str) -> bytes:
    return b"".join(json.dumps({"name": name}).encode() + b"\n" for name in names)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the sink makes; none takes time."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


async def send(transport: Mock, *names: str) -> Outcome:
    async with ServerClient("http://localhost:1", transport) as server:
        return await ServerSink(server, lambda reason: None).send(body(*names), len(names))


async def test_sink_waits_as_long_as_the_server_says_and_sends_the_same_again(pauses: list[float]) -> None:
    transport = Mock(refused(503, **{"Retry-After": "7"}), httpx.ConnectError("gone"), refused(429), accepted(2))
    assert await send(transport, "a", "b") == Outcome(2, [])
    assert transport.requests == [["a", "b"]] * 4
    assert pauses == [7.0, 1.0, 2.0]


async def test_sink_gives_up_after_its_patience(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_run, "PATIENCE", -1.0)
    with pytest.raises(Unavailable, match="is the server running there"):
        await send(Mock(httpx.ConnectError("gone")), "a")
    with pytest.raises(Refused, match="no"):
        await send(Mock(refused(503)), "a")
    assert pauses == []


async def test_sink_does_not_repeat_what_will_fail_again(pauses: list[float]) -> None:
    transport = Mock(refused(400))
    with pytest.raises(Refused, match="no"):
        await send(transport, "a")
    assert len(transport.requests) == 1


async def test_sink_takes_a_400_that_names_every_event_as_rejections() -> None:
    note = {"index": 0, "code": "name_missing", "message": "m"}
    answer = httpx.Response(400, json={"error": {}, "accepted": 0, "rejected": [note], "receipt": None})
    assert await send(Mock(answer), "a") == Outcome(0, [Rejection(0, "name_missing", "m")])


async def test_sink_halves_what_is_too_large_and_keeps_the_places() -> None:
    transport = Mock(refused(413), accepted(1), refused(413), accepted(0, 0), refused(413))
    outcome = await send(transport, "a", "b", "c")
    assert transport.requests == [["a", "b", "c"], ["a"], ["b", "c"], ["b"], ["c"]]
    assert outcome.accepted == 1
    assert [(r.index, r.code) for r in outcome.rejected] == [(1, "bad"), (2, "too_large")]


# --- run ------------------------------------------------------------------------------------------------------------


def source_of(folder: Path, rows: int) -> Source:
    path = folder / "rows.ndjson"
    path.write_bytes(body(*(f"n{row}" for row in range(rows))))
    return open_source(path, "ndjson", survey(path, text=True), Choices(), Reading())


class LateFirst:
    """Takes chunks once several are in flight; that of `n0` is confirmed after those beside it, that of `holds` never.

    Fails at the chunk that holds `fails`.
    """

    def __init__(self, fails: str = "", holds: str = "") -> None:
        self.fails = fails
        self.holds = holds
        self.names: list[str] = []
        self.under_way = 0
        self.most_under_way = 0
        self.all_in_flight = asyncio.Event()
        self.others_done = asyncio.Event()

    async def send(self, body: bytes, count: int) -> Outcome:
        names = [json.loads(line)["name"] for line in body.splitlines()]
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.under_way == import_run.IN_FLIGHT:
            self.all_in_flight.set()
        await self.all_in_flight.wait()
        if self.holds in names:
            await asyncio.Event().wait()
        if "n0" in names:
            await self.others_done.wait()
        self.under_way -= 1
        if self.fails in names:
            raise Unavailable("no more")
        self.names += names
        if len(self.names) >= 10 * (import_run.IN_FLIGHT - 1):
            self.others_done.set()
        bad = [Rejection(index, "bad", "is bad") for index, name in enumerate(names) if name.endswith("7")]
        return Outcome(count - len(bad), bad)


def ignore(chunk: Chunk, state: State) -> None:
    pass


async def test_run_confirms_in_order_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "imports" / "state.json")
    source = source_of(tmp_path, 100)
    state, sink = file.load(), LateFirst(fails="n52")
    with pytest.raises(Unavailable):
        await run(source, sink, state, file, 10, ignore)
    source.close()
    assert sink.most_under_way == import_run.IN_FLIGHT
    kept = file.load()
    assert (kept.row, kept.accepted, kept.rejected, kept.complete) == (50, 45, 5, False)
    assert kept.reasons[0] == "line 8: bad: is bad"

    source, sink = source_of(tmp_path, 100), LateFirst()
    await run(source, sink, kept, file, 10, ignore)
    source.close()
    assert sorted(sink.names) == sorted(f"n{row}" for row in range(50, 100))
    done = file.load()
    assert (done.row, done.accepted, done.rejected, done.complete) == (100, 90, 10, True)
    assert len(done.reasons) == import_run.REASONS_SHOWN


async def test_run_that_is_cancelled_keeps_what_was_confirmed(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    source, state, far_enough = source_of(tmp_path, 1000), State(), asyncio.Event()

    def watch(chunk: Chunk, now: State) -> None:
        if now.row >= 100:
            far_enough.set()

    task = asyncio.create_task(run(source, LateFirst(holds="n500"), state, file, 10, watch))
    await far_enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    source.close()
    assert file.load() == state
    assert 100 <= state.row < 1000
    assert not state.complete


def test_state_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"{")
    with pytest.raises(InvalidRequest, match=r"state\.json .* is damaged: with --again every row"):
        StateFile(path).load()


def test_state_of_an_older_version(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b'{"row":5,"accepted":4,"rejected":1,"reasons":[],"complete":false}')
    assert StateFile(path).load() == State(5, 4, 1)


def test_state_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    file = StateFile(tmp_path / "file" / "state.json")
    file.save(State(row=5), now=True)
    assert file.load() == State()
