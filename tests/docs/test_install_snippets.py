"""The code on the dashboard's Install page runs as it stands there, and its event is counted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tallystick.harness.server import ServerProcess
from tallystick.ingest.snippet import BUILT
from tests.helpers.http import plain_http
from tests.helpers.thorough import THOROUGH
from tests.servers.process import needed, needs_built, wait_until

TEMPLATES = Path(__file__).parents[2] / "dashboard" / "src" / "install" / "snippets"
KEY, READER = "wk_" + "w" * 24, "rk_" + "r" * 24
RUN = {
    "curl": ("sh", "event.sh"),
    "python": (sys.executable, "event.py"),
    "javascript": ("node", "event.mjs"),
    "go": ("go", "run", "event.go"),
    "php": ("php", "event.php"),
}
"""How each text is run; its last word is the name of its file."""
COMPILED = {"go": ("gofmt", "-l", "-e")}
"""Where a compiler needs half a minute for its own library first: `make faults` runs the text, `make test` only has it
read by this command, which names what cannot be read or is not in its form.
"""
INSTALLED = {"curl": ("curl", "curl"), "php": ("php", "php-cli")}
"""What scripts/servers installs, program and package: without it the test is skipped, or fails where CI=true."""


def filled(name: str, **values: str) -> str:
    """A template as dashboard/src/install/snippets.ts fills it in: without the lines about what is not given."""
    lines = (TEMPLATES / f"{name}.txt").read_text().splitlines()
    for key in ("site", "key"):
        if key not in values:
            lines = [line for line in lines if f"{{{{{key}}}}}" not in line]
    text = "\n".join(lines)
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    assert "{{" not in text
    return text


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, ServerProcess]]:
    """A server that wants keys, and one that does not."""
    keys = {"TALLYSTICK_WRITE_KEYS": f"*={KEY}", "TALLYSTICK_READ_KEYS": f"*={READER}"}
    folder = tmp_path_factory.mktemp("install")
    with ServerProcess(folder / "keyed", keys) as keyed, ServerProcess(folder / "open", {}) as unkeyed:
        yield {True: keyed, False: unkeyed}


def only_parsed(name: str) -> bool:
    """Whether this run lets a compiler read a text and not run it."""
    return name in COMPILED and not THOROUGH


@pytest.mark.parametrize("keyed", [True, False], ids=["keys", "no keys"])
@pytest.mark.parametrize("name", [name for name in RUN if not only_parsed(name)])
def test_code_sends_an_event(servers: dict[bool, ServerProcess], tmp_path: Path, name: str, keyed: bool) -> None:
    if name in INSTALLED:
        needed(*INSTALLED[name])
    elif not shutil.which(RUN[name][0]):
        pytest.skip(f"{RUN[name][0]} is not installed")
    server = servers[keyed]
    site = f"{name}-site"
    given = {"origin": server.url, **({"site": site, "key": KEY} if keyed else {"site": site})}
    (tmp_path / RUN[name][-1]).write_text(filled(name, **given))
    ran = subprocess.run(RUN[name], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert (ran.returncode, '"accepted":1' in ran.stdout) == (0, True), ran.stdout + ran.stderr

    query = {"kind": "events", "site_id": site, "bots": "include"}
    headers = {"Authorization": f"Bearer {READER}"} if keyed else {}

    def stored() -> list[dict[str, object]]:
        answer = plain_http.post(f"{server.url}/v1/query", json=query, headers=headers)
        rows: list[dict[str, object]] = answer.json()["rows"]
        return rows

    wait_until(lambda: len(stored()) == 1, "the event")
    (event,) = stored()
    assert (event["name"], event["user_id"], event["properties"]) == ("signup", "u1", {"plan": "pro"})


@pytest.mark.skipif(THOROUGH, reason="it is run")
@pytest.mark.parametrize("keyed", [True, False], ids=["keys", "no keys"])
@pytest.mark.parametrize("name", COMPILED)
def test_code_that_is_not_run_can_be_read(tmp_path: Path, name: str, keyed: bool) -> None:
    if not shutil.which(COMPILED[name][0]):
        pytest.skip(f"{COMPILED[name][0]} is not installed")
    given = {"origin": "http://127.0.0.1:8000", "site": "shop", **({"key": KEY} if keyed else {})}
    file = tmp_path / RUN[name][-1]
    for text, good in ((filled(name, **given), True), (filled(name, **given).replace("(", "", 1), False)):
        file.write_text(text + "\n")
        ran = subprocess.run([*COMPILED[name], file], capture_output=True, text=True, check=False)
        assert (ran.returncode == 0 and ran.stdout == "") is good, ran.stdout + ran.stderr


def test_website_snippet_names_the_script(servers: dict[bool, ServerProcess]) -> None:
    """tests/browser/test_snippet.py runs the script in a browser."""
    needs_built(BUILT, "snippet")
    text = filled("website", origin=servers[False].url, script="/js/tallystick.js", site="shop")
    address = text.partition('src="')[2].partition('"')[0]
    with urlopen(address) as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")
    assert 'data-site="shop"' in text


def test_every_template_takes_host_site_and_key() -> None:
    """Those, too, that no test runs (Swift, Kotlin)."""
    names = {path.stem for path in TEMPLATES.glob("*.txt")}
    assert names >= {*RUN, "website", "swift", "kotlin"}
    for name in names:
        text = filled(name, origin="http://a", script="/s.js", site="shop", key=KEY)
        assert all(value in text for value in ("http://a", "shop", KEY)), name
