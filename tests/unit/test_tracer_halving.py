"""What becomes of a failed run: decided from the index and the assignment alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.messaging.records import TopicPartition
from proofrail.tracer.halving import Halving, Taken, decided_by, still_in
from proofrail.tracer.index import AllocationIndex
from proofrail.tracer.window import OpenRun
from proofrail.wire.messages import IndexEntry

RUN_ID = "1" * 32


def entry(name: str, partition: int = 0, run_id: str = RUN_ID, dead_letter: str | None = None) -> IndexEntry:
    return IndexEntry(
        allocation_id=name,
        proposal_sha256="0" * 64,
        run_id=run_id,
        row=0,
        topic="proposals",
        partition=partition,
        offset=7,
        dead_letter=dead_letter,
    )


def a_run(*names: str) -> OpenRun:
    return OpenRun(RUN_ID, tuple({"allocation_id": name} for name in names))


def taken(names: str) -> list[Taken]:
    return [Taken({"allocation_id": name}, entry(name)) for name in names]


def names_of(part: Sequence[Taken]) -> str:
    return "".join(one.form["allocation_id"] for one in part)


def everything(_: Sequence[dict[str, Any]]) -> bool:
    return True


def parts_of(halving: Halving) -> list[str]:
    return [names_of(part) for part in iter(halving.next_part, None)]


def test_a_run_stands_for_what_has_not_moved_on() -> None:
    """Not for what was taken in another run since, was given up, or was never indexed."""
    index = AllocationIndex()
    for one in (
        entry("moved", run_id="2" * 32),
        entry("kept", partition=3),
        entry("dead", dead_letter="out-of-luck"),
        entry("last", partition=1),
    ):
        index.put(one)
    left = still_in(a_run("moved", "never", "kept", "dead", "last"), index)
    assert ["kept", "last"] == [one.entry.allocation_id for one in left]
    assert TopicPartition("proposals", 3) == decided_by(left)


@given(st.data())
def test_exactly_one_instance_sees_to_a_run(data: st.DataObject) -> None:
    """However its allocations and the partitions are shared out: the owner of one partition, whoever asks."""
    owners = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=6), label="owner of each partition")
    partitions = data.draw(st.lists(st.integers(0, len(owners) - 1), min_size=1), label="of each allocation")
    left = [Taken({}, entry(str(number), partition)) for number, partition in enumerate(partitions)]
    assignments = [
        {TopicPartition("proposals", p) for p, owner in enumerate(owners) if owner == instance}
        for instance in range(4)
    ]
    assert 1 == sum(decided_by(left) in mine for mine in assignments)


@pytest.mark.parametrize(
    ("whole", "parts"),
    [("a", ["a"]), ("ab", ["a", "b"]), ("abc", ["ab", "c"]), ("abcde", ["abc", "de"])],
)
def test_a_run_is_taken_in_halves(whole: str, parts: list[str]) -> None:
    """In its order; one alone as it is."""
    assert parts == parts_of(Halving(a_run(*whole), taken(whole), everything))


def test_what_does_not_fit_is_divided_further() -> None:
    """A run of another program may have held more than one of ours does; what is alone is tried in any case."""
    few = Halving(a_run(*"abcde"), taken("abcde"), lambda forms: len(forms) < 3)
    assert ["ab", "c", "de"] == parts_of(few)
    none = Halving(a_run(*"abc"), taken("abc"), lambda _: False)
    assert ["a", "b", "c"] == parts_of(none)


def test_what_is_run_again_is_indexed_in_its_new_run() -> None:
    """By its row there; all else of an entry stays."""
    halving = Halving(a_run(*"abc"), taken("abc"), everything)
    part = halving.next_part()
    assert part is not None
    halving.run_again(part, "2" * 32)
    expected = [
        entry("a", run_id="2" * 32),
        entry("b", run_id="2" * 32).model_copy(update={"row": 1}),
    ]
    assert (expected, []) == (halving.moved, halving.culprits)


def test_what_failed_before_is_divided_down_to_the_culprit() -> None:
    """Behind the parts that wait already; what failed alone is run no more."""
    halving = Halving(a_run(*"abcd"), taken("abcd"), everything)
    failed, seen = {"ab", "b"}, []
    while part := halving.next_part():
        seen.append(names_of(part))
        if names_of(part) in failed:
            halving.given_up(part)
        else:
            halving.run_again(part, "2" * 32)
    assert ["ab", "cd", "a", "b"] == seen
    assert "b" == names_of(halving.culprits)
    assert ["c", "d", "a"] == [one.allocation_id for one in halving.moved]
