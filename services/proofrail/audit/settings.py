"""Which settings a claimed run was made with, found from its run_id.

A run_id is a hash over program, layout, spans, inputs and commitment settings (design section 5), so it
tells which of several contradicting claims is the original: when the seal says one layout and TraceStart
another, only one of them gives the run_id that all lines carry.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final, TypeVar

from proofrail.cairo.trace import RunSpec
from proofrail.commitment.blocks import MAX_BITS
from proofrail.commitment.runid import run_id as compute_run_id
from proofrail.commitment.runid import run_ids

T = TypeVar("T")

LAYOUTS: Final = (
    "plain",
    "small",
    "dex",
    "recursive",
    "starknet",
    "recursive_large_output",
    "recursive_with_poseidon",
    "all_solidity",
    "all_cairo",
    "all_cairo_stwo",
    "starknet_with_keccak",
)
SPANS: Final = ("own", "all")

_MOST_CHOICES: Final = 12
"""Candidates of one setting: more than the layouts, few enough that hostile claims cost little."""

_MOST_LINES: Final = 16
"""Blocks whose claims are taken into account."""

_MAX_BLOCK_ITEMS: Final = 1 << 20
"""Blocks of more items would not fit one line."""

_USUAL_ITEMS: Final = (*range(1, 257), *(1 << power for power in range(9, 21)))
"""With all bits some 17,000 packings: hundredths of a second."""

_RUN_ID: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class RunPolicy:
    """What an auditor accepts as settings of a run; None accepts any that the run is consistent with.

    Services set all of them: a whole run of someone else, consistent in itself, must not pass for one of
    ours. `max_steps` is the tracer's step limit.
    """

    layout: str | None = None
    spans: str | None = None
    bits: int | None = None
    block_items: int | None = None
    max_steps: int | None = None

    @classmethod
    def of(cls, spec: RunSpec) -> RunPolicy:
        """Runs made as `spec` says, and no others."""
        return cls(spec.layout, spec.spans, spec.bits, spec.block_items, spec.max_steps)


@dataclass(frozen=True)
class Settings:
    """The settings to re-execute with; `anchored` when they give a run_id that the claims carry."""

    layout: str
    spans: str
    bits: int
    block_items: int
    anchored: bool
    inputs_sha256: str


def resolve(
    *,
    method_id: str,
    artifact_sha256: str,
    inputs_sha256: str,
    seal: Mapping[str, Any],
    start: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    policy: RunPolicy,
) -> Settings:
    """Settings from a seal, a TraceStart and further claimed lines (any of them empty).

    The candidate values are those claimed, then the defaults; the combination wins whose run_id most lines
    carry, so that a line put in from another run does not speak for all (of two with as many lines, that of the
    Input lines). If none does, bits and block_items are sought among the usual ones, for a single line may be all
    that tells them; and if those do not give a claimed run_id either, the seal's claims stand as they are, and the
    run_id will be found to differ.
    """
    commitment = start.get("commitment")
    nested = commitment if isinstance(commitment, Mapping) else {}
    blocks = lines[:_MOST_LINES]
    carried = Counter(value for line in (seal, start, *lines) if isinstance(value := line.get("run_id"), str))
    most = (max(carried.values(), default=0), True)
    candidates = (
        Settings(layout, span, bit, items, True, digest)
        for layout in _choices(policy.layout, _texts(seal, start, "layout", LAYOUTS), ("small", *LAYOUTS))
        for span in _choices(policy.spans, _texts(seal, start, "spans", SPANS), SPANS)
        for bit in _choices(policy.bits, _numbers((seal, nested, *blocks), "bits", MAX_BITS), (16,))
        for items in _choices(
            policy.block_items,
            # A full block tells how many items a block has.
            chain(
                _numbers((seal, nested), "block_items", _MAX_BLOCK_ITEMS),
                _numbers(blocks, "items", _MAX_BLOCK_ITEMS),
            ),
            (256,),
        )
        for digest in dict.fromkeys([inputs_sha256, *_digests(seal, start)])
    )

    def run_id(settings: Settings) -> str:
        return compute_run_id(
            artifact_sha256=artifact_sha256,
            method_id=method_id,
            layout=settings.layout,
            spans=settings.spans,
            inputs_sha256=settings.inputs_sha256,
            bits=settings.bits,
            block_items=settings.block_items,
        )

    first: Settings | None = None
    best: Settings | None = None
    votes = (0, False)
    for settings in candidates:
        first = first or settings
        count = carried[run_id(settings)]
        if count and (weight := (count, settings.inputs_sha256 == inputs_sha256)) > votes:
            best, votes = settings, weight
            if votes == most:
                break
    if best is not None:
        return best
    assert first is not None  # noqa: S101 - every setting has a default
    if any(_RUN_ID.fullmatch(claimed) for claimed in carried):
        found = run_ids(
            artifact_sha256=artifact_sha256,
            method_id=method_id,
            layout=first.layout,
            spans=first.spans,
            inputs_sha256=inputs_sha256,
            packings=_usual_packings(policy),
        )
        for bits, block_items, name in found:
            if carried[name]:
                return replace(first, bits=bits, block_items=block_items, inputs_sha256=inputs_sha256)
    return replace(first, anchored=False, inputs_sha256=inputs_sha256)


def _usual_packings(policy: RunPolicy) -> Iterator[tuple[int, int]]:
    for block_items in [policy.block_items] if policy.block_items is not None else _USUAL_ITEMS:
        for bits in [policy.bits] if policy.bits is not None else range(1, MAX_BITS + 1):
            yield bits, block_items


def _choices(fixed: T | None, claimed: Iterator[T], defaults: Sequence[T]) -> list[T]:
    return [fixed] if fixed is not None else list(dict.fromkeys([*claimed, *defaults]))[:_MOST_CHOICES]


def _digests(seal: Mapping[str, Any], start: Mapping[str, Any]) -> Iterator[str]:
    for source in (seal, start):
        value = source.get("inputs_sha256")
        if isinstance(value, str) and len(value) == 64 and value.isascii():
            yield value


def _texts(
    seal: Mapping[str, Any], start: Mapping[str, Any], name: str, known: tuple[str, ...]
) -> Iterator[str]:
    for source in (seal, start):
        value = source.get(name)
        if isinstance(value, str) and value in known:
            yield value


def _numbers(sources: Sequence[Mapping[str, Any]], name: str, most: int) -> Iterator[int]:
    for source in sources:
        value = source.get(name)
        if type(value) is int and 1 <= value <= most:
            yield value
