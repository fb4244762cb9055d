"""Rows of other systems' files: what the options change, records of several rows, and going on within a file."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tallystick.cli.importing.access_log import AccessLog
from tallystick.cli.importing.columns import Details, parse_choices
from tallystick.cli.importing.mapping import NotAnEvent
from tallystick.cli.importing.reading.archive import is_archive, unpacked
from tallystick.cli.importing.reading.content import survey
from tallystick.cli.importing.source import Reading, Source, format_of, open_source
from tallystick.errors import InvalidRequest
from tallystick.ingest.enrich.page import PageRules
from tallystick.ingest.enrich.paths import PathRules

EXPORTS = Path(__file__).parents[3] / "outside" / "imports" / "presets"


def opened(path: Path, preset: str | None = None, *maps: str, **details: Any) -> Source:
    drop, site, name = (details.pop(key, default) for key, default in (("drop", ()), ("site", None), ("name", None)))
    choices = parse_choices(maps, name, site, drop, "UTC", Details(preset=preset, **details))
    kind = format_of(path, None)
    log = AccessLog(b"k" * 32, "shop.example", lambda agent: {}) if kind == "combined" else None
    return open_source(path, kind, survey(path, text=kind != "parquet"), choices, Reading(), log)


def events(source: Source, skip: int = 0, most: int = 1000) -> list[dict[str, Any]]:
    found = [json.loads(line) for chunk in source.chunks(skip, most) for line in chunk.body.splitlines()]
    source.close()
    return found


def test_options_change_what_a_mapping_makes() -> None:
    source = opened(
        EXPORTS / "umami.csv", "umami", "user_id=visit_id", "source=tag|web", drop=["page_title", "$os"], site="shop"
    )
    first = events(source)[0]
    assert (first["site_id"], first["user_id"], first["source"]) == (
        "shop",
        "9a7d3c10-64b6-5b0f-a1f2-0e0c6b1a7701",
        "web",
    )
    assert first["properties"].keys().isdisjoint({"title", "$os"})
    assert source.mapper.origin("user_id") == "column visit_id"
    assert source.mapper.origin("name") == "--from umami"
    assert source.mapper.unused() == ["--map source=tag"]


def test_types_of_properties_that_a_mapping_makes() -> None:
    [first, *_] = events(opened(EXPORTS / "goatcounter.csv", "goatcounter", types=["$browser_version=text"]))
    assert first["properties"]["$browser_version"] == "134"
    source = opened(EXPORTS / "goatcounter.csv", "goatcounter", types=["title=number"])
    reasons = [broken.reason for chunk in source.chunks(0, 1000) for broken in chunk.broken]
    source.close()
    assert reasons[0] == "title: 'Home' is no number (--type title=number)"


def test_paths_follow_the_rules() -> None:
    choices = parse_choices((), None, None, (), "UTC", Details(preset="umami"))
    path = EXPORTS / "umami.csv"
    rules = PageRules(("google.com",), PathRules(lower=True))
    found = events(open_source(path, "csv", survey(path, text=True), choices, Reading(), None, rules))
    assert "$referring_domain" not in found[3]["properties"]
    assert found[3]["properties"]["$host"] == "shop.example"


@pytest.mark.parametrize("skip", range(6))
def test_records_of_several_rows_go_on_at_a_row(skip: int) -> None:
    whole = events(opened(EXPORTS / "matomo.json", "matomo"))
    source = opened(EXPORTS / "matomo.json", "matomo")
    assert events(source, skip, most=2) == whole[skip:]
    assert (source.file.counted, source.file.numbered) == (5, 5)


def test_records_that_are_none_are_rejected_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "visits.ndjson"
    visit = {"idVisit": "1", "actionDetails": [{"type": "action", "timestamp": 1768467600}]}
    lines = [visit, {"idVisit": "2", "actionDetails": ["x"]}, {"idVisit": "3", "actionDetails": []}, visit]
    file.write_text("\n".join([*map(json.dumps, lines), "{"]))
    source = opened(file, "matomo")
    chunks = list(source.chunks(0, 1000))
    source.close()
    rejected = [(broken.row, broken.reason) for chunk in chunks for broken in chunk.broken]
    assert [row for row, _ in rejected] == [2, 5]
    assert sum(len(chunk.places) for chunk in chunks) + len(rejected) == source.file.counted


@pytest.mark.parametrize("skip", [0, 1, 3, 7, 9])
def test_ids_from_content_are_the_same_when_an_import_goes_on(tmp_path: Path, skip: int) -> None:
    file = tmp_path / "rows.ndjson"
    rows = [{"name": "a", "timestamp": 1768467600, "n": number % 2} for number in range(8)]
    file.write_text("\n".join([json.dumps(rows[0]), "{", *map(json.dumps, rows[1:])]))
    whole = events(opened(file, ids="content"))
    assert len({event["event_id"] for event in whole}) == 8
    rest = events(opened(file, ids="content"), skip, most=2)
    assert rest == whole[skip - (skip >= 2) :]


def test_ids_from_content_do_not_depend_on_the_options() -> None:
    first = [event["event_id"] for event in events(opened(EXPORTS / "goatcounter.csv", "goatcounter"))]
    source = opened(EXPORTS / "goatcounter.csv", "goatcounter", drop=["Title"], site="other", name="page_view")
    assert [event["event_id"] for event in events(source)] == first


def test_ga4_as_parquet(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    duckdb.sql(
        f"""
        COPY (
            SELECT event_name, CAST(event_timestamp AS BIGINT) AS event_timestamp, user_pseudo_id, user_id,
                   list_transform(event_params, lambda p: {{
                       'key': p.key,
                       'value': {{
                           'string_value': p.value.string_value,
                           'int_value': CAST(p.value.int_value AS BIGINT),
                           'double_value': p.value.double_value
                       }}
                   }}) AS event_params
            FROM read_ndjson('{EXPORTS / "ga4.ndjson"}')
        ) TO '{file}' (FORMAT parquet)
        """
    )
    lines = events(opened(EXPORTS / "ga4.ndjson", "ga4"))
    table = events(opened(file, "ga4"))
    for field in ("name", "timestamp", "user_id", "session_id", "path"):
        assert [event.get(field) for event in table] == [event.get(field) for event in lines]
    assert table[1]["properties"]["big"] == 9007199254740993


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def test_an_archive_is_its_lines_in_the_order_of_names(tmp_path: Path) -> None:
    lines = gzip.compress(b'{"n":1}\n{"n":2}')
    path = archive(tmp_path / "e.zip", {"b.json": b'{"n":3}', "a.json.gz": lines, "__MACOSX/a.json": b"x"})
    assert is_archive(path)
    with unpacked(path) as whole:
        assert whole.read_bytes() == b'{"n":1}\n{"n":2}\n{"n":3}\n'
    assert not whole.exists()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "with nothing in it"),
        ({"table.csv": b"a,b"}, "with table.csv in it; only archives of JSON lines"),
        ({"a.json.gz": gzip.compress(b'{"n":1}')[:-6]}, "cannot be unpacked"),
        ({"imported_pages_1.csv": b"a"}, "is Plausible's CSV export: daily sums"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    path = archive(tmp_path / "e.zip", files)
    if not files:
        path.write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(InvalidRequest, match=reason), unpacked(path):
        pass


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "e.zip", {"a.json": b'{"n":1}' * 50})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidRequest, match="cannot be unpacked"), unpacked(path):
        pass


def test_lines_of_a_log_that_are_no_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    line = (EXPORTS / "access.log").read_bytes().splitlines()[0]
    file.write_bytes(line.replace(b"/?utm_source=letter", b"/caf\xe9") + b"\n\n[::1]:443 oops\n")
    source = opened(file)
    chunks = list(source.chunks(0, 10))
    source.close()
    assert json.loads(chunks[0].body)["path"] == "/caf\ufffd"
    assert [(broken.row, broken.reason) for broken in chunks[0].broken] == [
        (3, "is no line of the combined log format")
    ]
    assert source.file.counted == 2


def test_a_row_that_is_none_of_the_export_is_rejected() -> None:
    source = opened(EXPORTS / "posthog.ndjson", "posthog")
    with pytest.raises(NotAnEvent, match="is no JSON object"):
        source.mapper.members({"event": b'"x"', "timestamp": b"1", "distinct_id": b'"u"', "properties": b'"{"'})
    source.close()
