"""When the books were verified last: a file in the data folder."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tallystick.config import Settings

FILE = "last-verify.json"


class LastVerify(msgspec.Struct, frozen=True):
    """The last `verify`: when, UTC, and how many differences it found."""

    at: datetime
    differences: int


def note_verify(settings: Settings, differences: int) -> None:
    """Write down that a `verify` ends now. A folder that is not there, or is closed, is left as it is. Blocks."""
    path = settings.data / FILE
    draft = path.with_name(f"{FILE}.{os.getpid()}.new")
    with contextlib.suppress(OSError):
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(LastVerify(datetime.now(UTC), differences)))
        os.replace(draft, path)


def last_verify(settings: Settings) -> LastVerify | None:
    """What was written down; None: nothing, or it cannot be read."""
    try:
        return msgspec.json.decode(Path(settings.data / FILE).read_bytes(), type=LastVerify)
    except (OSError, msgspec.DecodeError):
        return None
