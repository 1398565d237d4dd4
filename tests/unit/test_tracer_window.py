"""The tracer's window of unsettled runs, in whatever order seals and terminal records are seen."""

from __future__ import annotations

from itertools import permutations

import pytest

from proofrail.tracer.index import AllocationIndex
from proofrail.tracer.window import FailedRun, OpenRun, RunWindow
from proofrail.wire.messages import IndexEntry, ProofFailure, parse_message, to_line

RUN = OpenRun("1" * 32, ({"allocation_id": "a"},))
FAILURE = ProofFailure(
    run_id=RUN.run_id, backend="stwo", code="out-of-luck", message="no", final=True, attempts=1
)


@pytest.mark.parametrize("order", [*permutations(("sealed", "sealed", "proven"))], ids=" ".join)
def test_a_proven_run_takes_no_place(order: tuple[str, ...]) -> None:
    """Also when its seal is seen twice (as published, and again as a view sees it), or after its proof."""
    window = RunWindow(1)
    for what in order:
        window.sealed(RUN) if what == "sealed" else window.proven(RUN.run_id)
    assert (0, True, None) == (len(window.open_runs), window.has_room, window.take_failed())


@pytest.mark.parametrize("order", [*permutations(("sealed", "sealed", "failed", "failed"))], ids=" ".join)
def test_a_failed_run_is_taken_once(order: tuple[str, ...]) -> None:
    """However often its seal and its failure are seen, before and after it was taken."""
    window, taken = RunWindow(1), []
    for what in order:
        window.sealed(RUN) if what == "sealed" else window.failed(FAILURE)
        taken.append(window.take_failed())
    assert [FailedRun(RUN, FAILURE)] == [one for one in taken if one is not None]
    assert 0 == len(window.open_runs)


def test_a_failed_run_that_was_put_back_is_taken_again() -> None:
    """With what the prover said of it."""
    window = RunWindow(1)
    window.sealed(RUN)
    window.failed(FAILURE)
    taken = window.take_failed()
    assert taken is not None
    window.changed.clear()
    window.put_back(taken)
    assert window.changed.is_set()
    assert taken == window.take_failed()


def test_what_is_another_instances_is_looked_at_again_when_the_partitions_are_shared_anew() -> None:
    """Not before; and a window without room is told then. What that instance has seen to meanwhile is forgotten as soon
    as more is set aside."""
    window = RunWindow(1)
    runs = [FailedRun(OpenRun(digit * 32, ()), FAILURE) for digit in "123"]
    window.set_aside(runs[0], lambda _: True)
    window.set_aside(runs[1], lambda _: True)
    window.set_aside(runs[2], lambda one: one != runs[0])
    assert (False, None) == (window.changed.is_set(), window.take_failed())
    window.look_again()
    assert window.changed.is_set()
    assert [*runs[1:], None] == [window.take_failed() for _ in range(3)]
    window.look_again()
    assert None is window.take_failed()


def test_a_full_window_has_no_room_until_a_run_is_settled() -> None:
    """Two runs in a window of two; the first proof makes room."""
    window = RunWindow(2)
    for digit in "12":
        assert window.has_room
        window.sealed(OpenRun(digit * 32, ()))
    assert (2, False) == (len(window.open_runs), window.has_room)
    window.proven("2" * 32)
    assert (1, True) == (len(window.open_runs), window.has_room)


def test_an_index_entry_is_kept_as_it_was_published() -> None:
    """The latest one of an allocation, with members that this version does not know."""
    entry = IndexEntry(
        allocation_id="a", proposal_sha256="0" * 64, run_id="1" * 32, row=1, topic="t", partition=0, offset=9
    )
    index = AllocationIndex()
    index.put(entry)
    later = parse_message({**entry.to_object(), "row": 2, "novel": {"x": [1]}})
    assert isinstance(later, IndexEntry)
    index.put(later)
    found = index.get("a")
    assert found is not None
    assert (to_line(later), 1, None) == (to_line(found), len(index), index.get("b"))
