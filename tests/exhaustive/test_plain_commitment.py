"""Three implementations of the commitment agree on generated items: the plain one, which follows the text, the
Python one and the native one."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from collections import Counter

import pytest

from proofrail._native import Committer as NativeCommitter
from proofrail.commitment.blocks import Committer
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import parse_object
from tests.exhaustive.streams import stream
from tests.unit import plain_commitment

SAMPLE = 20_000
FULL = 2_000_000
FAMILY = "items committed to three times"


def _differing(number: int) -> tuple[int, str | None]:
    """The items of a stream, and which implementation disagrees with the plain one."""
    run_id, bits, block_items, lines = stream(number)
    blocks, seal = plain_commitment.commit([json.loads(line) for line in lines], run_id, bits, block_items)
    if [*blocks, seal] != _natively(run_id, bits, block_items, lines, number):
        return len(lines), f"stream {number}: the native committer"
    if [*blocks, seal] != _in_python(run_id, bits, block_items, lines):
        return len(lines), f"stream {number}: the Python committer"
    return len(lines), None


def _natively(run_id: str, bits: int, block_items: int, lines: list[bytes], number: int) -> list[object]:
    """Fed in pieces cut anywhere."""
    committer = NativeCommitter(run_id, bits, block_items)
    data, at = b"".join(line + b"\n" for line in lines), 0
    chosen = random.Random(number)  # noqa: S311 - no secret
    found: list[bytes] = []
    while at < len(data):
        size = chosen.choice((1, 7, 300, 65_536, 1 << 20))
        found += committer.feed(data[at : at + size])
        at += size
    return [json.loads(line) for line in [*found, *committer.finish()]]


def _in_python(run_id: str, bits: int, block_items: int, lines: list[bytes]) -> list[object]:
    committer = Committer(run_id, bits, block_items)
    blocks = [committer.append(item_bytes(parse_object(line))) for line in lines]
    last, seal = committer.finish()
    return [block for block in [*blocks, last] if block is not None] + [seal]


def test_a_sample_of_items_is_committed_to_alike(seed: int, tally: Counter[tuple[str, str]]) -> None:
    """Blocks and seal of the three are equal, whatever the items, their spelling, B and N."""
    number, items = seed * 1_000_000, 0
    while items < SAMPLE:
        count, differing = _differing(number)
        assert differing is None
        items, number = items + count, number + 1
    tally[FAMILY, "agree"] += items


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_millions_of_items_are_committed_to_alike(tally: Counter[tuple[str, str]]) -> None:
    """The same for two million items, in streams with numbers from 0 on."""
    items = 0
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for count, differing in pool.imap(_differing, range(10**6), chunksize=8):
            assert differing is None
            items += count
            if items >= FULL:
                break
    tally[FAMILY, "agree"] += items
