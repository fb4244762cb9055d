"""The scripts of `queue.lua` as Redis gets them, and the names of the keys that they work on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from tallystick.model.sql import load_statements

_READS = " flags=no-writes,allow-oom"
_KEYS = ("blocks", "index", "ingesters", "totals", "held", "returned")


class Script(msgspec.Struct, frozen=True):
    """One atomic step inside Redis, and the name Redis knows it by."""

    text: str
    sha: str


def _scripts() -> Mapping[str, Script]:
    """`publish` is refused by Redis when memory is used up; the others make room or only look, and always run."""
    parts = load_statements("tallystick.queue.redis", "queue.lua")
    scripts = {}
    for name in parts.keys() - {"common"}:
        flags = {"publish": "", "depth": _READS, "books": _READS}.get(name, " flags=allow-oom")
        text = f"#!lua{flags}\n{parts['common']}\n{parts[name]}\n"
        scripts[name] = Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return scripts


SCRIPTS = _scripts()


def key_names(stream: str) -> dict[str, str]:
    """The keys of one queue, in the scripts' order; the braces keep them on one node of a cluster."""
    return {key: f"{{{stream}}}:{key}" for key in _KEYS}
