"""Whatever a file holds, each of its rows is an event or a rejection, and every line belongs to one row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.reading import delimited
from tallystick.cli.importing.reading.content import survey
from tallystick.cli.importing.reading.delimited import CsvFile
from tallystick.cli.importing.sending import Outcome, RowsLost, State, StateFile, check_books, run
from tallystick.errors import InvalidRequest
from tests.helpers.imports import imported, opened

NAMED = Choices(constants={"name": "seen"})
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12) | st.sampled_from(
    ['"', '""', "\n", "\r\n", "\r", ",", ';"', "a,b", '"x"y', "\u2028", "\x85", "\ufeff"]
)
ODD_BYTES = st.lists(
    st.sampled_from(
        [b'"', b",", b"\n", b"\r", b"\r\n", b"a", b"b,c", b'""', b'"x"', b"\xff", "é".encode(), b"\x00", b"{"]
    ),
    max_size=40,
).map(b"".join)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_a_csv_writer_writes_is_read_as_it_was(rows: list[list[str]], end: str) -> None:
    text = io.StringIO()
    # Python quotes a CR or LF only when it is in the line's end.
    if end == "\r\n":
        writer = csv.writer(text, lineterminator=end)
    else:
        writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b", "c"], *rows])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(text.getvalue().encode())
        file = CsvFile(path, survey(path, text=True).lines)
        read = [cells for _, cells, _ in file._records()]
    assert read == rows
    assert (file.counted, file.broken_count) == (len(rows), 0)


@pytest.mark.parametrize("head", [b"a,b\n", b"a\n", b"a,b,c\r\n"])
@pytest.mark.parametrize("ending", ["csv", "ndjson"])
@given(body=ODD_BYTES)
def test_any_bytes_are_accepted_and_rejected_rows(head: bytes, ending: str, body: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{ending}"
        path.write_bytes((head if ending == "csv" else b"5\n") + body)
        source = opened(path, NAMED)
        try:
            chunks = list(source.chunks(0, 2))
        finally:
            source.close()
    events = sum(len(chunk.places) for chunk in chunks)
    rejected = source.file.broken_count + sum(len(chunk.broken) for chunk in chunks)
    assert events + rejected == source.file.counted
    check_books(source, State(accepted=events, rejected=rejected - source.file.broken_count))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_rows_around_broken_ones_are_read(broken: list[bool]) -> None:
    """A row with a broken quote, or with one that is not closed, costs no other."""
    odd = ['"x"y', '"open', 'x,"']
    rows = [f"{number},{odd[number % 3]}" if bad else f"{number},ok" for number, bad in enumerate(broken)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text("n,t\n" + "\n".join(rows) + "\n")
        found = imported(path, NAMED)
    kept = {event["properties"]["n"] for event in found.events if event["properties"]["t"] == "ok"}
    good = {number for number, bad in enumerate(broken) if not bad}
    # `x,"` may be closed by the quote of a later row, which RFC 4180 calls one row of several lines.
    assert kept == good or any(number % 3 == 2 for number, bad in enumerate(broken) if bad)
    assert len(found.events) + len(found.rejected) == found.counted or len(found.rejected) == 5


# --- what notices a loss --------------------------------------------------------------------------------------------


def test_a_reader_that_skips_a_line_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = delimited.Lines.take
    monkeypatch.setattr(delimited.Lines, "take", lambda self: take(self) and take(self))
    path = tmp_path / "rows.csv"
    path.write_text("h,i\n" * 9)
    source_lines = survey(path, text=True).lines
    monkeypatch.setattr(delimited.Lines, "number", property(lambda self: 0, lambda self, value: None), raising=False)
    with pytest.raises(InvalidRequest, match=r"0 of its 9 lines were read"):
        CsvFile(path, source_lines)


class Server:
    """Says that it took other numbers of events than it was sent."""

    def __init__(self, accepted: int) -> None:
        self.accepted = accepted

    async def send(self, body: bytes, count: int) -> Outcome:
        return Outcome(self.accepted, [])


async def test_a_server_that_takes_fewer_events_than_it_was_sent_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps({"name": "n", "n": number}) + "\n" for number in range(3)))
    source, state = opened(path, Choices()), State()
    with pytest.raises(RowsLost, match="was sent 3 events, and says that it accepted 2 and rejected 0"):
        await run(source, Server(2), state, StateFile(None), 10, lambda chunk, now: None)
    source.close()
    assert not state.complete


async def test_an_import_whose_rows_do_not_add_up_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"name":"a"}\n\n{"name":"b"}\n')
    source, state = opened(path, Choices()), State(row=1)  # a state that has lost the first row
    with pytest.raises(RowsLost, match="the file has 2, but 1 were accepted and 0 rejected"):
        await run(source, Server(1), state, StateFile(None), 10, lambda chunk, now: None)
    source.close()
    assert not state.complete


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    for name, more in (("rows.csv", "n,t\nb,2026-01-01\n"), ("rows.ndjson", '{"name":"b"}\n')):
        path = tmp_path / name
        path.write_text(more)
        source = opened(path, NAMED)
        path.write_text(more * 2)
        with pytest.raises(InvalidRequest, match="was changed meanwhile"):
            list(source.chunks(0, 10))
        source.close()
