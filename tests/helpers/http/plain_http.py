"""Requests to a server on this machine: past any proxy, and without the 40 ms that reading all certificates takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

TIMEOUT = 60.0


def get(url: str) -> httpx.Response:
    """The answer, over a connection of its own."""
    return httpx.get(url, trust_env=False, verify=False, timeout=TIMEOUT)


def post(
    url: str, json: Any = None, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """The same for what is sent."""
    return httpx.post(url, json=json, content=content, headers=headers, trust_env=False, verify=False, timeout=TIMEOUT)


def client(url: str) -> httpx.Client:
    """For several requests over connections that are kept, to be entered."""
    return httpx.Client(base_url=url, trust_env=False, verify=False, timeout=TIMEOUT)
