"""kill -9 of the whole server under load, with the clients' own ledger as oracle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.killing import KillRun
from tests.faults.oracle import findings
from tests.faults.times import REPETITIONS, Record

MUTANTS = Path(__file__).with_name("mutants.py")


async def test_two_kills_lose_nothing_and_store_nothing_twice(tmp_path: Path, record_property: Record) -> None:
    """G1, G2, G3, G4, G11, in a few seconds."""
    record_property(REPETITIONS, 2)
    run = KillRun(tmp_path, seed=2)
    outcome = await run.run(kills=2)
    assert findings(run.clients.ledger, outcome) == []
    assert run.clients.answered > 50


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1])
async def test_twenty_kills_lose_nothing_and_store_nothing_twice(
    tmp_path: Path, record_property: Record, seed: int
) -> None:
    """G1, G2, G3, G4, G11."""
    record_property(REPETITIONS, 20)
    run = KillRun(tmp_path, seed)
    outcome = await run.run(kills=20)
    assert findings(run.clients.ledger, outcome) == []
    assert run.clients.answered > 500
    assert run.clients.ledger.unknown, "every request was answered: nothing was under way when the server died"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("mutant", "complaint"),
    [
        ("answers_before_commit", "got a success and are neither stored nor dead"),
        ("acks_before_write", "got a success and are neither stored nor dead"),
        ("stores_again", "are stored more than once"),
    ],
)
async def test_a_server_without_a_promise_is_found_out(tmp_path: Path, mutant: str, complaint: str) -> None:
    """The test above can fail: with one promise taken out of the server, the same run complains of just that."""
    run = KillRun(tmp_path, seed=3, command=(sys.executable, str(MUTANTS), mutant))
    outcome = await run.run(kills=5)
    assert complaint in " ".join(findings(run.clients.ledger, outcome))
