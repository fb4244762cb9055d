"""What the fuzzers call: one function for each way in, which accepts or refuses any bytes. Anything else is a fault.

The first byte of an input chooses among the ways; so one corpus reaches all of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tallystick.cli.importing.access_log import AccessLog
from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.reading.content import survey
from tallystick.cli.importing.source import Format, Reading, open_source
from tallystick.config import Settings
from tallystick.dialects import analytics_backend, eventflux, fast_worker
from tallystick.dialects.base import Refused
from tallystick.dialects.pageview import PageViewDialect
from tallystick.dialects.pageview_events import Problems
from tallystick.errors import TallystickError
from tallystick.ingest.body import decompress
from tallystick.ingest.decode import _decode_carefully, _decode_fast, _split, decode_native
from tallystick.ingest.normalise import Rejected, normalise
from tallystick.ingest.text import clean_json
from tallystick.model.event import Event, decode_line, encode_lines
from tallystick.usersql.check import check_sql

NOW = datetime(2026, 6, 15, 12, 30, tzinfo=UTC)
SETTINGS = Settings()
LIMIT = 1024 * 1024
"""Most bytes that a body of a fuzzer may unpack to."""
ENCODINGS = (b"gzip", b"deflate", b"zstd", b"br")
STORES = ("duckdb", "postgres", "clickhouse")
KINDS: tuple[tuple[str, Format, str | None], ...] = (
    ("rows.csv", "csv", None),
    ("rows.tsv", "csv", None),
    ("rows.csv.gz", "csv", None),
    ("rows.csv.zst", "csv", None),
    ("rows.ndjson", "ndjson", None),
    ("rows.parquet", "parquet", None),
    ("access.log", "combined", None),
    *((f"{name}.csv", "csv", name) for name in ("umami", "plausible", "goatcounter", "matomo")),
    *((f"{name}.ndjson", "ndjson", name) for name in ("mixpanel", "amplitude", "posthog", "ga4")),
)
"""Names of files, their formats, and the ready mapping that reads them."""


# --- bodies ---------------------------------------------------------------------------------------------------------


def decode(data: bytes) -> None:
    """A body that a write route reads."""
    ways: tuple[Callable[[bytes], None], ...] = (
        lambda body: _native(body, False, None),
        lambda body: _native(body, True, None),
        lambda body: _native(body, False, "shop"),
        _eventflux,
        lambda body: _page_view(body, fast_worker.DIALECT),
        lambda body: _page_view(body, analytics_backend.DIALECT),
        _packed,
    )
    if data:
        with suppress(Rejected, Refused, Problems):
            _refusable(lambda: ways[data[0] % len(ways)](data[1:]))


def _native(body: bytes, ndjson: bool, site: str | None) -> None:
    decoded = decode_native(body, NOW, SETTINGS, ndjson=ndjson, site=site)
    events = _canonical(decoded.lines)
    assert len(events) == decoded.count
    assert site is None or {event.site_id for event in events} <= {site}
    cleaned = clean_json(body)
    fast = _decode_fast(cleaned, NOW, SETTINGS, ndjson, site)
    if fast is not None and b"sent_at" not in cleaned:
        careful = _decode_carefully(_split(cleaned, ndjson, SETTINGS.max_request_events)[0], NOW, SETTINGS, None, site)
        assert careful.rejected == [], "the fast way takes what the careful one rejects"
        assert _without_ids(_canonical(fast.lines)) == _without_ids(_canonical(careful.lines)), "the two ways differ"


def _canonical(lines: bytes) -> list[Event]:
    """The events of canonical lines, each of which is written again as it is."""
    events = []
    for line in lines.splitlines(keepends=True):
        event = decode_line(line)
        assert encode_lines([event]) == line
        events.append(event)
    return events


def _without_ids(events: list[Event]) -> list[dict[str, Any]]:
    """An id that the server makes differs each time."""
    return [
        {**msgspec.structs.asdict(event), "event_id": None, "properties": bytes(event.properties)} for event in events
    ]


def _eventflux(body: bytes) -> None:
    cleaned = clean_json(body)
    fast = eventflux.decode_fast(cleaned, NOW, SETTINGS)
    careful = eventflux.decode_carefully(cleaned, NOW, SETTINGS)
    _canonical(encode_lines(careful[1]))
    if fast is not None:
        assert fast[0] == careful[0]
        assert _without_ids(fast[1]) == _without_ids(careful[1]), "the two ways differ"


def _page_view(body: bytes, dialect: PageViewDialect) -> None:
    try:
        given = msgspec.json.decode(clean_json(body))
    except (msgspec.DecodeError, RecursionError):
        return
    _canonical(encode_lines([normalise(dialect.read(given, dialect.limits, dialect.name), NOW)]))


def _packed(data: bytes) -> None:
    if data:
        unpacked = decompress(data[1:], ENCODINGS[data[0] % len(ENCODINGS)], LIMIT)
        assert len(unpacked) <= LIMIT
        decode_native(unpacked, NOW, SETTINGS)


# --- statements -----------------------------------------------------------------------------------------------------


def sql(data: bytes) -> None:
    """A statement that a user writes: refused, or executable and reading views alone."""
    if not data:
        return
    store = STORES[data[0] % len(STORES)]
    text = data[1:].decode("utf-8", "surrogateescape")
    _refusable(lambda: _checked(text, store))


def _checked(text: str, store: str) -> None:
    checked = check_sql(text, store)
    checked.sql.encode()
    assert "\0" not in checked.sql


# --- files ----------------------------------------------------------------------------------------------------------


def imports(data: bytes) -> None:
    """A file that an import reads: refused, or every row of it an event or broken."""
    if not data:
        return
    name, kind, preset = KINDS[data[0] % len(KINDS)]
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_fast_folder()) as folder:
        path = Path(folder) / name
        path.write_bytes(data[1:])
        _refusable(lambda: _read(path, kind, preset))


def _read(path: Path, kind: Format, preset: str | None) -> None:
    found = survey(path, text=kind != "parquet")
    log = AccessLog(b"k" * 32, "shop.example", lambda agent: {}) if kind == "combined" else None
    source = open_source(path, kind, found, Choices(preset=preset), Reading(), log)
    try:
        for chunk in source.chunks(0, 100):
            lines = [line for line in chunk.body.split(b"\n") if line]
            assert len(lines) == len(chunk.places)
            if lines:
                decoded = decode_native(chunk.body, NOW, SETTINGS, ndjson=True)
                assert decoded.count + len(decoded.rejected) == len(lines)
    finally:
        source.close()


def _fast_folder() -> str | None:
    """A folder in memory, where there is one: each input is a file."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _refusable(call: Callable[[], None]) -> None:
    """Run it; an error that Tallystick raises at its caller's fault is an answer."""
    try:
        call()
    except TallystickError as error:
        if error.status >= 500:
            raise


