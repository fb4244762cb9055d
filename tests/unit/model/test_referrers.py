"""The list of referrers: how domains are looked up, and how the part that others keep is refreshed."""

from __future__ import annotations

import pytest

from scripts.referrers import FILES, TARGET, addresses, render
from tallystick.errors import ConfigError
from tallystick.model.referrers import KINDS, parse_domains, referrer_list

ENGINES = """\
Engine:
  -
    urls:
      - www.engine.example
      - '{}.engine.example'
      - 'engine.{}'
      - engine.example/images
      - 'images.{}.engine.example'
    params:
      - q
      - '/search\\\\/(.*)/'
    backlink: 'search?q={k}'
    charsets:
      - utf-8
  - urls:
      - other.example
    params: []
Ünïcode - Engine:
  -
    urls:
      - third.example
"""
SOCIALS = """\
"Social Network":
  - social.example
  - android-app://com.social.example

'Other':
   - m.other.example
"""


def test_the_list_is_sound() -> None:
    entries = referrer_list().entries.values()
    assert len(entries) > 7_000
    for entry in entries:
        assert entry.kind in KINDS
        assert entry.domain == entry.domain.lower()
        assert not entry.domain.startswith("www.")
        assert not set(entry.domain) & set("{}/:@ "), entry


def test_every_entry_is_found_by_its_domain() -> None:
    for entry in referrer_list().entries.values():
        assert referrer_list().kind(entry.domain) == entry.kind
        assert referrer_list().kind(f"WWW.{entry.domain.upper()}:443") == entry.kind


def test_subdomains_have_the_kind_of_the_longest_entry() -> None:
    known = referrer_list()
    assert known.kind("a.b.facebook.com") == "social"
    assert known.kind("a.b.google.com") is None
    assert known.kind("www.gemini.google.com") == "ai"
    assert known.kind("eu.news.yahoo.com") == "referral"
    assert known.kind("m.google.de") == "search"


def test_own_domains_win() -> None:
    known = referrer_list().with_internal(parse_domains("WWW.YouTube.com, shop.example"))
    assert known.kind("m.youtube.com") == "internal"
    assert known.kind("eu.shop.example") == "internal"
    assert known.version != referrer_list().version
    assert referrer_list().with_internal(()).version == referrer_list().version


@pytest.mark.parametrize("text", ["https://shop.example", "shop.example/", "*.shop.example", "a@b"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"TALLYSTICK_OWN_DOMAINS: .* is not a domain"):
        parse_domains(f"shop.example, {text}")


def test_matomo_s_files_are_read() -> None:
    engines, socials = addresses(ENGINES), addresses(SOCIALS)
    assert engines[:2] == ["www.engine.example", "{}.engine.example"]
    assert engines[-2:] == ["other.example", "third.example"]
    assert socials == ["social.example", "android-app://com.social.example", "m.other.example"]
    text = render({"search": engines, "social": socials})
    assert text.startswith("# ")
    assert text.split("\n\n", 1)[1] == (
        "[search]\nengine.example\nengine.{}\nother.example\nthird.example\n\n"
        "[social]\ncom.social.example\nm.other.example\nsocial.example\n"
    )


def test_the_packaged_list_is_as_it_would_be_written() -> None:
    sections: dict[str, list[str]] = {}
    for line in TARGET.read_text("utf-8").splitlines():
        if line.startswith("["):
            found = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            found.append(line)
    assert list(sections) == list(FILES)
    assert render(sections) == TARGET.read_text("utf-8")
