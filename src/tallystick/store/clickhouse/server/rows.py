"""Rows on their way to ClickHouse, in its format JSONEachRow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

TIMES: Mapping[str, object] = {"date_time_input_format": "best_effort"}
"""Settings of statements that read rows with instants as RFC 3339 writes them."""
_encoder = msgspec.json.Encoder()


def json_rows(rows: Sequence[Mapping[str, object]]) -> bytes:
    """One line a row. Instants are RFC 3339, UUIDs their text, bytes base64."""
    return _encoder.encode_lines(rows)
