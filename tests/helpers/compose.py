"""What a compose file says, without a container engine: its services, and what becomes of its variables."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}")


def compose_file(name: str) -> dict[str, Any]:
    """The file, parsed."""
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text("utf-8"))
    return found


def ours(services: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The services that are processes of Tallystick."""
    return {name: service for name, service in services.items() if service["image"].startswith("tallystick:")}


def make_secrets(folder: Path) -> Path:
    """What `scripts/secrets` makes there."""
    subprocess.run([ROOT / "scripts" / "secrets", folder], check=True, capture_output=True)
    return folder


def filled_in(text: str, given: Mapping[str, str] = MappingProxyType({})) -> str:
    """`${NAME:-…}` and `${NAME-…}` as compose replaces them, with these variables in .env."""
    return VARIABLE.sub(lambda found: given.get(found[1], found[2] or ""), text).replace("$$", "$")


def environment_of(
    service: dict[str, Any], secrets: Path, env: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The variables of a service's process, with this .env. A file of a secret that is not mounted is an error."""
    assert service["env_file"] == [{"path": ".env", "required": False}]
    found = {**env, **{name: filled_in(value, env) for name, value in service["environment"].items()}}
    for name, value in found.items():
        if value.startswith("/run/secrets/"):
            assert value.rpartition("/")[2] in service["secrets"], name
            found[name] = value.replace("/run/secrets", str(secrets))
    return found
