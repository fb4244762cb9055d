"""Rules that give one page one path, however its URL is written. Pure; each rule applied twice is the same as once."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_KEPT = re.compile("[/?#%\x00-\x20\x7f\udc80-\udcff]")
"""What stays percent-encoded: characters that would end the path or begin another part of it, white space and controls,
and bytes that are no UTF-8, which Python decodes to lone surrogates.
"""


class PathRules(NamedTuple):
    """The rules that settings turn on.

    Attributes:
        strip_slash: slashes at the end are left out, but for `/` itself.
        lower: letters are small.
        decode: percent-encoded characters are decoded, and Unicode is in the form NFC, so that a letter with an accent
            is the same however it was typed.
    """

    strip_slash: bool = True
    lower: bool = False
    decode: bool = True

    def apply(self, path: str) -> str:
        """The path by these rules. An empty one is `/`."""
        if self.decode and "%" in path:
            path = _ENCODED.sub(_decoded, path)
        if self.lower:
            path = path.lower()
        if self.decode and not path.isascii():
            path = unicodedata.normalize("NFC", path)
        if self.strip_slash:
            path = path.rstrip("/")
        return path or "/"


def _decoded(run: re.Match[str]) -> str:
    text = bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "surrogateescape")
    return _KEPT.sub(_encoded, text)


def _encoded(kept: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in kept[0].encode("utf-8", "surrogateescape"))
