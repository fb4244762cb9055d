"""docs/build/guarantees.md: all thirteen promises, and each test that is named as holding one really names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## (G\d+) · .+?$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = dict(SECTION.findall((ROOT / "docs" / "build" / "guarantees.md").read_text("utf-8")))
TEST_FILE = re.compile(r"`(tests/\S+?\.py)`")


def test_every_promise_is_there_in_order() -> None:
    assert list(SECTIONS) == [f"G{number}" for number in range(1, 14)]


@pytest.mark.parametrize(
    ("number", "path"), [(number, path) for number, text in SECTIONS.items() for path in TEST_FILE.findall(text)]
)
def test_a_test_that_holds_a_promise_names_it(number: str, path: str) -> None:
    assert re.search(rf"\b{number}\b", (ROOT / path).read_text("utf-8"))


def test_every_promise_is_held_by_a_test() -> None:
    assert [number for number, text in SECTIONS.items() if not TEST_FILE.findall(text)] == []
