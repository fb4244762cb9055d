"""Replays a documented session: curl lines, each followed by the answer that is expected.

    # A comment.
    $ curl -X POST http://localhost:8000/events -H 'Name: value' -d '{"json": 1}'
    < 200
    < X-Request-ID: <uuid>
    {"status": "success", "message": "<text>"}

    ... until stored

A line that begins with two blanks goes on with the one before. Headers after the status are optional, and so is the
body: JSON, compared as a whole. `<text>`, `<uuid>`, `<instant>`, `<number>` (a count) and `<duration>` stand
for any value of that kind.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

SESSIONS = Path(__file__).parent / "sessions"
UNTIL_STORED = "... until stored"


@dataclass
class Exchange:
    """One request and what must come back; a pause until everything is stored when `command` is empty."""

    place: str
    command: str = ""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def read_session(name: str) -> list[Exchange]:
    """The exchanges of a file in `sessions`."""
    exchanges: list[Exchange] = []
    for number, line in _whole_lines((SESSIONS / name).read_text()):
        if line.startswith("$ "):
            exchanges.append(Exchange(f"{name}:{number}", line[2:]))
        elif line == UNTIL_STORED:
            exchanges.append(Exchange(f"{name}:{number}"))
        elif match := re.fullmatch(r"< (\d{3})", line):
            exchanges[-1].status = int(match[1])
        elif line.startswith("< "):
            header, _, value = line[2:].partition(": ")
            exchanges[-1].headers[header] = value
        elif line and not line.startswith("#"):
            exchanges[-1].body += line
    return exchanges


def _whole_lines(text: str) -> Iterator[tuple[int, str]]:
    start, whole = 0, ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.startswith("  "):
            whole += " " + line.strip()
            continue
        if start:
            yield start, whole
        start, whole = number, line
    yield start, whole


async def replay(
    name: str, client: httpx.AsyncClient, drained: Callable[[], Awaitable[object]], own: Mapping[str, str] = {}
) -> int:
    """Send every request of the session and compare; how many there were.

    Args:
        drained: returns when everything that was accepted is stored.
        own: added to the requests of Tallystick's own query API, which answers what a view of the system did.
    """
    exchanges = read_session(name)
    for exchange in exchanges:
        if not exchange.command:
            await drained()
            continue
        answer = await client.send(_request(client, exchange.command, own))
        assert answer.status_code == exchange.status, f"{exchange.place}: {answer.status_code} {answer.text}"
        for header, expected in exchange.headers.items():
            found = answer.headers.get(header)
            assert matches(expected, found), f"{exchange.place}: {header} is {found!r}, not {expected!r}"
        if exchange.body:
            expected_body = json.loads(exchange.body)
            assert matches(expected_body, answer.json()), f"{exchange.place}: {answer.text}"
    return sum(bool(exchange.command) for exchange in exchanges)


def _request(client: httpx.AsyncClient, command: str, own: Mapping[str, str]) -> httpx.Request:
    program, *words = shlex.split(command)
    assert program == "curl"
    method, url, content, headers = "", "", None, {}
    rest = iter(words)
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            header, _, value = next(rest).partition(": ")
            headers[header] = value
        elif word == "-d":
            content = next(rest)
        elif word not in {"-i", "-s"}:
            url = word.removeprefix("http://localhost:8000")
    if url.startswith("/v1/query"):
        headers |= own
    return client.build_request(method or ("GET" if content is None else "POST"), url, content=content, headers=headers)


def matches(expected: Any, found: Any) -> bool:
    """Whether JSON is what is expected; texts in angle brackets stand for any value of a kind."""
    if isinstance(expected, dict):
        same = isinstance(found, dict) and expected.keys() == found.keys()
        return same and all(matches(value, found[key]) for key, value in expected.items())
    if isinstance(expected, list):
        same = isinstance(found, list) and len(expected) == len(found)
        return same and all(matches(*pair) for pair in zip(expected, found, strict=True))
    if isinstance(expected, str) and expected in _KINDS:
        return _KINDS[expected](found)
    return type(expected) is type(found) and bool(expected == found)


def _is_text(found: Any) -> bool:
    return isinstance(found, str) and found != ""


def _is_uuid(found: Any) -> bool:
    return isinstance(found, str) and str(UUID(found)) == found


def _is_instant(found: Any) -> bool:
    return isinstance(found, str) and datetime.fromisoformat(found).tzinfo is not None


def _is_number(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def _is_duration(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and found >= 0


_KINDS = {
    "<text>": _is_text,
    "<uuid>": _is_uuid,
    "<instant>": _is_instant,
    "<number>": _is_number,
    "<duration>": _is_duration,
}