TARGETS: dict[str, Callable[[bytes], None]] = {"decode": decode, "sql": sql, "imports": imports}


# --- where the fuzzers begin ----------------------------------------------------------------------------------------


def seeds(target: str) -> Iterator[bytes]:
    """Inputs from the tests' tables, each for every way where they are not many."""
    yield from {"decode": _bodies, "sql": _statements, "imports": _files}[target]()


def _bodies() -> Iterator[bytes]:
    from tests.attack.http.bad_input.bodies import BODIES
    from tests.attack.http.bad_input.events import EVENTS
    from tests.attack.http.bad_input.shapes import FORMS

    forms = {"own": (0, 1, 2), "eventflux": (3,), "fast_worker": (4,), "backend": (5,)}
    for api, ways in forms.items():
        form = FORMS[api]
        bodies = [form.body(next(iter(form.fields)), '"a"')]
        bodies += [form.body(one.field, one.value) for one in EVENTS if one.field in form.fields]
        yield from (bytes([way]) + body for way in ways for body in bodies if len(body) < 2_000)
    for number, one in enumerate(BODIES):
        if len(one.sent) < 2_000:
            packed = bytes([6, ENCODINGS.index(one.encoding.encode())]) if one.encoding.encode() in ENCODINGS else b""
            yield (packed or bytes([number % 6])) + one.sent


def _statements() -> Iterator[bytes]:
    from tests.unit.usersql.test_bombs import BOMBS
    from tests.unit.usersql.test_check import REFUSED

    texts = [text for text, _ in REFUSED] + [text for _, text, _ in BOMBS]
    for number, text in enumerate(texts):
        yield bytes([number % len(STORES)]) + text.encode("utf-8", "surrogatepass")[:2_000]


def _files() -> Iterator[bytes]:
    samples = Path(__file__).parents[1] / "outside" / "imports" / "presets"
    for number, (_, kind, preset) in enumerate(KINDS):
        for sample in sorted(
            samples.glob(f"{preset}*.{kind}" if preset else "*.log" if kind == "combined" else "*.csv")
        ):
            yield bytes([number]) + sample.read_bytes()[:3_000]
        yield bytes([number]) + b"name,timestamp,user_id\na,2026-01-01,u\n"
        yield bytes([number]) + b'{"name":"a","timestamp":1769932800,"properties":{"k":[1,"x"]}}\n'
