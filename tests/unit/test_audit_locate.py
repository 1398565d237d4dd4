"""Long streams: the first block that differs, found by few comparisons and whatever was published."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.audit.blocks import UnknownMembers, check_blocks
from proofrail.audit.claims import ClaimedLine
from proofrail.audit.findings import FoundError
from proofrail.audit.locate import first_other_chain, first_unequal, prefix_digests
from proofrail.audit.vocabulary import BLOCK_MEMBERS
from proofrail.commitment.blocks import Committer

BLOCKS = 10_000
MOST = math.ceil(math.log2(BLOCKS + 1))


class _Counted(bytes):
    """Bytes that count how often they are compared."""

    comparisons = 0

    def __ne__(self, other: object) -> bool:
        _Counted.comparisons += 1
        return not bytes.__eq__(self, other)

    __hash__ = bytes.__hash__


class _CountedText(str):
    comparisons = 0

    def __ne__(self, other: object) -> bool:
        _CountedText.comparisons += 1
        return not str.__eq__(self, other)

    __hash__ = str.__hash__


def _blocks(count: int, altered: int | None = None, bits: int = 16) -> list[dict[str, Any]]:
    """Blocks of two items; from the block `altered` on, of another stream."""
    committer = Committer("r", bits, 2)
    made = [
        committer.append(b"item %d%s" % (at, b" altered" if altered == at // 2 else b""))
        for at in range(2 * count)
    ]
    return [block for block in made if block is not None]


@pytest.mark.parametrize("altered", [0, 4_999, 5_000, 9_999, None])
def test_the_first_block_of_another_stream_takes_few_comparisons(altered: int | None) -> None:
    """Of 10,000 blocks the first that differs is found by at most 14 comparisons of full chain values."""
    ours, theirs = _blocks(BLOCKS), _blocks(BLOCKS, altered)
    for block in ours:
        block["chain"] = _CountedText(block["chain"])
    _CountedText.comparisons = 0
    assert (BLOCKS if altered is None else altered) == first_other_chain(ours, theirs)
    assert 0 < _CountedText.comparisons <= MOST


@pytest.mark.parametrize("altered", [0, 4_999, 5_000, 9_999, None])
def test_a_single_altered_line_takes_few_comparisons(altered: int | None) -> None:
    """Also where all chains behind the altered line are right again, which bisecting chains would not see."""
    ours = _blocks(BLOCKS)
    theirs = [dict(block) for block in ours]
    if altered is not None:
        theirs[altered]["chain"] = "00" * 32
    mine = [_Counted(digest) for digest in prefix_digests(ours, BLOCK_MEMBERS)]
    _Counted.comparisons = 0
    found = first_unequal(mine, prefix_digests(theirs, BLOCK_MEMBERS))
    assert (BLOCKS if altered is None else altered) == found
    assert 0 < _Counted.comparisons <= MOST


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 29), st.sampled_from(sorted(BLOCK_MEMBERS)), st.booleans()), max_size=4
    ),
    st.integers(0, 30),
)
def test_whatever_is_published_the_first_block_is_named(
    alterations: list[tuple[int, str, bool]], published: int
) -> None:
    """Any members of any blocks altered or removed, and any number of blocks: what a look at each one finds."""
    ours = _blocks(30)
    theirs = [dict(block) for block in ours][:published]
    for at, name, removed in alterations:
        if at < published:
            if removed:
                theirs[at].pop(name, None)
            else:
                theirs[at][name] = True
    first = min((at for at, _, _ in alterations if at < published), default=published)
    lines = [ClaimedLine(at + 1, members) for at, members in enumerate(theirs)]
    if first == 30:
        check_blocks(ours, lines, UnknownMembers(), lambda _item: None)
        return
    with pytest.raises(FoundError) as found:
        check_blocks(ours, lines, UnknownMembers(), lambda _item: None)
    assert first == found.value.finding.block


def test_equal_packed_values_do_not_hide_a_block() -> None:
    """At one bit half of all streams have the packed value of the true one; the chain names the block."""
    ours, seen = _blocks(64, bits=1), set()
    for altered in range(64):
        theirs = _blocks(64, altered, bits=1)
        lines = [ClaimedLine(at + 1, members) for at, members in enumerate(theirs)]
        with pytest.raises(FoundError) as found:
            check_blocks(ours, lines, UnknownMembers(), lambda _item: None)
        assert altered == found.value.finding.block
        seen.add(found.value.finding.kind)
    assert {"packed", "chain"} == seen
