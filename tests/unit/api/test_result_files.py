"""Any answer as a file: read back, it says what the JSON answer says, for every kind of query."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import duckdb
import httpx
import pytest
import pytest_asyncio

from tallystick.api.files import result as result_file
from tallystick.api.files.columns import INSTANTS, columns_of, flat
from tallystick.errors import QueryTimeout
from tallystick.model.query import Query, Result, Scope
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.samples import block_of, sample_event

SHAPES: dict[str, type[Scope]] = {shape.model_fields["kind"].default: shape for shape in get_args(get_args(Query)[0])}
RANGE = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-04T00:00:00Z"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = [{"name": "page_view"}, {"name": "=1+1"}]
ASKED: dict[str, list[dict[str, Any]]] = {
    "metrics": [
        {},
        {"interval": "hour", "timezone": "Asia/Kathmandu", **RANGE},
        {
            "breakdown": ["name", "properties.mixed"],
            "metrics": [{"kind": "users"}, {"kind": "avg", "property": "n"}, {"kind": "last_received"}],
        },
        {"interval": "day", "compare": "previous", **RANGE},
        {"breakdown": ["user_id"], "top": 2, "other": True},
        {
            "metrics": [{"kind": "events", "name": "=A"}, {"kind": "users"}],
            "formulas": [{"expression": "A / B", "name": "per user"}],
            "breakdown": ["properties.N"],
        },
    ],
    "events": [{}, {"ascending": True}],
    "keys": [{}],
    "values": [{"field": "properties.mixed"}, {"field": "name"}],
    "sessions": [{}, {"interval": "day", "compare": "previous", **RANGE}, {"breakdown": ["entry_page"], "other": True}],
    "paths": [{"by": "event"}],
    "people": [{}],
    "person": [{"user_id": "user-1"}],
    "funnel": [{"steps": STEPS}, {"steps": STEPS, "breakdown": "properties.mixed"}],
    "funnel_users": [{"steps": STEPS, "step": 1}],
    "retention": [RANGE],
    "lifecycle": [RANGE],
    "stickiness": [RANGE],
    "active_users": [RANGE],
}
"""Queries of every kind."""
QUESTIONS = [{"kind": kind, **question} for kind, questions in ASKED.items() for question in questions]
PROPERTIES = (
    b'{"mixed":"=cmd","n":1,"N":"x","list":[1,"a,\\"b"],"deep":{"k":null}}',
    b'{"mixed":7,"n":-2.5}',
    b'{"mixed":true,"n":1e300}',
    b'{"mixed":"line\\r\\nbreak, \\"quoted\\"","N":"\xc3\xbc"}',
    b"{}",
    b'{"mixed":null}',
    b'{"mixed":"2026-03-01T00:00:00Z","text":"a\\u0000b"}',
    b'{"mixed":"-5"}',
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReadSide]:
    async with open_read_side(tmp_path_factory.mktemp("files"), disk_reserve_bytes=0) as opened:
        names = ("page_view", "=1+1", "@sum")
        events = [
            sample_event(number, name=names[number % 3], properties=PROPERTIES[number % len(PROPERTIES)])
            for number in range(240)
        ]
        await opened.store_blocks([block_of(0, events)])
        yield opened


async def ask(side: ReadSide, question: dict[str, Any], form: str = "") -> httpx.Response:
    answer = await side.client.post("/v1/query", params={"format": form} if form else {}, json=question)
    assert answer.status_code == 200, answer.text
    return answer


async def rows_of(side: ReadSide, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row of the JSON answer, page by page, as a file has it."""
    found: list[dict[str, Any]] = []
    page = (await ask(side, question)).json()
    while True:
        found += page["rows"]
        if page["next_cursor"] is None:
            return [flat(row) for row in found]
        page = (await ask(side, {**question, "cursor": page["next_cursor"]})).json()


