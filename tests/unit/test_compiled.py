"""The processes of a run share compiling the tests, and those of one server's tests are one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import conftest
from tests.helpers import compiled

FILES = ("src/a/module.py", "tests/conftest.py", "tests/helper.py", "tests/unit/test_a.py", "tests/unit/test_b.py")
PLAIN = ("src/a/module.py", "tests/helper.py")
"""Those whose asserts pytest leaves alone."""


def made(top: Path) -> set[str]:
    """The files of which there is bytecode: plain, or as pytest rewrites them."""
    found = set()
    for file in FILES:
        folder, name = (top / file).parent / "__pycache__", Path(file).stem
        rewritten = [kept for kept in folder.glob(f"{name}.*.pyc") if "-pytest-" in kept.name]
        plain = [kept for kept in folder.glob(f"{name}.*.pyc") if kept not in rewritten]
        found |= {file} if (plain if file in PLAIN else rewritten) else set()
    return found


def test_each_process_compiles_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("assert 1 == 1\n")
    monkeypatch.setattr(compiled, "TOP", tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compiled.compile_share(pytestconfig, 0, 2)
    first = made(tmp_path)
    assert first == set(FILES[::2])
    compiled.compile_share(pytestconfig, 1, 2)
    assert made(tmp_path) == set(FILES)


@pytest.mark.parametrize(
    ("node", "group"),
    [
        ("tests/conformance/queue/test_queue_rabbitmq_faults.py::test_a", "rabbitmq"),
        ("tests/conformance/pipeline/test_pipeline.py::test_a[rabbitmq-postgres--1000]", "rabbitmq"),
        ("tests/conformance/pipeline/test_pipeline.py::test_a[kafka-clickhouse]", "kafka"),
        ("tests/conformance/store/test_clickhouse_shards.py::test_a", "sharded"),
        ("tests/outside/identity/test_placeholders.py::test_a[sharded-7]", "sharded"),
        (
            "tests/outside/identity/test_placeholders.py::test_a[duckdb-7]",
            "tests/outside/identity/test_placeholders.py",
        ),
        ("tests/conformance/store/test_library.py::test_a[postgres]", ""),
        ("tests/docs/test_docs.py::test_relative_links_lead_somewhere[docs/build/decisions/18-kafka.md]", ""),
    ],
)
def test_tests_of_one_server_share_a_process(node: str, group: str) -> None:
    """Others, without a group, go to any process."""
    assert conftest.group_of(node) == (group or node)


def test_clickhouse_and_chromium_run_in_few_processes() -> None:
    stores = {conftest.group_of(f"tests/conformance/store/test_{n}.py::test_a[clickhouse]") for n in range(100)}
    pages = {conftest.group_of(f"tests/browser/dashboard/test_{n}.py::test_a") for n in range(100)}
    assert (len(stores), len(pages)) == (conftest.CLICKHOUSES, conftest.BROWSERS)
