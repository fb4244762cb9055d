"""Named statements in `.sql` files, and quoting for SQL that takes no parameters.

`-- name: word` starts a statement in a file; the comment lines below it describe the statement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_statements(package: str, path: str) -> Mapping[str, str]:
    """The statements of a package's file, by name, without the final semicolon."""
    parts = _NAME.split(files(package).joinpath(path).read_text("utf-8"))
    return {name: text.strip().removesuffix(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def quote_text(text: str) -> str:
    """A text as an SQL literal, for the statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
