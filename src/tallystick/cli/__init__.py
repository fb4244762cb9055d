"""The command line: one module for each command or group of commands.

This module imports nothing that takes long: `tallystick --version` answers without the rest.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["app", "main"]


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code: 0 done, 1 something is not as it should be, 2 the command failed."""
    given = sys.argv[1:] if arguments is None else arguments
    if given in (["--version"], ["-V"]):
        from tallystick import __version__

        print(f"tallystick {__version__}")
        sys.exit(0)
    from tallystick.cli.program import run

    sys.exit(run(given))


def __getattr__(name: str) -> Any:
    """`app`, the whole command line, made when it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tallystick.cli.program import app

    return app
