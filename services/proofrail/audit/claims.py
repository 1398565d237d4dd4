"""What a tracer claims about a run in its commitment lines: inputs, blocks, seal, and what cannot be read
of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError


@dataclass(frozen=True)
class ClaimedLine:
    """One commitment line and where it stood (1-based)."""

    number: int
    members: dict[str, Any]


@dataclass(frozen=True)
class MalformedLine:
    """A line that breaks the wire format; `line` is empty when its bytes could not be had."""

    number: int
    error: MalformedError
    line: bytes


@dataclass
class Claims:
    """The commitment lines of one run, sorted by type and in the order published.

    `misplaced` are lines that have no place among commitments: of another type, or after the seal.
    """

    inputs: list[ClaimedLine] = field(default_factory=list)
    blocks: list[ClaimedLine] = field(default_factory=list)
    seals: list[ClaimedLine] = field(default_factory=list)
    misplaced: list[ClaimedLine] = field(default_factory=list)
    malformed: list[MalformedLine] = field(default_factory=list)
    lines: int = 0

    @property
    def seal(self) -> ClaimedLine | None:
        return self.seals[0] if self.seals else None

    def in_order(self) -> list[ClaimedLine]:
        return sorted(
            [*self.inputs, *self.blocks, *self.seals, *self.misplaced], key=lambda line: line.number
        )


def read_claims(lines: Iterable[bytes]) -> Claims:
    """Sort a run's commitment lines. Lines that cannot be read are kept as findings, never raised."""
    claims = Claims()
    source = iter(lines)
    number = 0
    while True:
        number += 1
        line = b""
        try:
            line = next(source)
            members = parse_object(line)
        except StopIteration:
            break
        except MalformedError as error:
            claims.malformed.append(MalformedLine(number, error, line))
            if error.code == "line-too-long":  # the rest of the stream cannot be framed
                break
            continue
        _file(claims, ClaimedLine(number, members))
    claims.lines = number - 1
    return claims


def _file(claims: Claims, line: ClaimedLine) -> None:
    kind = line.members.get("type")
    if claims.seals and kind != "CommitmentSeal":
        claims.misplaced.append(line)
    elif kind == "Input" and not claims.blocks:
        claims.inputs.append(line)
    elif kind == "CommitmentBlock":
        claims.blocks.append(line)
    elif kind == "CommitmentSeal" and not claims.seals:
        claims.seals.append(line)
    else:
        claims.misplaced.append(line)
