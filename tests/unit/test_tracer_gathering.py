"""Which proposals come into one batch, and how long they wait for others, told on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faults import proposals

from proofrail.cairo.risk_builds import CHAIN, FIRST, RiskBuild, Size
from proofrail.cairo.risk_program import LEAST_PEDERSENS
from proofrail.messaging.records import Record, TopicPartition
from proofrail.tracer.gathering import Gatherer
from proofrail.tracer.index import AllocationIndex
from proofrail.tracer.intake import BatchLimits, Intake, Read, Refused
from proofrail.wire import topics
from proofrail.wire.messages import IndexEntry
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.replay import ATTEMPTS, REQUEUES

EACH_MS = 5
ROOM = 528
LIMITS = BatchLimits(Size(1 << 20, 1 << 14), 1 << 26)
WHERE = TopicPartition(topics.PROPOSALS, 0)


@cache
def record(number: int) -> Record:
    return Record(*WHERE, number, b"", proposals.valid("gathered", number), {}, 0)


class Topic:
    """One partition, whose record i arrives at `arrivals[i]` milliseconds; whoever waits moves the clock. What stood
    there at the start may still take until its arrival to be read."""

    def __init__(self, arrivals: Sequence[int], standing: int = 0) -> None:
        self._arrivals = list(arrivals)
        self.standing = standing
        self._read = 0
        self.now_ms = 0

    def clock(self) -> float:
        return self.now_ms / 1000

    @property
    def is_read(self) -> bool:
        return self._read == len(self._arrivals)

    async def records(self, max_records: int, timeout_ms: int) -> list[Record]:
        if self.is_read or self._arrivals[self._read] > self.now_ms + timeout_ms:
            self.now_ms += timeout_ms
            return []
        self.now_ms = max(self.now_ms, self._arrivals[self._read])
        first = self._read
        while (
            not self.is_read
            and self._read < first + max_records
            and self._arrivals[self._read] <= self.now_ms
        ):
            self._read += 1
        return [record(number) for number in range(first, self._read)]

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        return {WHERE: self.standing}

    async def has_passed(self, ends: Mapping[TopicPartition, int]) -> bool:
        return self._read >= ends[WHERE]


def intake(
    found: Sequence[Read | Refused] = (),
    index: AllocationIndex | None = None,
    limits: BatchLimits = LIMITS,
    build: RiskBuild = FIRST,
) -> Intake:
    judged = Intake(index or AllocationIndex(), build, limits)
    judged.take(found)
    return judged


async def batches(topic: Topic) -> list[tuple[int, int]]:
    """For each batch, how many proposals it has and when it was closed; what is left over begins the next."""
    gatherer = Gatherer(topic, EACH_MS, topic.clock)
    found: list[tuple[int, int]] = []
    left: list[Read | Refused] = []
    numbers: list[int] = []
    while left or not topic.is_read:
        judged = intake(await gatherer.gather(left, intake()))
        left = judged.left
        numbers += [one.record.offset for one in judged.accepted]
        if judged.accepted:
            found.append((len(judged.accepted), topic.now_ms))
    assert list(range(len(numbers))) == numbers
    return found


async def test_a_lone_proposal_waits_no_longer_than_it_is_worth() -> None:
    """Latency of the idle system: one proposal, one run, five milliseconds, however many went before it."""
    burst = [0] * 300
    assert [(300, 100), (1, 1005), (1, 2005)] == await batches(Topic([*burst, 1000, 2000]))


async def test_a_burst_with_gaps_comes_in_the_fewest_batches() -> None:
    """A thousand at once, as a producer sends them: a few first, then pieces with pauses between them."""
    pieces = [0] * 20 + [60] * 280 + [150] * 5 + [151] * 400 + [240] * 295
    assert [528, 472] == [size for size, _ in await batches(Topic(pieces))]


async def test_what_is_left_waits_for_its_like() -> None:
    """What did not fit the first batch does not go alone while others are on their way."""
    pieces = [0] * (ROOM + 30) + [70] * 400
    assert [(ROOM, 0), (430, 170)] == await batches(Topic(pieces))


async def test_a_full_batch_waits_for_nothing() -> None:
    """The last proposal that fits closes the batch."""
    assert [(ROOM, 0)] == await batches(Topic([0] * ROOM))


@pytest.mark.parametrize(("every_ms", "most"), [(3, ROOM), (6, 1)])
async def test_a_stream_is_gathered_only_while_it_is_worth_it(every_ms: int, most: int) -> None:
    """Proposals that come faster than one is worth waiting fill the batch; slower ones are not held up."""
    sizes = [size for size, _ in await batches(Topic([every_ms * number for number in range(ROOM + 3)]))]
    assert most == max(sizes)


async def test_what_stands_in_the_topic_is_read_before_a_batch_is_closed() -> None:
    """After a start or a full window the first fetch may bring one record of many: the others are waited for."""
    assert [(201, 140)] == await batches(Topic([0, *[40] * 200], standing=201))
    assert [1, 200] == [size for size, _ in await batches(Topic([0, *[40] * 200]))]


async def test_records_that_never_come_hold_nothing_up() -> None:
    """An end that cannot be reached (a transaction's marker, one that is open) costs one wait."""
    assert [(1, 500), (1, 1005)] == await batches(Topic([0, 1000], standing=3))


async def test_behind_a_full_batch_what_stands_is_read_again() -> None:
    """Whoever filled one batch may have filled the topic: the next one takes all that stands there by then."""
    pieces = [0] * (ROOM + 30) + [400] * 300
    assert [(ROOM, 0), (330, 500)] == await batches(Topic(pieces, standing=len(pieces)))


@settings(max_examples=50)
@given(gaps=st.lists(st.sampled_from([0, 0, 0, 1, 4, 20, 99, 300]), min_size=1, max_size=60))
async def test_whatever_comes_keeps_its_order_and_is_not_held_up(gaps: list[int]) -> None:
    """No proposal waits longer than each in its batch is worth, plus the last wait; none is lost or moved."""
    arrivals = [sum(gaps[: end + 1]) for end in range(len(gaps))]
    begin = 0
    for size, closed in await batches(Topic(arrivals)):
        assert closed - arrivals[begin] <= size * EACH_MS
        begin += size
    assert len(arrivals) == begin


def _read(values: Sequence[bytes], build: RiskBuild = FIRST) -> list[Read | Refused]:
    records = [Record(*WHERE, number, b"", value, {}, 0) for number, value in enumerate(values)]
    return intake(build=build).read(records)


def test_each_record_is_judged_on_its_own() -> None:
    """New, repeated, refused for its content, refused for its id: none touches its neighbours."""
    index = AllocationIndex()
    old = proposals.valid("old")
    index.put(
        IndexEntry(
            allocation_id="old-0",
            proposal_sha256=proposals.digest_of(old),
            run_id="0" * 32,
            row=0,
            topic=topics.PROPOSALS,
            partition=0,
            offset=0,
        )
    )
    new = proposals.valid("new")
    values = [
        new,
        old,
        b"none",
        new,
        proposals.reused("new"),
        proposals.reused("old"),
        proposals.valid("new", 1),
    ]
    judged = intake(_read(values), index)
    assert [0, 6] == [one.record.offset for one in judged.accepted]
    assert [1, 3] == [one.offset for one in judged.repeated]
    assert [
        (2, "proposal-malformed-json"),
        (4, "proposal-id-reused"),
        (5, "proposal-id-reused"),
    ] == [(one.record.offset, one.error.code) for one in judged.refused]
    assert ([], False) == (judged.left, judged.is_full)


def test_what_does_not_fit_is_left_with_all_that_follows() -> None:
    """A position can be committed only behind a prefix; one proposal always fits."""
    values = proposals.several("many", 4)
    two = BatchLimits(Size(LIMITS.room.steps, 2 * LEAST_PEDERSENS), LIMITS.size)
    judged = intake(_read([*values[:3], b"none", values[3]]), limits=two)
    assert (2, 3, 0, True) == (len(judged.accepted), len(judged.left), len(judged.refused), judged.is_full)
    small = BatchLimits(Size(1, 1), 1)
    assert [0] == [one.record.offset for one in intake(_read(values), limits=small).accepted]


def test_a_run_of_the_chain_build_takes_no_more_than_it_has_room_for() -> None:
    """The hashes of the tree count, too: what is taken fits a run of 16,384 steps, with the next one it would not, and
    that one begins the next run."""
    room = Size(16_384, 128)
    limits = BatchLimits(room, LIMITS.size)
    values = proposals.several("chained", 40)
    judged = intake(_read(values, CHAIN), limits=limits, build=CHAIN)
    count = len(judged.accepted)
    forms = [proposals.form_of(value) for value in values]
    assert (True, False) == tuple(CHAIN.size(forms[:more]).fits(room) for more in (count, count + 1))
    assert (40 - count, True) == (len(judged.left), judged.is_full)
    following = intake(judged.left, limits=limits, build=CHAIN)
    assert [count, count + 1] == [one.record.offset for one in following.accepted[:2]]
