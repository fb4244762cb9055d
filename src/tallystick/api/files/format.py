"""The forms that an answer can take as a file."""

from __future__ import annotations

from typing import Literal, TypeAlias

FileFormat: TypeAlias = Literal["json", "csv", "parquet"]
