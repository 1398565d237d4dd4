"""What a registrar registers, and where: the interface of all ledgers.

A ledger holds facts (this program can output this, verified so well) and decisions, each of which stands there once.
Every call may be repeated: what is there already is found, and said to be there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from proofrail.cairo import risk_rows
from proofrail.cairo.risk_program import SCHEMA, Row, allocation_felt, decode_output
from proofrail.cairo.row_path import RowPath, check_row_path
from proofrail.proving import identities
from proofrail.proving.stone.presets import Preset
from proofrail.wire.errors import PoisonError, ProofrailError, UnusableInputError


class RefusedEntry(PoisonError):  # noqa: N818 -- a verdict, not a defect
    """The ledger refuses this fact or decision, today and tomorrow."""


class LedgerMisconfigured(UnusableInputError):  # noqa: N818 -- a finding, not a defect
    """The ledger would refuse everything as it is set up: nothing may be given up for that, and nothing sent."""


@dataclass(frozen=True)
class Fact:
    """That a program can output something, by a proof that lies in the artifact store."""

    program_hash: int
    output: tuple[int, ...]
    preset: Preset | None
    """Of the registry on chain, where that could verify the proof."""
    bits: int
    """Security as the ledger counts it: the registry on chain that of queries and proof of work, others the proof's."""
    digest: str
    """Of the proof in the artifact store."""

    @cached_property
    def fact_hash(self) -> int:
        return identities.fact_hash(self.program_hash, identities.output_hash(self.output))

    @property
    def of_chain_build(self) -> bool:
        return self.output[:1] != (SCHEMA,)


@dataclass(frozen=True)
class Decision:
    """One row of a fact. `place.path` is empty where the output holds the rows themselves."""

    allocation_id: str
    fact: Fact
    place: RowPath

    @property
    def id(self) -> int:
        return self.place.row[0]

    @cached_property
    def leaf(self) -> int:
        """The row in one felt, whichever build it is of."""
        return risk_rows.leaf(self.place.row)

    @cached_property
    def checked(self) -> Row:
        """The row, if it stands where it is said to stand and is of this allocation. Raises PoisonError
        `risk-output-malformed`, `row-path-malformed`, `row-path-wrong`; RefusedEntry `ledger-row`."""
        if self.fact.of_chain_build:
            row = check_row_path(self.place, self.fact.output)
        else:
            rows, index = decode_output(self.fact.output), self.place.index
            if not 0 <= index < len(rows) or felts_of(row := rows[index]) != self.place.row:
                raise RefusedEntry(
                    "ledger-row", f"row {self.place.index} of the output is not the one to be recorded"
                )
        if row.id != allocation_felt(self.allocation_id):
            raise RefusedEntry("ledger-row", f"the row is not of allocation {self.allocation_id}")
        return row


def other_decision(decision: Decision) -> RefusedEntry:
    """What stands there stays: an allocation is decided once."""
    return RefusedEntry(
        "ledger-other-decision",
        f"another decision is recorded for allocation {decision.allocation_id}",
        "Somebody has to find out why it was decided twice; what is recorded stays",
    )


def felts_of(row: Row) -> tuple[int, ...]:
    """A row as the program outputs it."""
    shares = zip(row.risks, row.recommended_bps, row.proposed_bps, strict=True)
    head = (row.id, row.inputs_hash, row.model_version, row.verdict, len(row.risks))
    return (*head, *(felt for share in shares for felt in share))


@dataclass(frozen=True)
class Receipt:
    """That something stands in the ledger."""

    new: bool
    """Whether it was put there by this call."""
    transaction: str | None = None
    """The hash ("0x…") of our transaction that put it there, where the ledger has transactions; None where somebody
    else's did."""


Recorded = Receipt | ProofrailError
"""A decision's receipt, or why this decision alone was refused."""


@dataclass(frozen=True)
class LedgerIdentity:
    """Which ledger it is. `network` and `contract` ("0x…") are None where it has none."""

    kind: str
    network: str | None = None
    contract: str | None = None


class Ledger(Protocol):
    """Where facts and decisions are registered. One caller at a time."""

    @property
    def identity(self) -> LedgerIdentity: ...

    @property
    def presets(self) -> Collection[str] | None:
        """Names of the registry's presets of which it takes proofs; None where it takes any proof."""

    async def open(self) -> None:
        """Make ready, and settle what a predecessor left open. Raises LedgerMisconfigured, TransientError."""

    async def close(self) -> None:
        """Give everything back; nothing is lost."""

    async def missing(self) -> str | None:
        """What is in the way of registering, or None. Answers quickly."""

    async def register(self, fact: Fact, proof: bytes) -> Receipt:
        """Have the fact verified and kept, unless it is already. Raises RefusedEntry, LedgerMisconfigured,
        TransientError."""

    async def record(self, decisions: Sequence[Decision]) -> list[Recorded]:
        """Record decisions of registered facts, each one for itself. Raises LedgerMisconfigured, TransientError
        (some may have been recorded)."""

    async def holds(self, fact: Fact) -> Receipt | None:
        """The fact's receipt, if it is registered well enough. Raises TransientError."""

    async def has(self, row: Sequence[int]) -> bool:
        """Whether this row is recorded: cheaper than examining it, of what is said to be recorded. May be called at the
        same time as anything else. Raises LedgerMisconfigured, TransientError."""

    async def taken_back(self) -> frozenset[str]:
        """Look again at what is not final: the hashes of our transactions that stood in the ledger once and stand there
        no longer. Raises LedgerMisconfigured, TransientError."""
