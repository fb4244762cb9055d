"""Why the dashboard or the browser snippet is not built: what their build scripts left beside the place of it."""

from __future__ import annotations

import html
from pathlib import Path

REASON = ".not-built"
"""The file that `scripts/node` writes when a build fails, and removes when one succeeds. No wheel has it."""
MAX = 2000
"""Most characters that are shown of it."""


def why_not_built(folder: Path) -> list[str]:
    """The reason and what to do, a sentence or two a line; nothing when no build has failed here."""
    try:
        return (folder / REASON).read_text("utf-8", errors="replace")[:MAX].splitlines()
    except OSError:
        return []


def why_as_html(folder: Path) -> str:
    """The same as paragraphs of HTML."""
    return "".join(f"<p>{html.escape(line)}</p>\n" for line in why_not_built(folder))
