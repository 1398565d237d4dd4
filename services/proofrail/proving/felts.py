"""Compares what a proof states, felt by felt."""

from __future__ import annotations

from itertools import zip_longest

from proofrail.proving.errors import RefusedProof
from proofrail.wire.canonical import felt_hex


def same_felts(code: str, what: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises RefusedProof `code` with the first felt that differs; `what` names one of them in words."""
    if found == expected:
        return
    for index, (left, right) in enumerate(zip_longest(found, expected)):
        if left != right:
            raise RefusedProof(
                code,
                f"{what} {index} is {_shown(left)} in the proof, {_shown(right)} was expected",
                index=index,
                proven=_shown(left),
                expected=_shown(right),
            )


def _shown(felt: int | None) -> str:
    return "missing" if felt is None else felt_hex(felt)
