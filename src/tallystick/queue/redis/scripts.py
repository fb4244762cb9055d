"""The scripts of `queue.lua` in the form that Redis runs, and the names of their keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from tallystick.model.sql import load_statements

_READS = " flags=no-writes,allow-oom"
_KEYS = ("blocks", "index", "ingesters", "totals", "held", "returned")


class Script(msgspec.Struct, frozen=True):
    """One atomic step inside Redis, and the hash by which Redis finds it."""

    text: str
    sha: str


def _scripts() -> Mapping[str, Script]:
    """The scripts by name. Redis refuses `publish` when its memory is used up; the others free memory or only read."""
    parts = load_statements("tallystick.queue.redis", "queue.lua")
    scripts = {}
    for name in parts.keys() - {"common"}:
        flags = {"publish": "", "depth": _READS, "books": _READS}.get(name, " flags=allow-oom")
        text = f"#!lua{flags}\n{parts['common']}\n{parts[name]}\n"
        scripts[name] = Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return scripts


SCRIPTS = _scripts()


def key_names(stream: str) -> dict[str, str]:
    """The keys of a queue, in the scripts' order. The braces keep them on one node of a cluster."""
    return {key: f"{{{stream}}}:{key}" for key in _KEYS}
