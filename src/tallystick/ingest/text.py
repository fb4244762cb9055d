"""Texts that every store can hold: valid UTF-8, no NUL, no lone surrogates, limited nesting."""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\ufffd"
_BAD_CHARACTER = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_INVISIBLE = {"Cf", "Zl", "Zp", "Zs"}
"""Categories of Unicode: formatting, separators."""
_HIGH = rb"[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"[dD][c-fC-F][0-9a-fA-F]{2}"
_BAD_ESCAPE = re.compile(rb"\\u(?:0000|%b(?!\\u%b)|(?<!\\u%b\\u)%b)" % (_HIGH, _LOW, _HIGH, _LOW))
"""Escapes for NUL and for lone surrogates, in text without escaped backslashes."""
_BACKSLASH = b"\\\\"
_NO_UTF8 = b"\xff\xff"
"""Temporarily replaces an escaped backslash; these bytes never occur in UTF-8."""
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


def clean_json(text: bytes) -> bytes:
    """JSON text in valid UTF-8, with U+FFFD in place of each NUL and lone surrogate. Valid text is returned as it is.

    PostgreSQL rejects NUL and lone surrogates, so no store gets them.
    """
    if not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            text = text.decode("utf-8", "replace").encode("utf-8")
    if b"\\" in text and b"\\u" in text:  # one byte is found ten times as fast as two
        # Without escaped backslashes every backslash begins an escape, so one pattern finds them without a tokenizer.
        text = _BAD_ESCAPE.sub(rb"\\ufffd", text.replace(_BACKSLASH, _NO_UTF8)).replace(_NO_UTF8, _BACKSLASH)
    return text


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of each NUL and lone surrogate."""
    return _BAD_CHARACTER.sub(REPLACEMENT, text) if _BAD_CHARACTER.search(text) else text


def is_visible(text: str) -> bool:
    """Whether a text can be a name: it has a visible character and no control characters."""
    if text.isprintable():  # then its only white space is U+0020
        return bool(text.strip())
    if _CONTROL.search(text):
        return False
    return any(unicodedata.category(character) not in _INVISIBLE for character in text)


def nesting(text: bytes, enough: int) -> int:
    """How deep arrays and objects are nested in JSON text; stops counting past `enough`."""
    if text.count(b"[") + text.count(b"{") <= enough:
        return 0
    depth = deepest = 0
    for token in _BRACKETS.finditer(text):
        first = token.group()[:1]
        depth += (first in b"[{") - (first in b"]}")
        deepest = max(deepest, depth)
        if deepest > enough:
            break
    return deepest
