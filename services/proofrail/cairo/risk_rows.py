"""The chain build's rows, leaves and output in plain Python, independent of cairo/risk_engine_chain.cairo.

A row is that of the first build (design section 6) but for its inputs_hash, which takes fewer Pedersen instances:
numbers stand side by side in words. With h the Pedersen hash of two felts and chain(tag, x, …, y) =
h(…h(h(tag, x), …)…, y):

    inputs_hash = chain("proofrail/inputs/v1", id, then for every two protocols, or the last alone: word, name, name)
    leaf = chain("proofrail/row/v1", id, inputs_hash, then for every four protocols, or the last alone: word)

A word's numbers follow each other from the highest bits on, each in as many bits as its range needs. The first word
of each kind begins with what belongs to the whole allocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, TypeVar

from proofrail.cairo import merkle, risk_model
from proofrail.cairo.pedersen import pedersen_hash

_Item = TypeVar("_Item")

_SCHEMA: Final = 2
_INPUTS_TAG: Final = int.from_bytes(b"proofrail/inputs/v1", "big")
_ROW_TAG: Final = int.from_bytes(b"proofrail/row/v1", "big")

# Bits of each number. What stands first in a word needs no width: nothing is above it.
_N_AND_LIMITS: Final = (4, 14, 4, 14, 14, 2)
_PROTOCOL: Final = (17, 14, 1, 14, 14, 2, 7, 16, 1, 7)
_PROTOCOLS_A_WORD: Final = 2
_VERDICT_AND_N: Final = (6, 4)
_SHARE: Final = (7, 14, 14)
_SHARES_A_WORD: Final = 4

_LIMITS: Final = 5
_MEMBERS: Final = 11


def row(normal_form: Mapping[str, Any]) -> list[int]:
    """The row of a proposal in normal form. Raises InvalidProposalError `proposal-not-normal`."""
    decided = risk_model.decide(normal_form).row()
    return [decided[0], inputs_hash(normal_form), *decided[2:]]


def inputs_hash(normal_form: Mapping[str, Any]) -> int:
    """The chain build's hash of all inputs of a valid proposal in normal form."""
    identity, version, n, *rest = risk_model.hashed_inputs(normal_form)
    limits, members = rest[:_LIMITS], rest[_LIMITS:]
    protocols = _groups(members, _MEMBERS)
    above = _word(version, zip((n, *limits), _N_AND_LIMITS, strict=True))
    elements: list[int] = []
    for together in _groups(protocols, _PROTOCOLS_A_WORD):
        numbers = (pair for _, *told in together for pair in zip(told, _PROTOCOL, strict=True))
        elements += [_word(above, numbers), *(name for name, *_ in together)]
        above = 0
    return _chain(_INPUTS_TAG, [identity, *elements])


def leaf(row: Sequence[int]) -> int:
    """The leaf of a row whose members are in range (`risk_program.decode_row`)."""
    identity, hashed, version, verdict, n, *rest = row
    above = _word(version, zip((verdict, n), _VERDICT_AND_N, strict=True))
    words: list[int] = []
    for together in _groups(_groups(rest, len(_SHARE)), _SHARES_A_WORD):
        words.append(_word(above, (pair for share in together for pair in zip(share, _SHARE, strict=True))))
        above = 0
    return _chain(_ROW_TAG, [identity, hashed, *words])


def output(count: int, root: int) -> list[int]:
    """What the chain build outputs for a batch."""
    return [_SCHEMA, count, root]


def expected_output(normal_forms: Iterable[Mapping[str, Any]]) -> list[int]:
    """What the chain build outputs for proposals in normal form, at least one. Raises as `row`."""
    leaves = [leaf(row(form)) for form in normal_forms]
    return output(len(leaves), merkle.root(leaves))


def _chain(tag: int, elements: Iterable[int]) -> int:
    return reduce(pedersen_hash, elements, tag)


def _word(above: int, numbers: Iterable[tuple[int, int]]) -> int:
    return reduce(lambda word, number: word << number[1] | number[0], numbers, above)


def _groups(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