def read_csv(content: bytes) -> tuple[list[str], list[dict[str, str]]]:
    text = content.decode("utf-8")
    assert text.replace("\r\n", "").count("\n") == 0  # lines end with CRLF, in cells as in rows: no sample has another
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return rows[0], [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def in_csv(text: str) -> str:
    """What stands in the cell of a text."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def says(cell: str, value: Any) -> bool:
    """Whether a cell says what a value is."""
    if value is None or isinstance(value, str):
        return cell == in_csv(value or "")
    return bool(json.loads(cell) == value and type(json.loads(cell)) is type(value))


def read_parquet(path: Path, content: bytes) -> tuple[list[str], dict[str, str], list[dict[str, Any]]]:
    """Names, types, rows; instants as microseconds since 1970."""
    path.write_bytes(content)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        types = {row[0]: row[1] for row in described}
        wanted = ", ".join(
            f'epoch_us("{name}")' if kind.startswith("TIMESTAMP") else '"' + name.replace('"', '""') + '"'
            for name, kind in types.items()
        )
        rows = connection.execute(f"SELECT {wanted} FROM read_parquet(?)", [str(path)]).fetchall()
    return list(types), types, [dict(zip(types, row, strict=True)) for row in rows]


def instants(values: list[str]) -> list[int]:
    """As microseconds since 1970."""
    return [(datetime.fromisoformat(value) - EPOCH) // timedelta(microseconds=1) for value in values]


def test_every_kind_of_question_is_asked() -> None:
    assert ASKED.keys() == SHAPES.keys()


@pytest.mark.parametrize("question", QUESTIONS, ids=json.dumps)
@pytest.mark.asyncio(loop_scope="module")
async def test_csv_says_what_json_says(side: ReadSide, question: dict[str, Any]) -> None:
    rows = await rows_of(side, question)
    answer = await ask(side, question, "csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{question["kind"].replace("_", "-")}.csv"'
    names, found = read_csv(answer.content)
    assert rows, "a question without rows compares nothing"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    assert names == [in_csv(name) for name in columns]
    assert len(found) == len(rows)
    for got, row in zip(found, rows, strict=True):
        assert all(says(got[in_csv(name)], row.get(name)) for name in columns), (got, row)


@pytest.mark.parametrize("question", QUESTIONS, ids=json.dumps)
@pytest.mark.asyncio(loop_scope="module")
async def test_parquet_says_what_json_says(side: ReadSide, question: dict[str, Any], tmp_path: Path) -> None:
    """Numbers as numbers, instants as instants, what is nested or of several types as text."""
    rows = await rows_of(side, question)
    answer = await ask(side, question, "parquet")
    names, types, found = read_parquet(tmp_path / "file.parquet", answer.content)
    assert names == list(dict.fromkeys(name for row in rows for name in row))
    assert len(found) == len(rows)
    for name in names:
        given = [row.get(name) for row in rows]
        there = [value for value in given if value is not None]
        if types[name].startswith("TIMESTAMP"):
            assert name.removeprefix("previous.") in INSTANTS
            wanted: list[Any] = instants(there)
            assert [row[name] for row in found if row[name] is not None] == wanted
            continue
        kinds = {type(value) for value in there}
        if kinds <= {int, float} and kinds:
            assert types[name] == ("BIGINT" if kinds == {int} else "DOUBLE")
        elif kinds == {bool}:
            assert types[name] == "BOOLEAN"
        else:
            assert types[name] == "VARCHAR"
            texts = [value is None or isinstance(value, str) for value in given]
            got = [row[name] if text else json.loads(row[name]) for row, text in zip(found, texts, strict=True)]
            assert got == given, name
            continue
        assert [row[name] for row in found] == given, name


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.asyncio(loop_scope="module")
async def test_without_rows_the_columns_are_the_same(side: ReadSide, kind: str, tmp_path: Path) -> None:
    """So that a program that reads a file every day does not fail on a quiet one."""
    for question in ASKED[kind]:
        asked = SHAPES[kind](**{name: value for name, value in question.items() if name != "compare"})
        rows = (
            await ask(
                side,
                {**question, "kind": kind, "compare": None} if "compare" in question else {**question, "kind": kind},
            )
        ).json()["rows"]
        full = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "other"]
        assert columns_of(asked, []) == full  # type: ignore[arg-type]
    empty = {"kind": kind, **ASKED[kind][-1], "site_id": "nobody", "compare": None}
    empty = {name: value for name, value in empty.items() if name in SHAPES[kind].model_fields}
    if not (await ask(side, empty)).json()["rows"]:
        names, found = read_csv((await ask(side, empty, "csv")).content)
        assert (bool(names), found) == (True, [])
        parquet = (await ask(side, empty, "parquet")).content
        assert [in_csv(name) for name in read_parquet(tmp_path / "empty.parquet", parquet)[0]] == names


@pytest.mark.asyncio(loop_scope="module")
async def test_json_as_a_file_is_the_answer_as_ever(side: ReadSide) -> None:
    as_ever, kept = (await ask(side, {"kind": "people"})), (await ask(side, {"kind": "people"}, "json"))
    assert kept.json()["rows"] == as_ever.json()["rows"]
    assert as_ever.json().keys() == kept.json().keys()
    assert "content-disposition" not in as_ever.headers
    assert kept.headers["content-disposition"] == 'attachment; filename="people.json"'


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.asyncio(loop_scope="module")
async def test_all_rows_come_unless_the_question_names_its_page(
    side: ReadSide, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def many(answer: httpx.Response) -> int:
        if form == "csv":
            return len(read_csv(answer.content)[1])
        return len(read_parquet(tmp_path / "file.parquet", answer.content)[2])

    page = await ask(side, {"kind": "events", "limit": 100}, form)
    assert many(page) == 100
    rest = {"kind": "events", "limit": 200, "cursor": page.headers["x-tallystick-next-cursor"]}
    last = await ask(side, rest, form)
    assert many(last) == 140
    assert "x-tallystick-next-cursor" not in last.headers

    asked: list[Any] = []
    run = side.store.run

    async def in_small_pages(query: Any) -> Result:
        asked.append(query)
        return await run(query.model_copy(update={"limit": 50}))

    monkeypatch.setattr(side.store, "run", in_small_pages)
    whole = await ask(side, {"kind": "events"}, form)
    assert many(whole) == 240
    assert "x-tallystick-next-cursor" not in whole.headers
    assert [query.limit for query in asked] == [5_000] * 5


@pytest.mark.asyncio(loop_scope="module")
async def test_get_questions_come_as_files_too(side: ReadSide) -> None:
    answer = await side.client.get("/v1/query", params={"format": "csv", "breakdown": "name"})
    names, found = read_csv(answer.content)
    assert names == ["name", "events"]
    assert {row["name"]: row["events"] for row in found} == {"page_view": "80", "'=1+1": "80", "'@sum": "80"}
    limited = await side.client.get("/v1/query", params={"format": "csv", "breakdown": "name", "limit": 2})
    assert len(read_csv(limited.content)[1]) == 2
    assert limited.headers["x-tallystick-next-cursor"]
    refused = await side.client.get("/v1/query", params={"format": "xlsx"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_is_an_error_and_no_file(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ("csv", "parquet", "json"):
        bad = await side.client.post(f"/v1/query?format={form}", json={"kind": "events", "cursor": "none"})
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_request")
        assert "content-disposition" not in bad.headers
    monkeypatch.setattr(result_file, "ROWS_MAX", 100)
    large = await side.client.post("/v1/query?format=parquet", json={"kind": "events"})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    assert list(side.settings.data.glob("export-*")) == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_csv_that_cannot_go_on_breaks_off(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not look like a whole one."""
    run, calls = side.store.run, 0

    async def failing(query: Any) -> Result:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise QueryTimeout
        return await run(query.model_copy(update={"limit": 50}))

    monkeypatch.setattr(side.store, "run", failing)
    transport = httpx.ASGITransport(side.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        with pytest.raises(RuntimeError) as broken:  # Starlette's, since half an answer is out
            await client.post("/v1/query?format=csv", json={"kind": "events"})
    assert calls == 3
    assert isinstance(broken.value.__cause__, QueryTimeout)


def test_a_file_is_called_what_can_be_written_everywhere() -> None:
    names = {"Wöchentlich: A/B": "wochentlich-a-b", "../../etc": "etc", "": "result", "数": "result", 'x";y\r\n': "x-y"}
    for name, short in names.items():
        assert result_file.disposition(name, "csv") == {"Content-Disposition": f'attachment; filename="{short}.csv"'}


async def test_excel_gets_the_same_csv_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Answers and exports: without the mark Excel does not read UTF-8."""
    async with open_read_side(tmp_path) as side:
        await side.store_blocks([block_of(0, [sample_event(1, name="café")])])
        for path, more in (("/v1/query", {"breakdown": "name"}), ("/v1/export", {})):
            plain = await side.client.get(path, params={"format": "csv", **more})
            excel = await side.client.get(path, params={"format": "excel", **more})
            assert excel.content == b"\xef\xbb\xbf" + plain.content
            assert "café" in plain.text
            for header in ("content-type", "content-disposition"):
                assert excel.headers[header] == plain.headers[header]
