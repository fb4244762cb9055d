"""CSV, Parquet and NDJSON files as an import reads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec
import pytest
import zstandard

from tallystick.cli.importing.columns import Choices, fields_of, parse_choices
from tallystick.cli.importing.mapping import RowMapper
from tallystick.cli.importing.reading.content import survey
from tallystick.cli.importing.reading.delimited import CsvFile
from tallystick.cli.importing.reading.lines import LinesFile
from tallystick.cli.importing.reading.rows import LINE_MAX
from tallystick.cli.importing.source import Format, RowIds, format_of
from tallystick.cli.importing.times import BadTime, TimeRule
from tallystick.errors import ConfigError, InvalidRequest
from tallystick.store.duckdb.connection import connect_memory
from tallystick.store.duckdb.files import TableFile
from tests.helpers.imports import imported, opened

NAMED = Choices(constants={"name": "seen"})


def csv_rows(path: Path) -> CsvFile:
    return CsvFile(path, survey(path, text=True).lines)


def events(
    path: Path, choices: Choices = NAMED, kind: Format = "csv", skip: int = 0, **options: Any
) -> list[dict[str, Any]]:
    """The events that an import of this file would send."""
    return imported(path, choices, kind, skip, **options).events


def properties(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [event["properties"] for event in events(path, **options)]


def csv_file(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def parquet_file(folder: Path, select: str) -> Path:
    path = folder / "rows.parquet"
    connection = connect_memory(memory_limit=256 * 1024 * 1024, threads=1)
    connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    connection.close()
    return path


# --- CSV ------------------------------------------------------------------------------------------------------------


def test_csv_column_is_a_number_only_when_every_cell_is_one(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "price,zip,ok,mixed,long,gap\n1.5,01234,true,1,123456789012345678,\n-2,99999,FALSE,x,1,7\n300,10115,True,2,2,\n",
    )
    assert properties(path) == [
        {"price": 1.5, "zip": "01234", "ok": True, "mixed": "1", "long": "123456789012345678"},
        {"price": -2, "zip": "99999", "ok": False, "mixed": "x", "long": "1", "gap": 7},
        {"price": 300, "zip": "10115", "ok": True, "mixed": "2", "long": "2"},
    ]


def test_csv_type_holds_to_the_last_line(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "n\n" + "1\n" * 30_000 + "none\n")
    source = opened(path, NAMED)
    last = list(source.chunks(29_999, 5_000))[-1]
    source.close()
    assert [json.loads(line)["properties"] for line in last.body.splitlines()] == [{"n": "1"}, {"n": "none"}]


def test_csv_quotes_line_breaks_and_odd_names(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '\ufeff"a ""b""",\'c\',\r\n"x\r\ny, ""z""",é,7\r\n5" pipe,,\r\n')
    assert properties(path) == [{'a "b"': 'x\r\ny, "z"', "'c'": "é", "column3": 7}, {'a "b"': '5" pipe'}]


@pytest.mark.parametrize(
    ("text", "delimiter"), [("a;b\n1,5;x\n", None), ("a\tb\n1,5\tx\n", None), ("a^b\n1,5^x\n", "^")]
)
def test_csv_delimiter_is_seen_in_the_header_or_given(tmp_path: Path, text: str, delimiter: str | None) -> None:
    assert properties(csv_file(tmp_path, text), delimiter=delimiter) == [{"a": "1,5", "b": "x"}]


def test_csv_tsv_ending_means_tabs(tmp_path: Path) -> None:
    assert properties(csv_file(tmp_path, "a,b,c\td\n1\t2\n", "rows.tsv")) == [{"a,b,c": 1, "d": 2}]


