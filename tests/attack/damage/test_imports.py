"""`tallystick import` reads the file that was named, and every row of it is accepted or rejected."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.reading.content import PIECE, survey
from tallystick.cli.importing.reading.rows import COLUMNS_MAX, LINE_MAX
from tallystick.cli.importing.source import Reading, Source, format_of, open_source
from tallystick.errors import InvalidRequest
from tallystick.store.duckdb.parquet import write_parquet
from tests.helpers.thorough import THOROUGH, some

NAMES = [
    "*",
    "?",
    "[ab]",
    "{a,b}",
    "a*b",
    "a'b",
    'a"b',
    "a b",
    "~",
    "-",
    "s3:",
    "$HOME",
    "%20",
    "\\*",
    "**",
    "a;b",
    "#",
    "n\u00e4",
]
MEBIBYTES = [15, 17, 31, 33, 40, 64, 120, 200]
"""Sizes of a row, around those at which DuckDB treats it differently."""

WHEN = "2026-01-01T00:00:00Z"


def opened(path: Path) -> Source:
    kind = format_of(path, None)
    return open_source(path, kind, survey(path, text=kind != "parquet"), Choices(), Reading())


def names_in(path: Path) -> list[str]:
    source = opened(path)
    try:
        bodies = b"".join(chunk.body for chunk in source.chunks(0, 100))
    finally:
        source.close()
    assert list(source.file.broken) == []
    return [json.loads(line)["name"] for line in bodies.splitlines()]


def written(path: Path, name: str, scratch: Path) -> None:
    """A file of this kind with one event of this name."""
    if path.suffix == ".parquet":
        line = {"event_id": "0" * 32, "name": name, "timestamp": WHEN, "received_at": WHEN}
        lines = scratch / "lines.ndjson"
        lines.write_text(json.dumps(line) + "\n")
        write_parquet(lines, path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(f"name\n{name}\n".encode()))
    else:
        path.write_text(json.dumps({"name": name}) + "\n" if path.suffix == ".ndjson" else f"name\n{name}\n")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".parquet", ".ndjson"])
def test_no_name_of_a_file_is_a_pattern(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours, which the name would match, are not read; nor is a folder's name taken for a column."""
    folder = tmp_path / "site=folder" / "s3:" / "[x]"
    folder.mkdir(parents=True)
    for neighbour in ("a", "b", "ab", "axb", "x"):
        written(folder / f"{neighbour}{ending}", "neighbour", tmp_path)
    monkeypatch.chdir(folder)
    for name in some(NAMES):
        written(Path(f"own-{ending}"), "own", tmp_path)
        path = Path(f"{name}{ending}")
        Path(f"own-{ending}").rename(path)
        assert names_in(path) == ["own"], name
        assert names_in(path.absolute()) == ["own"], name
        path.unlink()


def test_a_name_of_several_is_the_name_of_none(tmp_path: Path) -> None:
    """What the shell did not expand is no file."""
    from tests.helpers.commands import run_command

    (tmp_path / "a.csv").write_text("name\na\n")
    with pytest.raises(AssertionError, match="there is no file"):
        run_command({}, "import", str(tmp_path / "*.csv"), "--data", str(tmp_path / "data"))


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".ndjson"])
def test_a_row_that_is_too_large_is_rejected_and_no_other(tmp_path: Path, ending: str) -> None:
    """Rows in are rows accepted and rejected; the large one is named with its line."""
    path = tmp_path / f"rows{ending}"
    for mebibytes in some(MEBIBYTES[:6]) if not THOROUGH else MEBIBYTES:
        large = "y" * (mebibytes << 20)
        if ending == ".ndjson":
            rows = (("a", "1"), ("b", large), ("c", "2"))
            text = "".join(json.dumps({"name": name, "x": value}) + "\n" for name, value in rows)
        else:
            text = f"name,x\na,1\nb,{large}\nc,2\n"
        path.write_bytes(gzip.compress(text.encode(), 1) if ending.endswith(".gz") else text.encode())
        sent, broken = read(path)
        fits = len(large) < LINE_MAX - 100
        assert sent == (["a", "b", "c"] if fits else ["a", "c"]), mebibytes
        assert broken == ([] if fits else [2 if ending == ".ndjson" else 3]), mebibytes


def read(path: Path) -> tuple[list[str], list[int]]:
    """The names of the events that are sent, and the places of the rows that are not."""
    source = opened(path)
    try:
        chunks = list(source.chunks(0, 100))
    finally:
        source.close()
    sent = [json.loads(line)["name"] for chunk in chunks for line in chunk.body.splitlines()]
    return sent, [one.row for one in (*source.file.broken, *(one for chunk in chunks for one in chunk.broken))]


def test_the_command_says_so_and_ends_with_1(tmp_path: Path) -> None:
    from tests.helpers.commands import run_command

    path = tmp_path / "rows.csv"
    path.write_text(f"name,x\na,1\nb,{'y' * (40 << 20)}\nc,2\n")
    with pytest.raises(AssertionError):
        run_command({"TALLYSTICK_DISK_RESERVE_BYTES": "0"}, "import", str(path), "--data", str(tmp_path / "data"))
    again = run_command(
        {"TALLYSTICK_DISK_RESERVE_BYTES": "0"},
        "import",
        str(path),
        "--data",
        str(tmp_path / "data"),
        "--again",
        "--allow-rejected",
    )
    assert "2 events accepted, 1 rows rejected" in again
    assert "line 3: has 41,943,043 characters" in again


def test_many_columns_are_refused_at_once_or_read(tmp_path: Path) -> None:
    """100,000 of them took minutes: the work grew with their square."""
    path = tmp_path / "wide.csv"

    def wide(columns: int) -> None:
        names = ",".join(["name", *(f"c{number}" for number in range(columns - 1))])
        path.write_text(f"{names}\n{','.join(['a'] + ['1'] * (columns - 1))}\n")

    wide(100_000)
    started = time.process_time()
    with pytest.raises(InvalidRequest, match="100,000 columns; at most 2,000"):
        opened(path)
    assert time.process_time() - started < 5
    wide(COLUMNS_MAX if THOROUGH else 120)
    source = opened(path)
    try:
        [chunk] = source.chunks(0, 10)
    finally:
        source.close()
    properties = json.loads(chunk.body)["properties"]
    assert len(properties) == (COLUMNS_MAX if THOROUGH else 120) - 1
    assert set(properties.values()) == {1}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_lines_are_counted(tmp_path: Path, end: bytes) -> None:
    """Whatever ends lines, and wherever a piece of the file ends."""
    path = tmp_path / "rows.csv"
    for first in (PIECE - 2, PIECE - 1, PIECE, PIECE + 1):
        path.write_bytes(end.join([b"a" * first, b"b" * PIECE, b"", b"c" * 5]))
        assert survey(path, text=True).lines == 4
        path.write_bytes(path.read_bytes() + end)
        assert survey(path, text=True).lines == 4
