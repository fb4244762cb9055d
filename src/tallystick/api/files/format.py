"""The file formats of an answer."""

from __future__ import annotations

from typing import Literal, TypeAlias

FileFormat: TypeAlias = Literal["json", "csv", "parquet"]
