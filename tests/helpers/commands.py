"""Commands of the CLI, run in this process: starting another one for each takes a second of a core."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

import pytest

from tallystick.cli import main


def run_command(settings: Mapping[str, str], *arguments: str) -> str:
    """What a command that has to end well prints.

    Args:
        settings: environment variables for it, on top of this process's own.
    """
    code, printed, said = end_command(settings, *arguments)
    assert code == 0, said
    return printed


def end_command(settings: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """A command's exit code, and what it writes to standard output and standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    environment = patch.dict(os.environ, {"TERM": "dumb", "COLUMNS": "200", **settings})
    umask = os.umask(0o022)
    try:
        with environment, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(list(arguments))
    finally:
        os.umask(umask)  # the command's keeps its files private
    printed, said = (stream.detach().getvalue().decode() for stream in (out, err))
    return int(ended.value.code or 0), str(printed), str(said)
