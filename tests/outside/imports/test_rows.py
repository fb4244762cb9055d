"""Files as other people have them: every row is an event or a rejection with its line, whatever its neighbours hold."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tallystick.cli.importing.columns import Choices, parse_choices
from tallystick.errors import InvalidRequest
from tallystick.store.duckdb.connection import connect_memory
from tests.helpers.imports import Imported, imported

HEAD = "name,timestamp,title\n"
WHEN = "2026-01-0"


def csv(tmp_path: Path, text: str | bytes, name: str = "rows.csv") -> Imported:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return imported(path)


def names(found: Imported) -> list[str]:
    assert len(found.events) + len(found.rejected) == found.counted
    return [event["name"] for event in found.events]


# --- quotes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "accepted", "rejected"),
    [
        ('a,2026-01-01,"x"y\nb,2026-01-02,ok\nc,2026-01-03,ok\n', "bc", {2: "broken quote"}),
        ('a,2026-01-01,"never closed\nb,2026-01-02,ok\nc,2026-01-03,ok\n', "bc", {2: "not closed"}),
        ('a,2026-01-01,ok\nb,2026-01-02,"at the end', "a", {3: "not closed"}),
        ('a,2026-01-01,"x\nb,2026-01-02,"ok"\nc,2026-01-03,ok\n', "bc", {2: "broken quote"}),
        ('a,2026-01-01,"x\nb,2026-01-02,ok\nc,2026-01-03,"\n', "a", {}),  # as RFC 4180 has it
        ('a,"2026-01-01\nb,2026-01-02,ok\n,"2026-01-03,ok\nd,2026-01-04,ok\n', "bd", {2: "broken", 4: "not closed"}),
        ('a,"2026-01-01\nb,2026-01-02,ok\nc",2026-01-03,ok\nd,2026-01-04,ok\n', 'bc"d', {2: "only in line 4"}),
        ('a,2026-01-01,"two\nlines"\nb,2026-01-02,"a ""word"""\n', "ab", {}),
        ('a,2026-01-01,5" pipe\nb,2026-01-02,"x" \nc,2026-01-03,x"y"\n', "ac", {3: "broken quote"}),
    ],
)
def test_a_broken_quote_costs_its_row_alone(tmp_path: Path, rows: str, accepted: str, rejected: dict[int, str]) -> None:
    found = csv(tmp_path, HEAD + rows)
    assert "".join(names(found)) == accepted
    assert set(found.rejected) == set(rejected)
    assert all(words in found.rejected[line] for line, words in rejected.items())


def test_many_rows_behind_a_broken_quote(tmp_path: Path) -> None:
    rows = [f"n{number},{WHEN}1,ok" for number in range(5_000)]
    rows[1_000] = f'n1000,{WHEN}1,"x"y'
    rows[2_000] = f'n2000,{WHEN}1,"open'
    found = csv(tmp_path, HEAD + "\n".join(rows))
    assert names(found) == [f"n{number}" for number in range(5_000) if number not in (1_000, 2_000)]
    assert sorted(found.rejected) == [1_002, 2_002]


