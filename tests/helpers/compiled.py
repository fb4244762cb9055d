"""The tests' bytecode, made before they are collected: the processes of a run share the work.

In a fresh clone most of what collecting takes is rewriting the asserts of the test modules, which pytest keeps in
__pycache__ afterwards. The processes of pytest-xdist collect at the same time, so each would rewrite all of them.
"""

from __future__ import annotations

import compileall
import sys
from pathlib import Path

import pytest
from _pytest.assertion import rewrite  # has no public way to rewrite a module without running it

TOP = Path(__file__).parents[2]


def compile_share(config: pytest.Config, number: int, count: int) -> None:
    """Compile every `count`-th file of src and tests, from this number on, unless its bytecode is there.

    A process that is slower than the others costs time alone: who misses its files makes them too.
    """
    if sys.dont_write_bytecode or (state := config.stash.get(rewrite.assertstate_key, None)) is None:
        return
    files = sorted(file for folder in ("src", "tests") for file in (TOP / folder).rglob("*.py"))
    for file in files[number::count]:
        if not (file.name == "conftest.py" or file.name.startswith("test_")):
            compileall.compile_file(file, quiet=2)
            continue
        folder = rewrite.get_cache_dir(file)
        compiled = folder / (file.stem + rewrite.PYC_TAIL)
        if rewrite._read_pyc(file, compiled) is None and rewrite.try_makedirs(folder):
            about, code = rewrite._rewrite_test(file, config)
            rewrite._write_pyc(state, code, about, compiled)
