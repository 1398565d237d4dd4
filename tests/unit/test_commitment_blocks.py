"""Items, blocks and seal, held to the plain second implementation."""

import hashlib
from typing import Any

import plain_commitment as plain
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proofrail import _native
from proofrail.commitment.blocks import Committer, chunk_root, pack, unpack
from proofrail.commitment.items import item_bytes
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import CommitmentBlock, CommitmentSeal, parse_message

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(max_codepoint=0xD7FF)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
EVENTS = st.dictionaries(
    st.text(st.characters(codec="ascii"), max_size=6), VALUES, max_size=4
) | st.fixed_dictionaries(
    {"timestamp": st.integers(0, 2**63)},
    optional={
        "duration_ns": st.integers(0, 2**63),
        "detail": VALUES,
        "label": VALUES,
        "seq": st.integers(0, 9),
    },
)


def _commit(
    events: list[dict[str, Any]], run_id: str, bits: int, block_items: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    committer = Committer(run_id, bits, block_items)
    blocks = [committer.append(item_bytes(event)) for event in events]
    last, seal = committer.finish()
    return [block for block in [*blocks, last] if block is not None], seal


@given(st.lists(EVENTS, max_size=40), st.text(max_size=8), st.integers(1, 64), st.integers(1, 50))
@example([], "r", 16, 256)
@example([{"i": i} for i in range(5)], "r", 64, 5)
@example([{"i": i} for i in range(6)], "r", 1, 5)
def test_two_implementations_agree(
    events: list[dict[str, Any]], run_id: str, bits: int, block_items: int
) -> None:
    """Blocks and seal equal those of the second implementation for any events, widths and block sizes."""
    assert plain.commit(events, run_id, bits, block_items) == _commit(events, run_id, bits, block_items)


@given(st.lists(EVENTS, max_size=8), st.integers(1, 64), st.integers(1, 5))
def test_blocks_and_seal_are_messages(events: list[dict[str, Any]], bits: int, block_items: int) -> None:
    """What the committer returns can be read as what it says it is."""
    blocks, seal = _commit(events, "r", bits, block_items)
    assert [CommitmentBlock] * len(blocks) + [CommitmentSeal] == [
        type(parse_message(o)) for o in [*blocks, seal]
    ]


@given(st.lists(EVENTS, min_size=1, max_size=8), st.integers(0, 2**63), st.data())
def test_volatile_members_do_not_count(events: list[dict[str, Any]], value: int, data: st.DataObject) -> None:
    """Adding or changing one of the four volatile members of an event changes no block and no seal."""
    changed = [dict(event) for event in events]
    name = data.draw(st.sampled_from(["timestamp", "duration_ns", "detail", "label"]))
    data.draw(st.sampled_from(changed))[name] = value % 2**53 if name in ("detail", "label") else value
    assert _commit(events, "r", 16, 4) == _commit(changed, "r", 16, 4)


def test_only_an_events_own_members_are_volatile() -> None:
    """A timestamp inside another member is committed to."""
    assert b'{"a":{"label":"b","timestamp":1763712345678901234}}' == item_bytes(
        {"timestamp": 1, "label": "x", "a": {"timestamp": 1_763_712_345_678_901_234, "label": "b"}}
    )


@given(st.lists(EVENTS, min_size=1, max_size=12), st.data())
def test_every_item_counts(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """A changed, missing, repeated or moved item changes chain and root."""
    position = data.draw(st.integers(0, len(events) - 1))
    distinct = [{**event, "n": n} for n, event in enumerate(events)]
    altered = [
        [*distinct[:position], {**distinct[position], "n": -1}, *distinct[position + 1 :]],
        distinct[:position] + distinct[position + 1 :],
        [*distinct[: position + 1], *distinct[position:]],
        *([[distinct[-1], *distinct[:-1]]] if len(distinct) > 1 else []),
    ]
    seal = _commit(distinct, "r", 16, 4)[1]
    for other in altered:
        found = _commit(other, "r", 16, 4)[1]
        assert seal["root"] != found["root"]
        assert seal["chain"] != found["chain"]


def test_run_and_parameters_are_bound() -> None:
    """The same items under another run_id, width or block size have another chain and the same root."""
    chains, roots = set(), set()
    for run_id, bits, block_items in (("r", 16, 4), ("s", 16, 4), ("r", 17, 4), ("r", 16, 5)):
        seal = _commit([{"a": 1}], run_id, bits, block_items)[1]
        chains.add(seal["chain"])
        roots.add(seal["root"])
    assert (4, 1) == (len(chains), len(roots))


def test_nothing_is_sealed_too() -> None:
    """Zero items: no blocks, the chain's start, the hash of nothing."""
    blocks, seal = _commit([], "r", 16, 256)
    start = hashlib.sha256(b'proofrail/commitment/v1\n{"bits":16,"block_items":256,"run_id":"r"}')
    assert [] == blocks
    assert {
        "v": 1,
        "type": "CommitmentSeal",
        "run_id": "r",
        "items": 0,
        "blocks": 0,
        "bits": 16,
        "block_items": 256,
        "chain": start.hexdigest(),
        "root": hashlib.sha256(b"").hexdigest(),
    } == seal


@given(st.integers(1, 64), st.data())
def test_packed_values_unpack(bits: int, data: st.DataObject) -> None:
    """Packing and unpacking are inverse, and the length is the least whole number of bytes."""
    values = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=40))
    packed = pack(values, bits)
    assert -(-len(values) * bits // 8) == len(packed)
    assert values == unpack(packed, bits, len(values))


@pytest.mark.parametrize(
    ("data", "bits", "count"),
    [
        ("01", 3, 3),
        ("0100", 3, 2),
        ("80", 7, 1),
        ("ff", 1, 7),
        ("", 1, 1),
        ("00", 1, 0),
        ("00", 65, 1),
        ("", 8, -1),
    ],
)
def test_a_block_of_another_length_does_not_unpack(data: str, bits: int, count: int) -> None:
    """Too short, too long, and padding that is not zero are refused."""
    with pytest.raises(ValueError, match=r"do not hold|padding bit|1 to 64 bits"):
        unpack(bytes.fromhex(data), bits, count)


@pytest.mark.parametrize(("bits", "block_items"), [(0, 1), (65, 1), (-1, 1), (1, 0), (1, -1)])
def test_parameters_out_of_range_are_refused(bits: int, block_items: int) -> None:
    """Widths are 1 … 64, blocks hold at least one item."""
    with pytest.raises(ValueError, match=r"1 to 64 bits|at least 1 item"):
        Committer("r", bits, block_items)


def test_a_value_that_does_not_fit_is_not_packed() -> None:
    """Truncation is the committer's business, never the packer's."""
    with pytest.raises(ValueError, match="does not fit"):
        pack([8], 3)


def test_an_event_without_canonical_form_is_no_item() -> None:
    """What section 2 calls malformed cannot be committed to."""
    with pytest.raises(MalformedError, match="malformed-float"):
        item_bytes({"a": 0.5})


@given(st.binary(max_size=300), st.integers(1, 70))
def test_chunk_roots_are_tree_hashes_of_chunks(data: bytes, size: int) -> None:
    """The root of a StepBlock or MemoryBlock is the RFC 6962 tree hash over its chunks."""
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert plain.tree_hash(chunks) == chunk_root(data, size) == _native.chunk_root(data, size)


def test_a_chunk_has_a_size() -> None:
    """Zero is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least 1 byte"):
        chunk_root(b"x", 0)
    with pytest.raises(_native.NativeError, match="at least 1 byte"):
        _native.chunk_root(b"x", 0)