# --- line ends and encodings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["", "\n", "\r\n", "\r"])
@pytest.mark.parametrize("ends", ["\n\n\n", "\r\n\r\n\r\n", "\r\r\r", "\r\n\n\r", "\n\r\n\r", "\r\r\n\n"])
def test_lines_may_end_in_any_way_also_mixed(tmp_path: Path, ends: str, last: str) -> None:
    parts = [end.replace("N", "\n") for end in ends.replace("\r\n", "W").replace("\n", "N")]
    parts = ["\r\n" if end == "W" else end for end in parts] * 3
    text = HEAD.strip() + parts[0] + f"a,{WHEN}1,x" + parts[1] + f"b,{WHEN}2,y" + parts[2] + f"c,{WHEN}3,z" + last
    assert names(csv(tmp_path, text)) == ["a", "b", "c"]
    lines = [json.dumps({"name": name, "timestamp": f"{WHEN}1"}) for name in "abc"]
    text = lines[0] + parts[0] + lines[1] + parts[1] + lines[2] + last
    assert names(csv(tmp_path, text, "rows.ndjson")) == ["a", "b", "c"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_encodings_are_recognised(tmp_path: Path, encoding: str, packed: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
    pack = packers.get(packed, bytes)
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    text = f'{mark}{HEAD}höhe,{WHEN}1,"中 😀"\n'
    found = csv(tmp_path, pack(text.encode(encoding)), f"rows.csv{packed}")
    assert (names(found), found.events[0]["properties"]) == (["höhe"], {"title": "中 😀"})
    line = json.dumps({"name": "höhe", "timestamp": f"{WHEN}1", "title": "中 😀"}, ensure_ascii=False)
    found = csv(tmp_path, pack((mark + line).encode(encoding)), f"rows.ndjson{packed}")
    assert (names(found), found.events[0]["properties"]) == (["höhe"], {"title": "中 😀"})


def test_utf_16_without_a_mark_and_other_encodings(tmp_path: Path) -> None:
    assert names(csv(tmp_path, (HEAD + f"ä,{WHEN}1,x\n").encode("utf-16-le"))) == ["ä"]
    path = tmp_path / "old.csv"
    path.write_bytes((HEAD + f"höhe,{WHEN}1,x\nb,{WHEN}2,y\n").encode("cp1252"))
    assert names(imported(path, encoding="cp1252")) == ["höhe", "b"]
    found = imported(path)
    assert (names(found), list(found.rejected)) == (["b"], [2])
    assert "--encoding" in found.rejected[2]


# --- compressed files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.csv", "rows.ndjson"])
@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_a_damaged_compressed_file_is_refused_before_anything_is_sent(tmp_path: Path, name: str, packed: str) -> None:
    row = f"n,{WHEN}1,x\n" if name.endswith("csv") else json.dumps({"name": "n", "timestamp": f"{WHEN}1"}) + "\n"
    text = ((HEAD if name.endswith("csv") else "") + row * 20_000).encode()
    checked = zstandard.ZstdCompressor(write_checksum=True)
    whole = gzip.compress(text) if packed == ".gz" else checked.compress(text)
    assert len(names(csv(tmp_path, whole, name + packed))) == 20_000
    wrong_sum = whole[:-8] + bytes(byte ^ 1 for byte in whole[-8:-4]) + whole[-4:]
    if packed == ".zst":
        wrong_sum = whole[:-4] + bytes(byte ^ 1 for byte in whole[-4:])
    for damaged in (whole[: len(whole) // 2], whole[:-1], whole[:-8], wrong_sum, b"", whole + b"more"):
        with pytest.raises(InvalidRequest, match="cannot be read"):
            csv(tmp_path, damaged, name + packed)


@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_several_compressed_parts_are_one_file(tmp_path: Path, packed: str) -> None:
    pack = gzip.compress if packed == ".gz" else zstandard.ZstdCompressor().compress
    parts = [HEAD + f"a,{WHEN}1,x\n", f"b,{WHEN}2,y\n", "", f"c,{WHEN}3,z\n"]
    found = csv(tmp_path, b"".join(pack(part.encode()) for part in parts), f"rows.csv{packed}")
    assert names(found) == ["a", "b", "c"]


# --- JSON in cells, arrays, nested Parquet --------------------------------------------------------------------------


def test_a_json_cell_of_several_lines_is_one_event(tmp_path: Path) -> None:
    pretty = json.dumps({"a": {"b": [1, None]}, "text": "two\nlines"}, indent=2).replace('"', '""')
    carriage = pretty.replace("\n", "\r\n")
    found = csv(tmp_path, f'name,timestamp,properties\nx,{WHEN}1,"{pretty}"\ny,{WHEN}1,"{carriage}"\nz,{WHEN}1,\n')
    assert names(found) == ["x", "y", "z"]
    assert found.events[0]["properties"] == found.events[1]["properties"]
    assert found.events[0]["properties"] == {"a": {"b": [1, None]}, "text": "two\nlines"}


def test_a_json_array_has_its_elements_as_rows(tmp_path: Path) -> None:
    events = [{"name": name, "timestamp": f"{WHEN}1"} for name in "ab"]
    assert names(csv(tmp_path, json.dumps(events, indent=2), "rows.json")) == ["a", "b"]
    found = csv(tmp_path, f" [ {json.dumps(events[0])},\n 5 ]", "rows.json")
    assert (names(found), list(found.rejected)) == (["a"], [2])
    with pytest.raises(InvalidRequest, match="begins as a JSON array"):
        csv(tmp_path, json.dumps(events)[:-1], "rows.json")


def test_nested_parquet_is_json(tmp_path: Path) -> None:
    """NaN and infinity are null within, as JSON has none, and absent outside; nothing else is lost."""
    path = tmp_path / "rows.parquet"
    connection = connect_memory(memory_limit=256 * 1024 * 1024, threads=1)
    connection.execute(
        f"""COPY (SELECT
            'a' AS name, TIMESTAMP '2026-01-02 03:04:05' AS timestamp,
            {{'k': 1, 'n': 'nan'::DOUBLE, 'f': 0.1::FLOAT, 'd': DATE '2026-01-02', 'none': NULL::INTEGER}} AS s,
            MAP {{'x': 'inf'::DOUBLE, 'y"': 1.5}} AS m, MAP {{1: [1.5, 'nan'::DOUBLE]}} AS by_number,
            [TIMESTAMPTZ '2026-01-02 03:04:05+02'] AS zoned, [TIMESTAMP '2026-07-02 03:04:05'] AS local,
            123456789012345678901234567890.12::DECIMAL(38, 2) AS exact, 'nan'::DOUBLE AS nan, 'inf'::FLOAT AS inf,
            'infinity'::TIMESTAMP AS forever, '\\xFF'::BLOB AS b, ['\\xFF'::BLOB] AS bs, [[], [NULL]] AS ls,
            TIME '12:13:14.5' AS t, TIMESTAMP_NS '2026-01-02 03:04:05.123456789' AS ns, INTERVAL '1 month' AS i
        ) TO '{path}' (FORMAT parquet)"""
    )
    connection.close()
    found = imported(path, Choices(timezone="Europe/Berlin"))
    assert names(found) == ["a"]
    assert found.events[0]["timestamp"] == "2026-01-02T02:04:05.000000Z"
    raw = found.events[0]["properties"]
    assert raw.pop("exact") == pytest.approx(123456789012345678901234567890.12)
    assert raw == {
        "s": {"k": 1, "n": None, "f": 0.1, "d": "2026-01-02", "none": None},
        "m": {"x": None, 'y"': 1.5},
        "by_number": {"1": [1.5, None]},
        "zoned": ["2026-01-02T01:04:05.000000Z"],
        "local": ["2026-07-02T01:04:05.000000Z"],
        "forever": "infinity",
        "b": "/w==",
        "bs": ["/w=="],
        "ls": [[], [None]],
        "t": "12:13:14.5",
        "ns": "2026-01-02T02:04:05.123456Z",
        "i": "1 month",
    }


def test_parquet_in_an_array_column_named_properties(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    connection = connect_memory(memory_limit=256 * 1024 * 1024, threads=1)
    connection.execute(
        f"""COPY (SELECT 'a' AS event, 1704110200 AS ts, MAP {{'plan': 'free'}} AS properties
            UNION ALL SELECT 'b', 1704110200, NULL) TO '{path}' (FORMAT parquet)"""
    )
    connection.close()
    found = imported(path, parse_choices(["name=event", "timestamp=ts"], None, None, (), "UTC"))
    assert [(event["name"], event["properties"]) for event in found.events] == [("a", {"plan": "free"}), ("b", {})]
