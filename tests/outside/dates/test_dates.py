"""Dates that other systems' servers read: `new_date.json` has what Node.js 20 (TZ=UTC) prints for `new Date(text)`.

Each value is in milliseconds since 1970, or null for an Invalid Date.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallystick.dialects.js_date import js_date, js_milliseconds

NODE: dict[str, int | None] = json.loads((Path(__file__).parent / "new_date.json").read_text())


@pytest.mark.parametrize("text", NODE)
def test_a_date_is_read_as_nodejs_reads_it(text: str) -> None:
    assert js_milliseconds(text) == NODE[text]


def test_an_instant_that_python_has_not_is_none() -> None:
    assert js_date("+275760-09-13T00:00:00.000Z") is None
    assert js_date("11/14/2025") == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1763078400000)
