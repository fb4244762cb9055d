"""How this program is called from the shell that it was started in, for texts that name a command to paste."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAMES = ("tallystick", "tally")
"""Names under which the command is installed, the usual one first."""


def invocation(started_as: str | None = None) -> str:
    """`tallystick` where the shell's PATH finds this installation, else the path of its script, quoted for a shell.

    After `make run` that is `.venv/bin/tallystick`: relative while the script lies below the working directory. A
    process that was started otherwise (`python -m`, a test) names the script beside its interpreter, if there is one.

    Args:
        started_as: the path that the process was started with; default: `sys.argv[0]`.
    """
    script = Path(sys.argv[0] if started_as is None else started_as)
    if script.name not in NAMES or not _runs(script):
        script = Path(sys.executable).with_name(NAMES[0])
        if not _runs(script):
            return NAMES[0]
    found = shutil.which(script.name)
    if found is not None and os.path.samefile(found, script):
        return script.name
    here = Path(os.path.abspath(script))  # not resolved: a link is called by its own name
    return shlex.quote(str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here))


def _runs(script: Path) -> bool:
    return script.is_file() and os.access(script, os.X_OK)
