"""Exports of other systems and access logs, imported into a running server: the numbers that it answers then.

The files in `presets/` have the shape of real exports. Expected numbers are counted by hand from them.
"""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import httpx
import pytest

from tallystick.cli import main

FILES = Path(__file__).with_name("presets")
TALLYSTICK = [sys.executable, "-c", "from tallystick.cli import main; main()"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Import = Callable[..., Ran]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one server for all files; each has a site of its own."""
    data = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [*TALLYSTICK, "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def run(
    server: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Import:
    """Imports a file into the server."""
    monkeypatch.setenv("TALLYSTICK_DATA", str(tmp_path / "data"))

    def imported(file: str | Path, site: str, *options: str) -> Ran:
        capsysbinary.readouterr()
        copy = tmp_path / Path(file).name  # what an import remembers is beside its file
        if not copy.exists():
            copy.write_bytes((FILES / file).read_bytes())
        with pytest.raises(SystemExit) as exit_:
            main(["import", str(copy), *(["--site", site] if site else []), "--url", server, *options])
        out, err = capsysbinary.readouterr()
        return Ran(int(exit_.value.code or 0), out.decode(), err.decode())

    return imported


class Site:
    """What the server answers about a site, once it has stored the expected number of events."""

    def __init__(self, server: str, site: str, events: int) -> None:
        self._server = server
        self._site = site
        end = time.monotonic() + 60
        while (found := self._ask({"kind": "metrics", "bots": "include"})[0]["events"]) != events:
            assert found < events
            assert time.monotonic() < end, found
            time.sleep(0.05)

    def _ask(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self._server}/v1/query", json={"site_id": self._site, **query}, timeout=600)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["rows"])

    def by(self, field: str, name: str | None = None) -> dict[Any, tuple[int, int]]:
        """Value of the field → events and users, bots' too, of the events with this name."""
        query: dict[str, Any] = {"kind": "metrics", "breakdown": [field], "bots": "include"}
        query["metrics"] = [{"kind": "events"}, {"kind": "users"}]
        if name is not None:
            query["filter"] = {"field": "name", "op": "=", "value": name}
        return {row[field]: (row["events"], row["users"]) for row in self._ask(query)}

    def without_bots(self) -> int:
        """Events as numbers have them by default."""
        return int(self._ask({"kind": "metrics"})[0]["events"])

    def sessions(self) -> int:
        return int(self._ask({"kind": "sessions"})[0]["sessions"])

    def sessions_by(self, field: str) -> dict[Any, int]:
        return {row[field]: row["sessions"] for row in self._ask({"kind": "sessions", "breakdown": [field]})}

    def events(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self._server}/v1/export", params={"site_id": self._site}, timeout=600)
        assert answer.status_code == 200, answer.text
        return sorted(map(json.loads, answer.text.splitlines()), key=lambda event: str(event["timestamp"]))


def test_umami(server: str, run: Import) -> None:
    ran = run("umami.csv", "umami", "--from", "umami")
    assert (ran.code, ran.out.splitlines()[:2]) == (
        0,
        [ran.out.splitlines()[0], "times: 2026-01-15 09:00:00 UTC to 2026-01-15 23:30:00 UTC"],
    )
    assert "4 events accepted, 0 rows rejected" in ran.out
    site = Site(server, "umami", 4)
    assert site.by("name") == {"page_view": (3, 2), "signup-button": (1, 1)}
    assert site.by("path", "page_view") == {"/": (2, 2), "/pricing": (1, 1)}
    assert site.by("properties.$geoip_country_code", "page_view") == {"DE": (2, 1), "FR": (1, 1)}
    assert site.by("properties.$browser", "page_view") == {"Chrome": (2, 1), "Mobile Safari": (1, 1)}
    assert site.sessions() == 2
    assert site.sessions_by("referrer") == {"mail.google.com": 1, "www.google.com": 1}


def test_an_export_that_is_imported_again_counts_once(server: str, run: Import, tmp_path: Path) -> None:
    assert run("umami.csv", "again", "--from", "umami").code == 0
    lines = (FILES / "umami.csv").read_text().splitlines(keepends=True)
    later = tmp_path / "later.csv"
    newer = lines[-1].replace("-000000000004", "-000000000005").replace("23:30:00", "23:45:00")
    later.write_text(lines[0] + "".join(lines[3:]) + newer)
    assert run(later, "again", "--from", "umami").code == 0
    assert Site(server, "again", 5).by("name") == {"page_view": (4, 2), "signup-button": (1, 1)}


def test_several_sites_of_an_export(server: str, run: Import) -> None:
    ran = run("umami.csv", "", "--from", "umami", "--map", "site_id=website_id", "--drop", "screen")
    assert ran.code == 0
    [event, *_] = Site(server, "0b8e27a3-0d4f-4a1e-9d3a-2a5d6a0f1c11", 4).events()
    assert event["properties"].keys().isdisjoint({"screen"})


@pytest.mark.parametrize("file", ["plausible.ndjson", "plausible.csv"])
def test_plausible(server: str, run: Import, file: str) -> None:
    site_name = f"plausible-{file}"
    views, methods = {"plausible.ndjson": (2, 'it\'s "new"'), "plausible.csv": (1, "it's, new")}[file]
    assert run(file, site_name, "--from", "plausible").code == 0
    site = Site(server, site_name, views + 1)
    assert site.by("name") == {"page_view": (views, 1), "Signup": (1, 1)}
    assert site.by("properties.method", "Signup") == {methods: (1, 1)}
    assert site.by("user_id") == {"9876543210987654321": (views + 1, 1)}
    assert site.sessions_by("referrer") == {"news.ycombinator.com": 1}


@pytest.mark.parametrize("packed", [False, True])
def test_daily_sums_of_plausible_are_refused(run: Import, tmp_path: Path, packed: bool) -> None:
    file: str | Path = "plausible_sums.csv"
    if packed:
        file = tmp_path / "export.zip"
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(FILES / "plausible_sums.csv", "imported_visitors_20260115_20260115.csv")
    ran = run(file, "sums", "--from", "plausible")
    assert (ran.code, ran.out) == (2, "")
    assert "daily sums" in ran.err
    assert "events_v2" in ran.err


def test_goatcounter(server: str, run: Import) -> None:
    assert run("goatcounter.csv", "goatcounter", "--from", "goatcounter").code == 0
    site = Site(server, "goatcounter", 5)
    assert site.by("name") == {"page_view": (4, 3), "download-button": (1, 1)}
    assert site.without_bots() == 4
    assert site.by("path", "page_view") == {"/": (3, 3), "/docs": (1, 1)}
    assert site.by("properties.$bot") == {None: (4, 2), "true": (1, 1)}
    assert site.sessions() == 2


def test_overlapping_exports_of_goatcounter_count_once(server: str, run: Import, tmp_path: Path) -> None:
    """Its rows have no ids, so they get them from what they say; equal rows count as often as one file has them."""
    lines = (FILES / "goatcounter.csv").read_text().splitlines(keepends=True)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("".join([lines[0], lines[1], lines[2], lines[2]]))
    second.write_text("".join([lines[0], lines[2], lines[2], lines[2], lines[3]]))
    assert run(first, "overlap", "--from", "goatcounter").code == 0
    assert run(second, "overlap", "--from", "goatcounter").code == 0
    assert Site(server, "overlap", 5).by("path", "page_view") == {"/": (1, 1), "/docs": (3, 1)}


@pytest.mark.parametrize("form", ["utf-8", "utf-16"])
def test_matomo_csv(server: str, run: Import, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"{form}.csv"
    file.write_bytes((FILES / "matomo.csv").read_text(encoding="utf-8").encode(form))
    assert run(file, f"matomo-{form}", "--from", "matomo").code == 0
    site = Site(server, f"matomo-{form}", 3)
    assert site.by("properties.title") == {"Shop": (1, 1), "Übersicht": (2, 2)}
    times = [event["timestamp"] for event in site.events()]
    assert times == ["2026-01-15T09:00:00Z", "2026-01-15T09:01:00Z", "2026-01-15T10:00:00Z"]


def test_matomo_json(server: str, run: Import) -> None:
    ran = run("matomo.json", "matomo", "--from", "matomo")
    assert ran.code == 0
    assert "5 events accepted, 0 rows rejected" in ran.out
    assert "times: 2026-01-15 09:00:00 UTC to 2026-01-15 10:01:40 UTC" in ran.out  # not the site's local time
    site = Site(server, "matomo", 5)
    assert site.by("name") == {
        "page_view": (2, 2),
        "Play": (1, 1),
        "outbound_click": (1, 1),
        "purchase": (1, 1),
    }
    assert site.by("user_id") == {"9d2b1f0a7c3e4455": (3, 1), "ann@example.com": (2, 1)}
    assert site.sessions() == 2
    assert site.sessions_by("properties.utm_source") == {"letter": 1, None: 1}


def test_mixpanel(server: str, run: Import) -> None:
    assert run("mixpanel.ndjson", "mixpanel", "--from", "mixpanel").code == 0
    site = Site(server, "mixpanel", 3)  # one purchase was delivered twice
    assert site.by("name") == {"page_view": (1, 1), "Purchase": (1, 1), "server call": (1, 1)}
    [view, purchase, _] = site.events()
    assert (view["timestamp"], view["path"]) == ("2026-01-15T09:00:00Z", "/")
    assert purchase["properties"]["order"] == 12345678901234567


def test_times_of_mixpanel_in_the_projects_time_zone(server: str, run: Import) -> None:
    ran = run("mixpanel.ndjson", "mixpanel-zone", "--from", "mixpanel", "--timezone", "America/New_York")
    assert "times: 2026-01-15 14:00:00 UTC to 2026-01-15 14:02:00 UTC" in ran.out
    assert {event["timestamp"] for event in Site(server, "mixpanel-zone", 3).events()} == {
        "2026-01-15T14:00:00Z",
        "2026-01-15T14:01:00Z",
        "2026-01-15T14:02:00Z",
    }


def test_amplitude_as_its_archive(server: str, run: Import, tmp_path: Path) -> None:
    lines = (FILES / "amplitude.ndjson").read_bytes().splitlines(keepends=True)
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("512345/512345_2026-01-15_9#0.json.gz", gzip.compress(b"".join(lines[:2]).rstrip()))
        archive.writestr("512345/512345_2026-01-15_23#0.json.gz", gzip.compress(lines[2]))
    assert run(file, "amplitude", "--from", "amplitude").code == 0
    site = Site(server, "amplitude", 3)
    assert site.by("name") == {"page_view": (1, 1), "$identify": (1, 1), "Purchase": (1, 1)}
    assert site.by("user_id") == {"ann": (2, 1), "bob": (1, 1)}  # the device before it signed in is ann
    assert site.by("properties.$os") == {"Windows": (2, 1), "iOS": (1, 1)}
    assert site.sessions() >= 1
    assert "was imported before" in run(file, "amplitude", "--from", "amplitude").err
    assert run(FILES / "amplitude.ndjson", "amplitude", "--from", "amplitude").code == 0
    Site(server, "amplitude", 3)


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_posthog(server: str, run: Import, tmp_path: Path, form: str) -> None:
    file: str | Path = "posthog.ndjson"
    if form == "parquet":  # batch exports have properties as text and times as TIMESTAMPs there
        file = tmp_path / "posthog.parquet"
        duckdb.sql(
            f"""
            COPY (
                SELECT uuid, event, distinct_id, person_id, CAST(properties AS VARCHAR) AS properties,
                       CAST(person_properties AS VARCHAR) AS person_properties, elements_chain,
                       CAST(timestamp AS TIMESTAMP) AS timestamp
                FROM read_ndjson('{FILES / "posthog.ndjson"}', columns = {{
                    uuid: 'VARCHAR', event: 'VARCHAR', distinct_id: 'VARCHAR', person_id: 'VARCHAR', properties: 'JSON',
                    person_properties: 'JSON', elements_chain: 'VARCHAR', timestamp: 'VARCHAR'
                }})
            ) TO '{file}' (FORMAT parquet)
            """
        )
    site_name = f"posthog-{form}"
    assert run(file, site_name, "--from", "posthog").code == 0
    site = Site(server, site_name, 3)
    assert site.by("name") == {"page_view": (1, 1), "$identify": (1, 1), "purchase": (1, 1)}
    assert site.by("user_id") == {"ann": (3, 1)}  # anon-1 is ann
    assert site.sessions_by("referrer") == {"www.google.com": 1}
    view, _, purchase = site.events()
    assert view["timestamp"] == "2026-01-15T09:00:00Z"
    assert "$ip" not in view["properties"]
    assert (purchase["path"], purchase["properties"]["amount"]) == ("/cart", 12.5)


def test_an_answer_of_posthogs_api(server: str, run: Import) -> None:
    assert run("posthog_api.json", "posthog-api", "--from", "posthog").code == 0
    assert Site(server, "posthog-api", 2).by("name") == {"page_view": (1, 1), "$identify": (1, 1)}


def test_ga4(server: str, run: Import) -> None:
    assert run("ga4.ndjson", "ga4", "--from", "ga4").code == 0
    site = Site(server, "ga4", 3)
    assert site.by("name") == {"page_view": (2, 2), "purchase": (1, 1)}
    assert site.by("properties.country") == {"Germany": (2, 2), "Austria": (1, 1)}
    assert site.sessions() == 2  # the session ids of two visitors are the same second
    view, purchase, _ = site.events()
    assert view["timestamp"] == "2026-01-15T09:00:00.123456Z"
    assert purchase["properties"]["big"] == 9007199254740993
    assert "utm_source" not in purchase["properties"]  # the campaign of the first visit is not this event's


def test_an_access_log(server: str, run: Import, tmp_path: Path) -> None:
    ran = run("access.log", "log", "--host", "shop.example")
    assert ran.code == 1
    assert "9 events accepted, 1 rows rejected" in ran.out
    assert "times: 2026-01-15 09:00:00 UTC to 2026-01-15 13:00:00 UTC" in ran.out
    assert "line 9: is no line of the combined log format" in ran.out
    site = Site(server, "log", 9)
    assert site.by("name") == {"page_view": (5, 4), "request": (4, 3)}
    assert site.without_bots() == 6
    assert site.by("path", "page_view") == {"/": (2, 2), "/docs": (1, 1), "/account": (1, 1), "/bücher": (1, 1)}
    assert site.by("properties.$bot", "page_view") == {None: (4, 3), "true": (1, 1)}
    assert site.by("properties.$browser", "page_view")["Chrome"] == (2, 1)
    assert not [event for event in site.events() if "203.0.113" in json.dumps(event)]
    # The rotated log of the next day begins with lines that this one had.
    rotated = tmp_path / "access.log.1.gz"
    lines = (FILES / "access.log").read_bytes().splitlines(keepends=True)
    newer = lines[5].replace(b"12:00:00", b"12:30:00")
    rotated.write_bytes(gzip.compress(b"".join(lines[:6]) + newer))
    again = run(rotated, "log", "--host", "shop.example", "--format", "combined")
    assert (again.code, "7 events accepted" in again.out) == (0, True)
    assert Site(server, "log", 10).by("name") == {"page_view": (6, 4), "request": (4, 3)}


def test_a_file_that_is_not_the_systems_export(run: Import) -> None:
    ran = run("goatcounter.csv", "wrong", "--from", "umami")
    assert ran.code == 2
    assert "this is no export of Umami" in ran.err
    ran = run("mixpanel.ndjson", "wrong", "--from", "amplitude")
    assert ran.code == 2
    assert "has no event_type, event_time" in ran.err
    ran = run("goatcounter.csv", "wrong", "--from", "fathom")
    assert ran.code == 2
    assert "there is no such mapping; there are umami, plausible" in ran.err


def test_types_places_defaults_and_time_formats(server: str, run: Import, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(
        "when,kind,price,build,code,data\n"
        '15/Jan/2026:10:00:00 +0100,,1.10,1.1,12e45,"{""user"":{""id"":7},""plan"":""pro""}"\n'
        '15/Jan/2026:10:00:00 +0100,signup,1.1,1.10,76561198000000001,"{""user"":{""id"":8}}"\n'
        "15/Jan/2026:10:00:00 +0100,signup,free,1.1,1,\n"
        "2026-01-15,signup,2,1.1,1,\n"
    )
    options = ["--map", "timestamp=when", "--time-format", "%d/%b/%Y:%H:%M:%S %z", "--map", "name=kind|page_view"]
    options += ["--map", "user_id=data.user.id", "--type", "price=number"]
    ran = run(file, "own", *options)
    assert ran.code == 1
    assert "2 events accepted, 2 rows rejected" in ran.out
    assert "line 4: price: 'free' is no number (--type price=number)" in ran.out
    assert "line 5: timestamp_invalid: timestamp '2026-01-15' does not have the form" in ran.out
    assert "build, code; --type build=number" in ran.out
    site = Site(server, "own", 2)
    assert site.by("name") == {"page_view": (1, 1), "signup": (1, 1)}
    assert site.by("user_id") == {"7": (1, 1), "8": (1, 1)}
    assert site.by("properties.build") == {"1.1": (1, 1), "1.10": (1, 1)}
    assert site.by("properties.code") == {"12e45": (1, 1), "76561198000000001": (1, 1)}
    assert site.events()[0]["timestamp"] == "2026-01-15T09:00:00Z"


def test_ids_from_content_of_own_files(server: str, run: Import, tmp_path: Path) -> None:
    rows = [{"name": "a", "timestamp": 1768467600 + number // 2, "user_id": "u"} for number in range(6)]
    text = [json.dumps(row) + "\n" for row in rows]
    for name, part in (("first", text[:4]), ("second", text[2:])):
        (tmp_path / f"{name}.ndjson").write_text("".join(part))
        assert run(tmp_path / f"{name}.ndjson", "content", "--ids", "content").code == 0
    Site(server, "content", 6)
