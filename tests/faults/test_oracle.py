"""The oracle itself: it has to see each kind of damage, and nothing where there is none."""

from __future__ import annotations

from collections import Counter

from tests.faults.oracle import ClientLedger, Outcome, findings


def client(accepted: str = "", unknown: str = "") -> ClientLedger:
    ledger = ClientLedger()
    ledger.sent(accepted + unknown)
    ledger.succeeded(accepted)
    return ledger


def test_agreement_is_silent() -> None:
    server = Outcome(stored=Counter("abx"), dead={"c"}, fresh_seconds=0.2)
    assert findings(client(accepted="abc", unknown="xy"), server) == []


def test_an_accepted_event_that_is_gone_is_named() -> None:
    (found,) = findings(client(accepted="abc"), Outcome(stored=Counter("ab"), fresh_seconds=0.2))
    assert found == "1 ids got a success and are neither stored nor dead (G1, G3): c"


def test_an_event_stored_twice_is_named() -> None:
    (found,) = findings(client(accepted="ab"), Outcome(stored=Counter("abb"), fresh_seconds=0.2))
    assert found == "1 ids are stored more than once (G2): b"


def test_an_event_that_was_never_sent_is_named() -> None:
    (found,) = findings(client(accepted="a", unknown="b"), Outcome(stored=Counter("abz"), fresh_seconds=0.2))
    assert found == "1 ids are stored and were never sent: z"


def test_what_does_not_end_well_is_told() -> None:
    found = findings(client(), Outcome(queued=7, differences=["2 of 9 blocks are missing"], fresh_seconds=None))
    assert found == [
        "7 events are still queued (G11)",
        "verify: 2 of 9 blocks are missing (G4)",
        "a fresh event did not become queryable (G11)",
    ]


def test_an_id_that_succeeded_once_stays_accepted_when_it_is_sent_again() -> None:
    ledger = client(accepted="a", unknown="b")
    ledger.sent("ab")
    assert (ledger.accepted, ledger.unknown) == ({"a"}, {"b"})