def test_csv_texts_that_mean_nothing_are_left_out(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b\nNA,1\n2,NA\n")
    assert properties(path, empty=["NA"]) == [{"b": 1}, {"a": 2}]


def test_csv_broken_lines_are_listed_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n1,2\n3\n4,\xff\n5,6,7\n8,9\n")
    rows = csv_rows(path)
    assert [(bad.row, bad.reason) for bad in rows.broken] == [
        (3, "has 1 cells; the header has 2"),
        (4, "is not UTF-8 text; --encoding, such as cp1252, names another"),
        (5, "has 3 cells; the header has 2"),
    ]
    assert (rows.numbered, rows.broken_count, rows.counted) == (2, 3, 5)
    assert properties(path) == [{"a": 1, "b": 2}, {"a": 8, "b": 9}]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_csv_compressed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.csv{ending}"
    pack = gzip.compress if ending == ".gz" else zstandard.ZstdCompressor().compress
    path.write_bytes(pack(b"a,b\n1,x\n"))
    assert format_of(path, None) == "csv"
    assert properties(path) == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no header"),
        (b"a,a\n1,2\n", "two columns"),
        (b"\xff\xfe,b\n1,2\n", "cannot be read"),
        (b"\xe9,b\n1,2\n", "its header is not UTF-8"),
    ],
)
def test_csv_header_that_cannot_be_used(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=complaint):
        csv_rows(path)


def test_csv_header_that_is_not_compressed_as_the_ending_says(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(b"a,b\n")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        csv_rows(path)


# --- Parquet --------------------------------------------------------------------------------------------------------


def test_parquet_keeps_types(tmp_path: Path) -> None:
    path = parquet_file(
        tmp_path,
        "SELECT 1::TINYINT a, 18446744073709551615::UBIGINT b, 0.1::FLOAT c, 'nan'::DOUBLE d, 1.10::DECIMAL(5,2) e, "
        "true f, DATE '2026-01-02' g, TIMESTAMP '2026-01-02 03:04:05' h, TIMESTAMPTZ '2026-01-02 03:04:05+02' i, "
        "'\\xFF'::BLOB j, {'k': 1} k, [1, NULL] l, '' m, NULL::VARCHAR n, 'text' o, '{\"z\": 1}'::JSON p",
    )
    assert properties(path, kind="parquet") == [
        {
            "a": 1,
            "b": 18446744073709551615,
            "c": 0.1,
            "e": 1.1,
            "f": True,
            "g": "2026-01-02",
            "h": "2026-01-02T03:04:05.000000Z",
            "i": "2026-01-02T01:04:05.000000Z",
            "j": "/w==",
            "k": {"k": 1},
            "l": [1, None],
            "o": "text",
            "p": {"z": 1},
        }
    ]


def test_parquet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidRequest, match="cannot be read as parquet"):
        TableFile(path)


# --- times, fields, ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "zone", "sent"),
    [
        ("2026-01-02 03:04:05", "Europe/Berlin", "2026-01-02T02:04:05Z"),
        ("2026-07-02", "Europe/Berlin", "2026-07-01T22:00:00Z"),
        ("2026-01-02T03:04:05+05:00", "Europe/Berlin", "2026-01-02T03:04:05+05:00"),
        ("2026-01-02T03:04:05Z", "Europe/Berlin", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05", "UTC", "2026-01-02T03:04:05Z"),
    ],
)
def test_csv_times(tmp_path: Path, cell: str, zone: str, sent: str) -> None:
    path = csv_file(tmp_path, f"when,other\n{cell},1\n")
    choices = parse_choices(["timestamp=when"], "seen", None, (), zone)
    assert [event["timestamp"] for event in events(path, choices)] == [sent]


@pytest.mark.parametrize(("cell", "reason"), [("yesterday", "no ISO 8601"), ("", "has no time")])
def test_csv_row_whose_time_cannot_be_used_is_rejected(tmp_path: Path, cell: str, reason: str) -> None:
    path = csv_file(tmp_path, f"when,other\n{cell},1\n")
    source = opened(path, parse_choices(["timestamp=when"], "seen", None, (), "UTC"))
    [chunk] = source.chunks(0, 10)
    source.close()
    assert (chunk.body, chunk.places, [broken.row for broken in chunk.broken]) == (b"", [], [2])
    assert reason in chunk.broken[0].reason


def test_csv_times_as_numbers(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "when\n1767323045\n1767323045.5\n")
    choices = parse_choices(["timestamp=when"], "seen", None, (), "Europe/Berlin")
    assert [event["timestamp"] for event in events(path, choices)] == [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.500000Z",
    ]


