"""What is acknowledged of a Kafka partition, against a list of all blocks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.queue.kafka.offsets import METADATA_LIMIT, Progress, Tracker, read_progress
from tests.helpers.thorough import examples


def offsets_of(ranges: list[tuple[int, int]]) -> list[int]:
    return [offset for start, end in ranges for offset in range(start, end)]


def reopened(tracker: Tracker) -> Tracker:
    """The tracker of the process that gets the partition next."""
    progress = tracker.progress()
    text = progress.text()
    assert text is not None
    assert read_progress(progress.next, text) == progress
    return Tracker(tracker.partition, progress)


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("arrive"), st.integers(1, 8)),
            st.tuples(st.just("acknowledge"), st.integers(0, 7)),
            st.tuples(st.just("move"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_every_block_is_delivered_until_it_is_acknowledged(steps: list[tuple[str, int]]) -> None:
    """G3: whatever order, and however often the partition moves: exactly the acknowledged ones do not come again."""
    tracker = Tracker(0, Progress(0))
    end, done, here = 0, set[int](), list[int]()
    for what, number in steps:
        if what == "move":
            tracker, here = reopened(tracker), []
        elif what == "arrive":
            end = max(end, tracker.position + number)
            for offset in range(tracker.position, tracker.position + number):
                if tracker.arrived(offset, 1, 10):
                    assert offset not in done
                    here.append(offset)
                else:
                    assert offset in done
        elif here:
            offset = here.pop(number % len(here))
            tracker.acknowledge(offset)
            done.add(offset)
        progress = tracker.progress()
        assert offsets_of(progress.waiting(0, end)) == [offset for offset in range(end) if offset not in done]
        assert (progress.events, progress.bytes) == (len(done), 10 * len(done))


def test_a_block_that_arrives_twice_is_delivered_once() -> None:
    tracker = Tracker(0, Progress(0))

    assert [tracker.arrived(offset, 1, 1) for offset in (0, 1, 1, 0, 2)] == [True, True, False, False, True]


def test_offsets_without_a_block_are_passed_over() -> None:
    """Such as the marks of transactions, which other programs may write."""
    tracker = Tracker(0, Progress(0))
    for offset in (0, 3, 4):
        tracker.arrived(offset, 1, 1)
        tracker.acknowledge(offset)

    assert tracker.progress().next == 5


def test_blocks_that_the_log_has_lost_are_counted() -> None:
    """G4: they were neither acknowledged nor delivered."""
    tracker = Tracker(0, Progress(10, 0, 0, ((12, 13),)))

    assert tracker.gone_before(10) == 0
    assert tracker.gone_before(15) == 3
    assert Tracker(0, Progress(0)).gone_before(7) == 0


def test_metadata_of_other_programs_say_nothing() -> None:
    for text in (None, "", "x", "2 1 1", "1 1", "1 z 1", "1 1 1 5", "1 1 1 5.x"):
        assert read_progress(7, text) == Progress(7)
    assert read_progress(-1001, None) == Progress(0)


def test_too_many_holes_wait_for_fewer() -> None:
    """What cannot be committed is committed later; until then a crash delivers it again."""
    tracker = Tracker(0, Progress(0))
    for offset in range(4_000):
        tracker.arrived(offset, 1, 1)
    for offset in range(0, 1_000, 2):
        tracker.acknowledge(offset)
    saved = tracker.to_save()
    assert saved is not None
    assert len(saved[1]) <= METADATA_LIMIT
    tracker.saved(saved[0])

    for offset in range(1_000, 4_000, 2):
        tracker.acknowledge(offset)
    assert tracker.to_save() is None
    for offset in range(1, 3_000, 2):
        tracker.acknowledge(offset)

    found = tracker.to_save()
    assert found is not None
    assert found[0].next == 3_001
    tracker.saved(found[0])
    assert tracker.to_save() is None


def test_sums_may_be_negative() -> None:
    """After the sums were squared with notes that were lost."""
    progress = Progress(5, -3, -40)

    assert read_progress(5, progress.text()) == progress
