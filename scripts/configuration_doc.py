"""Writes docs/run/configuration.md from `tallystick.config.Settings`; --check only tests whether it is up to date."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tallystick.config import Settings

DOCUMENT = Path(__file__).parents[1] / "docs" / "run" / "configuration.md"

INTRODUCTION = """\
# Configuration

Every setting is an environment variable; nothing needs to be set. A value outside its limits stops the start with a
message that names the variable; so does a variable with the prefix `TALLYSTICK_` that is no setting, such as a misspelt
one: the message names the nearest setting. Sizes are bytes, as a number or with a unit: `8388608`, `8MiB` (powers of
1,024: `KiB`, `MiB`, `GiB`, `TiB`), `8MB` (powers of 1,000: `KB`, `MB`, `GB`, `TB`). The options `--host`, `--port` and
`--data` of `tallystick up` win over their variables.

This file is written by `make docs` from `src/tallystick/config.py`.
"""

_GROUP = re.compile(r"^    # (.+)$")
_FIELD = re.compile(r"^    (\w+): ")
_UNITS = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))
_TYPES: dict[object, str] = {
    str: "text",
    SecretStr: "text, never shown",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
}
_BOUNDS = (
    (annotated_types.Ge, "ge", "≥"),
    (annotated_types.Gt, "gt", ">"),
    (annotated_types.Le, "le", "≤"),
    (annotated_types.Lt, "lt", "<"),
)


def groups() -> dict[str, list[str]]:
    """Field names by the comment that heads their group in the source of `Settings`."""
    found: dict[str, list[str]] = {}
    for line in inspect.getsource(Settings).splitlines():
        if heading := _GROUP.match(line):
            found[heading[1]] = []
        elif found and (field := _FIELD.match(line)) and field[1] in Settings.model_fields:
            found[list(found)[-1]].append(field[1])
    return found


def variable(name: str) -> str:
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def is_size(name: str) -> bool:
    """Whether a setting is a number of bytes."""
    return name.endswith(("_bytes", "_memory", "_spill"))


def in_human_form(name: str, value: object) -> str:
    """A value in readable form: `8 MiB`, `5000`, `0.2`, `false`, and `empty` for the empty text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and is_size(name):
        for size, unit in _UNITS:
            if value >= size and value % size == 0:
                return f"{value // size} {unit}"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{value}`" if str(value) else "empty"


def type_of(name: str, field: FieldInfo) -> str:
    """The type of a setting's values, with its limits."""
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    kind = "bytes" if is_size(name) else _TYPES[field.annotation]
    bounds = [
        f"{sign} {in_human_form(name, getattr(limit, attribute))}"
        for limit in field.metadata
        for bound, attribute, sign in _BOUNDS
        if isinstance(limit, bound)
    ]
    return f"{kind} {', '.join(bounds)}".strip()


def document() -> str:
    """The whole text of docs/run/configuration.md."""
    parts = [INTRODUCTION]
    for heading, names in groups().items():
        parts.append(f"\n## {heading[0].upper()}{heading[1:]}\n\n")
        parts.append("| variable | default | takes | meaning |\n|---|---|---|---|\n")
        for name in names:
            field = Settings.model_fields[name]
            default = in_human_form(name, field.default)
            meaning = (field.description or "").replace("|", "\\|")
            parts.append(f"| `{variable(name)}` | {default} | {type_of(name, field)} | {meaning} |\n")
    return "".join(parts)


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        fresh = DOCUMENT.exists() and DOCUMENT.read_text("utf-8") == document()
        print(
            "docs/run/configuration.md is up to date."
            if fresh
            else "docs/run/configuration.md is stale: run `make docs`."
        )
        return 0 if fresh else 1
    DOCUMENT.write_text(document(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
