"""Every command of README and docs runs, in the order of its page, and prints what the page shows.

`shell/page.py` says how a page is read and how it marks what varies. After a change that is meant, `UPDATE_DOCS=1`
writes what was printed into the pages; look at the difference.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import textwrap
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.request import urlopen

import pytest

from tests.docs.shell.forks import CommandFork
from tests.docs.shell.not_run import NOT_RUN, PAGES_NOT_RUN
from tests.docs.shell.page import Unit, same, units
from tests.servers.process import free_port, needed
from tests.servers.scratch import scratch_folder

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "tests" / "outside" / "imports" / "presets"
EXAMPLE = ROOT / "src" / "tallystick" / "cli" / "demo" / "example.ndjson"
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
UPDATE = os.environ.get("UPDATE_DOCS") == "1"
MARK = "\x1e"
NOTES = re.compile(r"^(asking http://\S+|[a-z ]+ …)\n", re.MULTILINE)
"""What commands say on standard error while one waits: pages leave it out."""
SENDS = ("/v1/events", "demo", "import", "/events", "/event")
"""Words of a command after which the page waits until what it sent is stored."""
FILES: dict[str, dict[str, str]] = {
    "docs/use/import.md": {
        "hits.csv": "when,kind,page,visitor,price,build\n15/Jan/2026 10:00,,/,v1,3.00,1.10\n"
        "15/Jan/2026 10:01,signup,/join,v1,,1.1\n15/Jan/2026 10:02,,/,v2,4.50,1.10\n",
        "app.ndjson": '{"event":"buy","at":1768467600,"ctx":{"user":{"id":"ann","plan":"pro"}},"amount":12.5}\n'
        '{"at":1768467660,"ctx":{"user":{"id":"bob"}}}\n',
        "website_event.csv": "presets/umami.csv",
        "plausible_sums.csv": "presets/plausible_sums.csv",
        "events_v2.ndjson": "presets/plausible.ndjson",
        "goatcounter-export.csv": "presets/goatcounter.csv",
        "visits.json": "presets/matomo.json",
        "export.zip": "presets/amplitude.ndjson",
        "mixpanel.ndjson": "presets/mixpanel.ndjson",
        "posthog.jsonl": "presets/posthog.ndjson",
        "events_20260115.ndjson": "presets/ga4.ndjson",
        "access.log": "presets/access.log",
    },
    "docs/run/operations.md": {
        "example.ndjson": "example",
        "wrong.csv": "name,timestamp\na,2026-01-01T10:00:00Z\nb,2026-01-02T10:00:00Z\n",
        "report.sql": "SELECT count(*) AS n FROM events\n",
    },
    "README.md": {
        "hits.csv": "time,visitor,page\n2026-11-20T08:00:00Z,ann,/\n2026-11-20T08:05:00Z,ann,/pricing\n"
        "2026-11-21T19:30:00Z,bob,/\n"
    },
}
"""Files that a page's commands read, which the reader has."""
BEFORE = {
    "docs/run/backup.md": "tallystick demo --example",
    "docs/run/operations.md": "tallystick demo --example; tallystick import example.ndjson --data data",
    "docs/use/sql.md": "tallystick demo --example",
}
"""What the reader has done before a page."""


def runs(page: str) -> list[Unit]:
    """The commands of a page that are run."""
    skipped = [text for name, text, _ in NOT_RUN if name == page]
    return [unit for unit in units(ROOT / page) if not any(text in unit.command for text in skipped)]


