"""The file formats of an answer."""

from __future__ import annotations

from typing import Literal, TypeAlias

FileFormat: TypeAlias = Literal["json", "csv", "excel", "parquet"]
"""`excel`: CSV that begins with a byte order mark, without which Excel does not read UTF-8."""