@pytest.mark.parametrize(
    ("kind", "sent"), [("TIMESTAMP", "2026-01-02T02:04:05.000000Z"), ("DATE", "2026-01-01T23:00:00Z")]
)
def test_parquet_times(tmp_path: Path, kind: str, sent: str) -> None:
    path = parquet_file(tmp_path, f"SELECT '2026-01-02 03:04:05'::TIMESTAMP::{kind} AS timestamp")
    choices = Choices(constants={"name": "seen"}, timezone="Europe/Berlin")
    assert [event["timestamp"] for event in events(path, choices, "parquet")] == [sent]


def test_columns_become_fields_by_name_or_map_and_the_rest_properties(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "event_id,kind,user_id,source,path,received_at,secret,x,properties\n"
        'abc,view,7,web,/a,2026-01-01,s,1,"{""y"": [2]}"\n,buy,,ios,,2026-01-01,s,,plain\n',
    )
    first, second = events(path, parse_choices(["name=kind"], None, "shop", ["secret"], "UTC"))
    assert first == {
        "event_id": "abc",
        "site_id": "shop",
        "name": "view",
        "user_id": "7",
        "source": "web",
        "path": "/a",
        "properties": {"x": 1, "y": [2]},
    }
    assert UUID(second.pop("event_id")).version == 5
    assert second == {"site_id": "shop", "name": "buy", "source": "ios", "properties": {"properties": "plain"}}


def test_ids_depend_on_the_bytes_of_the_file_and_the_row_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    text = "a\n" + "".join(f"{n}\n" for n in range(10))
    ids = [event["event_id"] for event in events(csv_file(tmp_path, text))]
    assert len(set(ids)) == 10
    assert [event["event_id"] for event in events(csv_file(tmp_path / "other", text))] == ids
    assert [event["event_id"] for event in events(csv_file(tmp_path, text), skip=7)] == ids[7:]
    assert not {event["event_id"] for event in events(csv_file(tmp_path, text + "10\n"))} & set(ids)


def test_row_ids_are_uuid5() -> None:
    namespace = uuid4()
    ids = RowIds(namespace)
    assert [ids.of(row) for row in range(200)] == [str(uuid5(namespace, str(row))) for row in range(200)]


@pytest.mark.parametrize(
    ("columns", "maps", "complaint"),
    [(["a"], [], "no column holds the events' names"), (["a"], ["name=b"], "no column 'b'; it has a")],
)
def test_plan_that_cannot_work(columns: list[str], maps: list[str], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        fields_of(columns, parse_choices(maps, None, None, (), "UTC"))


@pytest.mark.parametrize(
    ("maps", "name", "zone"),
    [
        (["timestamp"], None, "UTC"),
        (["when=a"], None, "UTC"),
        (["name=a", "name=b"], None, "UTC"),
        (["name=a"], "b", "UTC"),
        ([], "b", "Mars/Base"),
    ],
)
def test_options_that_cannot_be_meant(maps: list[str], name: str | None, zone: str) -> None:
    with pytest.raises(ConfigError):
        parse_choices(maps, name, None, (), zone)


def test_statement_quotes_what_the_file_says(tmp_path: Path) -> None:
    path = parquet_file(tmp_path, """SELECT 1 "a'); DROP TABLE x --", 2 "b""c", {'it''s "': 3} s""")
    with TableFile(path) as table:
        [[row]] = list(table.read())
    assert row == {"a'); DROP TABLE x --": b"1", 'b"c': b"2", "s": b"""{"it's \\"":3}"""}


# --- NDJSON ---------------------------------------------------------------------------------------------------------


def mapped(line: bytes, choices: Choices | None = None) -> dict[str, Any]:
    choices = choices or Choices()
    row = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    made = RowMapper(choices, None, TimeRule(choices.timezone)).members(row)
    event: dict[str, Any] = json.loads(b"{" + made.fields + b"}")
    return event if made.event_id is None else {"event_id": made.event_id, **event}


def mapped_time(value: str) -> str:
    choices = parse_choices(["timestamp=t"], "n", None, (), "Europe/Berlin")
    return str(mapped(f'{{"t":{value}}}'.encode(), choices)["timestamp"])


def test_ndjson_native_event_passes_and_other_keys_become_properties() -> None:
    line = (
        b'{"event_id":"e","name":"n","timestamp":"2026-01-01","received_at":"x","user_id":7,"color":"red",'
        b'"properties":{"a":1.0}}'
    )
    assert mapped(line) == {
        "event_id": "e",
        "name": "n",
        "timestamp": "2026-01-01T00:00:00Z",
        "user_id": "7",
        "properties": {"color": "red", "a": 1.0},
    }


def test_ndjson_mapping_as_for_columns() -> None:
    maps = ["source=carrier", "properties=attributes", "event_id=id"]
    choices = parse_choices(maps, "flight", None, ["secret"], "UTC")
    line = (
        b'{"id":5,"name":"x","source":"y","carrier":"UA","attributes":{},"secret":1,"properties":{"p":1},'
        b'"site_id":null}'
    )
    assert mapped(line, choices) == {
        "event_id": "5",
        "name": "flight",
        "source": "UA",
        "properties": {"name": "x", "source": "y", "properties": {"p": 1}},
    }


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ('"2026-01-02T03:04:05"', "2026-01-02T02:04:05Z"),
        ('"2026-01-02T03:04:05Z"', "2026-01-02T03:04:05Z"),
        ("1767323045", "2026-01-02T03:04:05Z"),
    ],
)
def test_ndjson_times(value: str, sent: str) -> None:
    assert mapped_time(value) == sent