class Shell:
    """A shell with the page's files, whose `tallystick` and server are of this version."""

    def __init__(self, folder: Path, fork: CommandFork) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        home = folder / "home"
        home.mkdir()
        environment = {
            "PATH": f"{fork.bin}:{os.environ['PATH']}",
            "HOME": str(home),
            "TERM": "dumb",
            "COLUMNS": "120",
            "LC_ALL": "C.UTF-8",
            "TALLYSTICK_URL": f"http://{self.address}",
        }
        server = {
            **environment,
            "TALLYSTICK_PORT": self.address.partition(":")[2],
            "TALLYSTICK_DATA": str(folder / "served"),
            "TALLYSTICK_SQL": "true",
            "TALLYSTICK_LOG_LEVEL": "warning",
        }
        del server["TALLYSTICK_URL"]
        (home / ".curlrc").write_text("silent\nshow-error\n", "utf-8")
        self._server = subprocess.Popen(
            [fork.bin / "tallystick", "up"], env=server, cwd=folder, stdout=subprocess.DEVNULL
        )
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=home,
            text=True,
        )
        self.home = home
        self._wait_for("/readyz", lambda answer: answer["status"] == "ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._bash:
            self._bash.terminate()
        self._server.terminate()
        self._server.wait()

    def run(self, command: str) -> tuple[str, int]:
        """What a command prints, both streams, and its exit code."""
        command = command.replace("localhost:8000", self.address).replace("127.0.0.1:8000", self.address)
        command = command.replace(".venv/bin/tallystick", "tallystick")
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{\n{command}\n}} </dev/null\nprintf '{MARK}%d\\n' $?\n")
        self._bash.stdin.flush()
        printed = ""
        while MARK not in printed:
            line = self._bash.stdout.readline()
            assert line, f"the shell ended: {printed}"
            printed += line
        output, _, code = printed.rpartition(MARK)
        if any(word in command for word in SENDS):
            self._wait_for("/v1/pipeline", lambda answer: answer["queue"]["blocks"] == 0)
        return NOTES.sub("", output).replace(self.address, "127.0.0.1:8000"), int(code)

    def _wait_for(self, path: str, good: object) -> None:
        assert callable(good)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urlopen(f"http://{self.address}{path}", timeout=30) as answer:
                    if good(json.load(answer)):
                        return
            except OSError:
                assert self._server.poll() is None, "the server ended"
            time.sleep(0.02)
        pytest.fail(f"{path} did not say so in a minute")


@pytest.fixture(scope="module")
def fork() -> Iterator[CommandFork]:
    with scratch_folder("docs") as folder:
        started = CommandFork(folder)
        yield started
        started.close()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in PAGES_NOT_RUN and runs(page)])
def test_commands_print_what_the_page_shows(page: str, fork: CommandFork) -> None:
    for program in ("bash", "curl", "jq"):
        needed(program, program)
    wrong, printed_by = [], {}
    with scratch_folder("page", in_memory=True) as folder, Shell(folder, fork) as shell:
        for name, content in FILES.get(page, {}).items():
            if name.endswith(".zip"):
                with zipfile.ZipFile(shell.home / name, "w") as archive:
                    archive.write(PRESETS / content.removeprefix("presets/"), "events.json")
            elif content == "example":
                shutil.copy(EXAMPLE, shell.home / name)
            elif content.startswith("presets/"):
                shutil.copy(PRESETS / content.removeprefix("presets/"), shell.home / name)
            else:
                (shell.home / name).write_text(content, "utf-8")
        if page in BEFORE:
            shell.run(BEFORE[page])
        for unit in runs(page):
            printed, code = shell.run(unit.command)
            if unit.shown is None:
                right = code == 0 and '{"error"' not in printed
            else:
                right = same(unit.shown, printed) and (code < 2 or "error:" in printed)
            if not right:
                both = f"--- shown\n{unit.shown}\n--- printed\n{printed}"
                wrong.append(f"{page}:{unit.line} (exit {code})\n{unit.command}\n{both}")
                printed_by[unit] = printed
    if UPDATE:
        rewrite(ROOT / page, printed_by)
    assert not wrong, "\n\n".join(wrong)


def rewrite(page: Path, printed_by: dict[Unit, str]) -> None:
    """Writes what was printed in place of what the page shows."""
    lines = page.read_text("utf-8").split("\n")
    for unit, printed in sorted(printed_by.items(), key=lambda item: -item[0].line):
        if unit.shown is not None:
            first, end = unit.place
            lines[first:end] = [f"{unit.indent}{line}".rstrip() for line in wrapped(printed)]
    page.write_text("\n".join(lines), "utf-8")


def wrapped(printed: str) -> list[str]:
    """Long lines of JSON in rows."""
    lines = []
    for line in printed.rstrip("\n").split("\n"):
        if len(line) > 116 and line.startswith(("{", "[")):
            broken = line.replace("},{", "},\n {").replace('],"next_cursor"', '],\n "next_cursor"').split("\n")
            rows = [textwrap.wrap(row.replace(',"', ', "'), 112, subsequent_indent="  ") for row in broken]
            lines += [part.replace(', "', ',"') for row in rows for part in row]
        else:
            lines.append(line)
    return lines


def test_what_is_not_run_is_in_the_pages() -> None:
    stale = [(page, text) for page, text, _ in NOT_RUN if not any(text in unit.command for unit in units(ROOT / page))]
    assert stale == []
    assert [page for page in PAGES_NOT_RUN if not (ROOT / page).exists() or not units(ROOT / page)] == []
