"""An OpenID provider of the tests' own: the npm package `oidc-provider`, which has OpenID's certificate.

`scripts/servers` puts it into `node_modules` beside this file, as package-lock.json pins it.
"""

from __future__ import annotations

import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
import pytest

from tests.servers.process import free_port, needed, wait_until

FOLDER = Path(__file__).parent
CLIENT = "tallystick"
OLDEST_NODE = 20
STEPS = 8
"""Most pages of the provider that lead to one another."""


def secret_of(client: str) -> str:
    """The secret of a client, with characters that are written otherwise in a header than in a form."""
    return "" if client == "public" else f"secret of {client}/+%"


def _missing(message: str) -> None:
    """Skip the test by name; where CI=true it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class OidcServer:
    """One provider, which keeps everything in memory.

    Args:
        plain: it has e-mail address and name in the ID token, and takes a client's secret in the form; else they are at
            the UserInfo endpoint alone, and it takes the secret in a header.
    """

    def __init__(self, folder: Path, *, plain: bool = False) -> None:
        self._node = needed("node", "nodejs")
        if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
            _missing("oidc-provider is not installed; `scripts/servers` does it")
        said = subprocess.run([self._node, "--version"], capture_output=True, text=True, check=True).stdout
        if int(said.strip().lstrip("v").partition(".")[0]) < OLDEST_NODE:
            _missing(f"oidc-provider needs Node.js {OLDEST_NODE} or newer, and {self._node} is {said.strip()}")
        self._output = folder / "oidc.log"
        self._options = ["plain"] if plain else []
        self._port = free_port()
        self.issuer = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, key_name: str = "") -> None:
        """Start it and return once it answers.

        Args:
            key_name: it signs with a key of this name, which it makes. Empty: with the one of its package.
        """
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [self._node, "provider.mjs", str(self._port), *self._options],
                cwd=FOLDER,
                env={**os.environ, "KEY_NAME": key_name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_until(self._answers, f"the OpenID provider on port {self._port}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answer_next(self, **fields: Any) -> None:
        """What the next answer of the token endpoint has instead of what the provider means to say."""
        request = urllib.request.Request(f"{self.issuer}/test/next", msgspec.json.encode(fields), method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the OpenID provider ended: {self._output.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.issuer}/.well-known/openid-configuration", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


async def come_back(page: str, person: str, *, deny: bool = False) -> str:
    """What a person does in a new browser on the provider's page; the address that the provider sends it to.

    Args:
        page: the address of the provider's login.
        person: as provider.mjs has it.
        deny: the person presses the other button.
    """
    provider = urlsplit(page).netloc
    async with httpx.AsyncClient(timeout=60) as browser:
        answer = await browser.get(page)
        for _ in range(STEPS):
            if answer.status_code == 200:  # the form
                form = {"person": person, "does": "deny" if deny else "enter"}
                answer = await browser.post(answer.url, data=form)
            if not answer.is_redirect:
                break
            there = urljoin(str(answer.url), answer.headers["location"])
            if urlsplit(there).netloc != provider:
                return there
            answer = await browser.get(there)
    raise AssertionError(f"the provider answered {answer.status_code}: {answer.text[:500]}")
