"""One page has one path, however its URL is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ingest.enrich.page import PageRules, read_page
from tallystick.ingest.enrich.paths import PathRules

AS_SENT = PathRules(strip_slash=False, lower=False, decode=False)
ALL = PathRules(strip_slash=True, lower=True, decode=True)
rules = st.builds(PathRules, st.booleans(), st.booleans(), st.booleans())
pieces = st.sampled_from(
    ["/", "%2F", "%2f", "%41", "%C3%A9", "%c3", "%A9", "e\u0301", "é", "%", "%25", "İ", "ſ", "A", "%20", " "]
)
paths = st.one_of(st.text(), st.lists(pieces).map("".join))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/about/", "/about"),
        ("/About", "/About"),
        ("/caf%C3%A9", "/café"),
        ("/caf%c3%a9", "/café"),
        ("/cafe%CC%81", "/café"),
        ("/cafe\u0301", "/café"),
        ("/%61bout", "/about"),
        ("/a%2fb", "/a%2Fb"),
        ("/100%25", "/100%25"),
        ("/what%3F", "/what%3F"),
        ("/a%20b", "/a%20b"),
        ("/%ff", "/%FF"),
        ("/%E4%B8%AD%E6%96%87/", "/中文"),
    ],
)
def test_by_default(path: str, expected: str) -> None:
    assert PathRules().apply(path) == expected


def test_each_rule_can_be_turned_off_or_on() -> None:
    assert AS_SENT.apply("/Caf%C3%A9/") == "/Caf%C3%A9/"
    assert ALL.apply("/Caf%C3%89/") == "/café"


@given(rules, paths)
def test_twice_is_once(chosen: PathRules, path: str) -> None:
    once = chosen.apply(path)
    assert chosen.apply(once) == once


@given(rules, paths)
def test_no_path_is_empty(chosen: PathRules, path: str) -> None:
    assert chosen.apply(path)


def test_pages_have_paths_by_the_rules() -> None:
    url = "https://shop.example/Caf%C3%A9/?x=1#top"
    assert read_page(url, "").path == "/Café"
    assert read_page(url, "", PageRules(paths=AS_SENT)).path == "/Caf%C3%A9/"
    assert read_page(url, "", PageRules(paths=ALL)).path == "/café"
