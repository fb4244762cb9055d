"""Unread answers: other requests go on, and the answers' resources are taken back (G5)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from tests.attack.asking.asked_server import BLOG, EVENTS, EVERY, SHOP, WRITE, Asked, eventually, rest_of
from tests.helpers.thorough import some


@contextlib.contextmanager
def unread(asked: Asked, *exports: tuple[str, str]) -> Iterator[list[socket.socket]]:
    """Exports that were asked for and of which nothing is read; each a key and a format."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(asked.sent(asked.request("GET", "/v1/export", f"format={form}&site_id=shop", key=key)))
            for key, form in exports
        ]


def test_unread_exports_harm_nobody_and_are_broken_off(asked: Asked) -> None:
    """Six of them gave 503 to every query on PostgreSQL; on DuckDB one stopped the loading of events.

    There are so many of one key and of all, and both refusals say when to come again; 429 tells whose fault it is.
    """
    eventually(asked.at_rest, "rest")
    with unread(asked, (SHOP, "ndjson"), (SHOP, "csv"), (EVERY, "ndjson"), (EVERY, "csv")) as connections:
        eventually(lambda: asked.metric("tallystick_exports") == 4, "four exports")
        for key, status, code in ((SHOP, 429, "too_many"), (BLOG, 503, "unavailable")):
            with asked.client(key) as client:
                refused = client.get("/v1/export?format=parquet")
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
            assert int(refused.headers["Retry-After"]) > 0
        for key, site, events in ((SHOP, "shop", EVENTS), (BLOG, "blog", 20)):
            assert asked.count(site, key) == events
        with asked.client(WRITE) as client:
            assert client.post("/v1/events", json={"name": "more", "site_id": "later"}).status_code == 202
        eventually(lambda: asked.count("later") > 0, "an event that was sent meanwhile")
        assert asked.ready()
        eventually(lambda: asked.metric("tallystick_exports") == 0, "the end of what nobody reads")
        eventually(lambda: asked.transactions() == "", "the end of their transactions")
        for connection in connections:
            answer = rest_of(connection)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            assert not answer.endswith(b"0\r\n\r\n"), "a part is not taken for the whole"


def test_a_parquet_file_that_nobody_reads_goes(asked: Asked) -> None:
    eventually(asked.at_rest, "rest")
    with unread(asked, (SHOP, "parquet")) as (connection,):
        eventually(lambda: asked.scratch() != [], "the file")
        eventually(lambda: asked.scratch() == [] and asked.metric("tallystick_exports") == 0, "its end")
        head, _, body = rest_of(connection).partition(b"\r\n\r\n")
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length"))
        assert len(body) < int(length.split()[1])


def test_one_who_reads_gets_everything(asked: Asked) -> None:
    eventually(asked.at_rest, "rest")
    with asked.client(SHOP) as client:
        for form in some(["ndjson", "csv", "parquet"]):
            answer = client.get("/v1/export", params={"format": form, "site_id": "shop"}).content
            match form:
                case "ndjson":
                    assert answer.count(b'"event_id"') == EVENTS
                case "csv":
                    assert answer.count(b"\r\n") == EVENTS + 1
                case _:
                    assert answer.endswith(b"PAR1")
    eventually(lambda: asked.at_rest() and not asked.scratch(), "rest")
