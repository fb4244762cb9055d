"""Texts that every store can hold."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ingest.text import clean_json, clean_text, nesting

PIECES = st.sampled_from(
    ["a", "é", "\\\\", '\\"', "\\n", "\\u0000", "\\u00e9", "\\ud800", "\\uDBFF", "\\udc00", "\\uDFFF", "u0000", "ud800"]
)


@given(st.lists(PIECES, max_size=12))
def test_escapes_are_cleaned_as_the_decoded_text_is(pieces: list[str]) -> None:
    text = f'"{"".join(pieces)}"'
    # Python decodes pairs to one character and leaves halves alone, so its result says what is a half.
    assert json.loads(clean_json(text.encode())) == clean_text(json.loads(text))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.booleans())
def test_good_text_is_returned_as_is(text: str, ascii_only: bool) -> None:
    body = json.dumps({"k": text}, ensure_ascii=ascii_only).encode()
    assert clean_json(body) == body
    assert clean_text(text) == text


@given(st.binary(max_size=40))
def test_any_bytes_become_utf8(body: bytes) -> None:
    clean_json(body).decode("utf-8")


JSON = st.recursive(
    st.none() | st.text(st.sampled_from('[]{}"\\a')),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(JSON, st.integers(0, 4))
def test_nesting(value: object, enough: int) -> None:
    """Exact up to `enough`, and more than `enough` beyond."""
    found = nesting(json.dumps(value).encode(), enough)
    assert found == depth(value) if enough < depth(value) == enough + 1 else (found > enough) == (depth(value) > enough)


@pytest.mark.parametrize("filling", [b"x", b"\\n", b"\\\\", b"[", b'\\"'])
def test_large_texts_cost_their_size(filling: bytes) -> None:
    """A token's repetition must not be remembered piece by piece: that took a hundred times the text."""
    size = 2 * 1024 * 1024
    text = b'{"k":"' + filling * (size // len(filling)) + b'\\u0000"}'
    tracemalloc.start()
    try:
        assert clean_json(text) == text.replace(b"\\u0000", b"\\ufffd")
        assert nesting(text + b"[]" * 70, 64) <= 1
        assert tracemalloc.get_traced_memory()[1] < 6 * size
    finally:
        tracemalloc.stop()
