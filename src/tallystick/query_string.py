"""Parameters in a request's address, on routes of Tallystick's own API: an unknown one is refused.

If it were ignored, a misspelt `strict` would store a part of a request, a misspelt filter give a wrong number, and
`?dry_run=true` on a route that takes it in the body remove events.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from urllib.parse import parse_qsl

from tallystick.errors import InvalidRequest

SHOWN = 100
"""Characters of an unknown name that the answer repeats."""


def parameters(query: bytes) -> dict[str, str]:
    """The parameters of an address; of several values of one the last counts."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Raises InvalidRequest when a parameter is none that the route takes; it names the nearest one."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is None:
        return
    likely = difflib.get_close_matches(unknown.lower()[:SHOWN], known, n=1, cutoff=0.6)
    if likely:
        advice = f"did you mean {likely[0]}?"
    else:
        advice = f"the route takes {', '.join(sorted(known))}" if known else "the route takes none in its address"
    raise InvalidRequest(f"{unknown[:SHOWN]}: there is no such parameter; {advice}")
