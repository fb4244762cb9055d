"""How a row of the table of bad input is written, and how the good requests look that it spoils."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tests.helpers.http.steps import request

MIB = 1024 * 1024
KEY, READ_KEY, WRITE_KEY, BLOG_KEY = (f"{name}-0123456789abcdef" for name in ("every", "read", "write", "blog"))
"""Keys of the server: for everything, for queries alone, for events alone, for all about one site."""
EVENT = b'{"name":"page_view","user_id":"u"}'


class Case(NamedTuple):
    """One request, and what it has to be answered."""

    name: str
    sent: bytes
    expected: str
    head_only: bool = False
    admin: bool = False
    """It is sent with a key for the administration, which is not known here."""

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Form:
    """How an API writes an event.

    Attributes:
        path: its write route.
        whole: a body with one event in place of `%s`.
        fields: its names of the fields of EVENTS.
        given: a good event, each value as JSON text.
    """

    path: str
    whole: str
    fields: Mapping[str, str]
    given: Mapping[str, str]

    def body(self, name: str, value: str | None) -> bytes:
        """A body whose event has this value as JSON text in place of a good one; None: it lacks the field."""
        fields = {**self.given, self.fields[name]: value}
        return (self.whole % ",".join(f'"{key}":{text}' for key, text in fields.items() if text is not None)).encode()


WHEN = '"2026-01-01T00:00:00Z"'
FORMS = {
    "own": Form(
        "/v1/events",
        "{%s}",
        {
            "name": "name",
            "user": "user_id",
            "site": "site_id",
            "time": "timestamp",
            "properties": "properties",
            "id": "event_id",
            "path": "path",
            "source": "source",
        },
        {"name": '"bad"'},
    ),
    "smolhog": Form(
        "/events",
        '{"events":[{%s}]}',
        {"name": "event_name", "user": "user_id", "time": "timestamp", "properties": "properties", "id": "event_id"},
        {
            "event_id": '"1"',
            "event_name": '"bad"',
            "user_id": '"u"',
            "properties": "{}",
            "timestamp": WHEN,
            "session_id": '"s"',
        },
    ),
    "eventflux": Form(
        "/v1/events/bulk",
        '{"events":[{%s}]}',
        {"name": "event_type", "user": "actor_id", "time": "timestamp", "properties": "attributes", "source": "source"},
        {"event_type": '"bad"', "actor_id": '"u"', "source": '"web"', "timestamp": WHEN, "attributes": "{}"},
    ),
    "fast_worker": Form(
        "/api/event",
        "{%s}",
        {"name": "event_type", "user": "user_id", "site": "site_id", "time": "timestamp", "path": "path"},
        {"site_id": '"default"', "event_type": '"bad"', "timestamp": WHEN},
    ),
    "backend": Form(
        "/event",
        "{%s}",
        {"name": "event_type", "user": "user_id", "site": "site_id", "time": "timestamp", "path": "path"},
        {"site_id": '"default"', "event_type": '"bad"', "path": '"/"', "timestamp": WHEN},
    ),
}


@dataclass(frozen=True)
class Body:
    """A whole body, under this Content-Encoding."""

    name: str
    sent: bytes
    answers: str
    encoding: str = ""


@dataclass(frozen=True)
class EventField:
    """A value, as JSON text, of one field of a good event; None: the event lacks the field."""

    name: str
    field: str
    value: str | None
    answers: str


@dataclass(frozen=True)
class Parameter:
    """A value of a parameter, percent-encoded."""

    name: str
    parameter: str
    value: bytes
    answers: str


@dataclass(frozen=True)
class Head:
    """Headers of a GET."""

    name: str
    headers: tuple[str, ...]
    answers: str


def answers(text: str) -> dict[str, str]:
    """Each answer by those that give it."""
    found = {}
    for line in text.strip().splitlines():
        who, _, answer = line.partition("|")
        found.update(dict.fromkeys((one.strip() for one in who.split(",")), answer.strip()))
    return found


def quoted(text: str) -> str:
    return json.dumps(text)


def post(path: str, body: bytes, encoding: str = "", method: str = "POST") -> bytes:
    headers = [f"x-api-key: {KEY}", "connection: close", *([f"content-encoding: {encoding}"] if encoding else [])]
    return request(method, path, *headers, body=body)


def get(target: bytes | str, *headers: str, key: str = KEY, method: str = "GET") -> bytes:
    keys = [f"x-api-key: {key}"] if key else []
    return request(method, target, *keys, "connection: close", *headers)


def condition(operator: str, value: str) -> bytes:
    """A query with one condition on a property; `value`: JSON text."""
    return f'{{"kind":"metrics","filter":{{"field":"properties.a","op":"{operator}","value":{value}}}}}'.encode()


def statement(text: str) -> bytes:
    return post("/v1/sql", json.dumps({"sql": text}).encode())
