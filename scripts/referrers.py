"""Refresh the list of referrers from Matomo's: `python -m scripts.referrers`, or with a folder of its three files.

Look at the difference of `matomo.txt` before it is committed: an entry that is wrong for a whole site belongs under
`[referral]` or `[left out]` in `additions.txt`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import httpx

SOURCE = "https://raw.githubusercontent.com/matomo-org/searchengine-and-social-list/master/"
FILES = {"search": "SearchEngines.yml", "social": "Socials.yml", "ai": "AIAssistants.yml"}
TARGET = Path(__file__).parents[1] / "src" / "tallystick" / "model" / "referrers" / "matomo.txt"
HEADER = """\
# Search engines, social networks and AI assistants, from https://github.com/matomo-org/searchengine-and-social-list,
# which is in the public domain (CC0 1.0). Written by `python -m scripts.referrers`: do not edit, see additions.txt.
"""


def main(arguments: list[str]) -> None:
    """Write `matomo.txt`."""
    if arguments:
        texts = {kind: Path(arguments[0], name).read_text("utf-8") for kind, name in FILES.items()}
    else:
        texts = {kind: httpx.get(SOURCE + name).raise_for_status().text for kind, name in FILES.items()}
    TARGET.write_text(render({kind: addresses(text) for kind, text in texts.items()}), "utf-8")


def addresses(text: str) -> list[str]:
    """The addresses in one of Matomo's files: members of lists under `urls:`, or directly under a name."""
    found, under = [], ""
    for line in text.splitlines():
        if match := re.fullmatch(r"[ -]*(\w+):.*", line):
            under = match[1] if line.startswith(" ") else ""
        elif line and not line.startswith(" "):
            under = ""
        elif (match := re.fullmatch(r" +- +'?([^'\s]+)'?\s*", line)) and under in ("", "urls"):
            found.append(match[1])
    return found


def render(by_kind: Mapping[str, Iterable[str]]) -> str:
    """The text of `matomo.txt`: domains in order, by kind."""
    sections = [
        f"\n[{kind}]\n" + "".join(f"{domain}\n" for domain in domains(found)) for kind, found in by_kind.items()
    ]
    return HEADER + "".join(sections)


def domains(found: Iterable[str]) -> list[str]:
    """The domains of addresses as Matomo writes them.

    A path is not kept, since events have the domain of their referrer only: an address with one counts if its whole
    host is listed, too. `{}` before a domain means any subdomain, which an entry includes.
    """
    hosts = {address.split("://")[-1].removeprefix("www.").removeprefix("{}.") for address in found}
    return sorted(host for host in hosts if "/" not in host and "{}" not in host.removesuffix(".{}"))


if __name__ == "__main__":
    main(sys.argv[1:])