@pytest.mark.parametrize("value", ['"soon"', "null", '""', "[]", "true", "{}"])
def test_ndjson_row_whose_time_cannot_be_used_is_rejected(value: str) -> None:
    with pytest.raises(BadTime, match="timestamp"):
        mapped_time(value)


@pytest.mark.parametrize("line", [b"[1]", b"{", b'{"a":1}}', b'"\xff"', b'{"a":"\xff"}', b"nan"])
def test_ndjson_line_that_is_no_object(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b'{"name":"a"}\n' + line)
    source = opened(path, NAMED)
    [chunk] = source.chunks(0, 10)
    source.close()
    assert (chunk.places, [broken.row for broken in chunk.broken]) == ([1], [2])


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_ndjson_file_with_blank_and_broken_lines(tmp_path: Path, ending: str) -> None:
    text = b'{"name":"a"}\n\nbroken\n{"name":"b"}'
    packed = {"": text, ".gz": gzip.compress(text), ".zst": zstandard.ZstdCompressor().compress(text)}
    path = tmp_path / f"rows.ndjson{ending}"
    path.write_bytes(packed[ending])
    source = opened(path, Choices())
    [chunk] = source.chunks(0, 10)
    source.close()
    assert chunk.places == [1, 4]
    assert source.file.counted == 3
    assert [broken.row for broken in chunk.broken] == [3]
    assert (chunk.end, chunk.progress) == (4, path.stat().st_size)


@pytest.mark.parametrize("over", [0, 1, LINE_MAX, LINE_MAX + 7])
def test_ndjson_line_that_is_too_long_is_one_broken_row(tmp_path: Path, over: int) -> None:
    """It is reported, and the rows around it are read."""
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b'{"name":"a"}\n' + b"x" * (LINE_MAX + over) + b'\n{"name":"b"}')
    source = opened(path, Choices())
    [chunk] = source.chunks(0, 10)
    source.close()
    assert (chunk.places, chunk.end) == ([1, 3], 3)
    assert [(broken.row, broken.reason) for broken in chunk.broken] == [
        (2, f"has {LINE_MAX + over + 1:,} bytes; at most {LINE_MAX:,} are read")
    ]


def test_ndjson_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"name":"a"}\n' * 200_000)[:-12])
    with pytest.raises(InvalidRequest, match="cannot be read"):
        survey(path, text=True)
    file = LinesFile(path, 200_000)
    with pytest.raises(InvalidRequest, match="cannot be read after line"):
        list(file.rows(0))
    file.close()


def test_format_needs_an_ending_or_an_option() -> None:
    assert [format_of(Path(name), None) for name in ("a.jsonl.zst", "a.PQ", "a.tsv")] == ["ndjson", "parquet", "csv"]
    assert format_of(Path("a.txt"), "csv") == "csv"
    with pytest.raises(ConfigError, match="--format"):
        format_of(Path("a.txt"), None)
