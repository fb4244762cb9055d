"""Named statements in `.sql` files. `-- name: word` starts a statement; the comment above it gives the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_statements(package: str, path: str) -> Mapping[str, str]:
    """The statements of a package's file, by name, without the final semicolon."""
    parts = _NAME.split(files(package).joinpath(path).read_text("utf-8"))
    return {name: text.strip().removesuffix(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}
