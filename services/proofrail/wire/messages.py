"""The messages beside trace events (design section 5, "Commitment" and "Other messages"; section 6,
"Attestation").

`statement`, `parameters`, `timings` and `identities` of a Proof are objects whose members the backends
define.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import ProofrailError
from proofrail.wire.events import EVENT_TYPES, Name, Program
from proofrail.wire.model import (
    Absent,
    AllocationId,
    Count,
    Felt,
    Hash,
    HexBytes,
    Message,
    Nanoseconds,
    Part,
    ProtocolName,
    RunId,
    Signature,
    Within,
    read_as,
)

MAX_DEAD_LETTER_VALUE: Final = 48 * 1024
"""Most hex characters of a dead letter's `value`: its first 24 KiB."""

# Characters, each at most six bytes once escaped: with the value they stay below a line's limit.
_MAX_DEAD_LETTER_KEY: Final = 1024
_MAX_DEAD_LETTER_MESSAGE: Final = 1024

MAX_CHAIN_ROWS: Final = 2**16
"""Most rows of a chain-build run."""

REASONS: Final = {
    1: "RISK_MISMATCH",
    2: "OVER_MAX_SINGLE",
    4: "UNDER_DIVERSIFIED",
    8: "OVER_DEVIATION",
    16: "OVER_VOLATILITY",
    32: "UNDER_LIQUIDITY",
}
"""The reasons to reject, by their bit in a verdict."""

ReasonName = Literal[
    "RISK_MISMATCH",
    "OVER_MAX_SINGLE",
    "UNDER_DIVERSIFIED",
    "OVER_DEVIATION",
    "OVER_VOLATILITY",
    "UNDER_LIQUIDITY",
]


def reason_names(verdict: int) -> list[str]:
    """The reasons in a verdict, in the order of their bits. Raises ValueError for a verdict outside 0 …
    63."""
    if not 0 <= verdict <= sum(REASONS):
        raise ValueError(f"{verdict} is not a verdict: it is a sum of {sorted(REASONS)}")
    return [name for bit, name in REASONS.items() if verdict & bit]


class Input(Message):
    """One input of a run, in the normal form it was run with."""

    type: Literal["Input"] = "Input"
    run_id: RunId
    index: Count
    input: dict[str, Any]


class CommitmentBlock(Message):
    """The packed commitment of consecutive items."""

    type: Literal["CommitmentBlock"] = "CommitmentBlock"
    run_id: RunId
    block: Count
    first_item: Count
    items: Annotated[int, Within(1, 2**53 - 1)]
    bits: Annotated[int, Within(1, 64)]
    packed: HexBytes
    chain: Hash
    """The chain after the block's last item."""


class CommitmentSeal(Message):
    """The run's final commitment. The members after `root` are there when the run is known, not only its
    events."""

    type: Literal["CommitmentSeal"] = "CommitmentSeal"
    run_id: RunId
    items: Count
    blocks: Count
    bits: Annotated[int, Within(1, 64)]
    block_items: Annotated[int, Within(1, 2**53 - 1)]
    chain: Hash
    root: Hash
    program: Annotated[Program | None, Absent] = None
    layout: Annotated[Name | None, Absent] = None
    spans: Annotated[Literal["own", "all"] | None, Absent] = None
    inputs_count: Annotated[Count | None, Absent] = None
    inputs_sha256: Annotated[Hash | None, Absent] = None
    outcome: Annotated[Literal["completed", "failed"] | None, Absent] = None
    n_steps: Annotated[Count | None, Absent] = None
    output_count: Annotated[Count | None, Absent] = None
    output_sha256: Annotated[Hash | None, Absent] = None
    checkpoint: Annotated[str | None, Absent] = None
    """A C2SP signed note over size and root, origin `proofrail/<run_id>`."""


class ProvenProgram(Part):
    """What of a proven program its words do not tell."""

    language: Name
    """`cairo0`"""
    artifact_sha256: Hash
    compiler_version: Annotated[Name | None, Absent] = None


class ProofEvidence(Part):
    """The prover's word on how it came to a proof. No proof tells any of it, and nothing rests on it."""

    verified: bool
    """Whether a verifier of its own accepted the proof before it was published."""
    verifier: Annotated[Name | None, Absent] = None
    n_steps: Count
    """Steps of the proven run, unpadded."""
    peak_memory_bytes: Count
    network: Annotated[Name | None, Absent] = None
    """The network that the proof is meant for, and the registry's address there."""
    registry: Annotated[Felt | None, Absent] = None


class Proof(Message):
    """A run was proven: what was proven, how, and where the proof lies."""

    type: Literal["Proof"] = "Proof"
    run_id: RunId
    backend: Name
    backend_version: Name
    method: Name
    is_mock: bool
    statement: dict[str, Any]
    parameters: dict[str, Any]
    security_bits: Count
    digest: Hash
    """SHA-256 of the proof's bytes in the artifact store."""
    size: Count
    """The proof's length in bytes."""
    uri: Name
    has_annotations: Annotated[bool | None, Absent] = None
    """Whether the kept bytes hold more than the proof, such as a verifier's annotations."""
    identities: dict[str, Any]
    timings: dict[str, Any]
    root: Annotated[Hash | None, Absent] = None
    """The root of the run's seal, which binds its trace."""
    attempt: Annotated[Count | None, Absent] = None
    """Which attempt at the run's proof this was, from 1."""
    program: Annotated[ProvenProgram | None, Absent] = None
    evidence: Annotated[ProofEvidence | None, Absent] = None


class ProofFailure(Message):
    """A run was not proven. With `final` it never will be: the terminal record of the run."""

    type: Literal["ProofFailure"] = "ProofFailure"
    run_id: RunId
    backend: Name
    code: Name
    message: str
    final: bool
    attempts: Count


class FirstMismatch(Part):
    """The first thing that differs: `expected` is recomputed, `claimed` is what was published."""

    kind: Name
    """version, program, layout, proposal, length, type, seq, …, packed, chain, root, signature, proof …"""
    item: Annotated[Count | None, Absent] = None
    """The item's position, from 0."""
    block: Annotated[Count | None, Absent] = None
    where: Annotated[Name | None, Absent] = None
    """In which of the published parts: commitments, input, event, trace, memory, block, seal, checkpoint …"""
    line: Annotated[Count | None, Absent] = None
    """The line in that part, from 1."""
    path: Annotated[str | None, Absent] = None
    """The path of the span the item belongs to."""
    member: Annotated[str | None, Absent] = None
    pointer: Annotated[str | None, Absent] = None
    """RFC 6901: the innermost value of the line that differs."""
    code: Annotated[Name | None, Absent] = None
    """More of the kind: how a line is malformed, what is wrong with a checkpoint."""
    expected: Annotated[Any, Absent] = None
    claimed: Annotated[Any, Absent] = None
    step: Annotated[Count | None, Absent] = None
    cell: Annotated[Count | None, Absent] = None
    """The position in memory.bin, from 0, of the memory cell that differs."""
    address: Annotated[Count | Felt | None, Absent] = None
    """Its address; "0x…" beyond 2^53−1, which only a claimed cell can have."""
    segment: Annotated[Name | None, Absent] = None
    """The memory segment of the address: program, execution, a builtin's name, or allocated."""
    pc: Annotated[Count | None, Absent] = None
    ap: Annotated[Count | None, Absent] = None
    fp: Annotated[Count | None, Absent] = None
    source: Annotated[str | None, Absent] = None
    """The Cairo source line, as file:line."""
    function: Annotated[str | None, Absent] = None
    """The Cairo function, by its full name."""
    instruction: Annotated[str | None, Absent] = None
    """What the step executes, as Cairo assembly."""
    message: Annotated[str | None, Absent] = None


class Evidence(Part):
    """Where what proves the mismatch to a third party lies in the artifact store."""

    digest: Hash
    uri: Name


class Unchecked(Part):
    """A part that could not be checked: what is missing and why."""

    part: Name
    code: Annotated[Name | None, Absent] = None
    message: str
    until: Annotated[str | None, Absent] = None
    """Until when the auditor waits for it, RFC 3339 in UTC; absent when waiting is of no use."""


class AuditReport(Message):
    """The auditor's verdict on a run or on its proof."""

    type: Literal["AuditReport"] = "AuditReport"
    run_id: RunId
    subject: Literal["run", "proof"]
    verdict: Literal["MATCH", "MISMATCH", "INDETERMINATE"]
    first_mismatch: Annotated[FirstMismatch | None, Absent] = None
    evidence: Annotated[Evidence | None, Absent] = None
    checked: list[str]
    unchecked: list[Unchecked]
    signature: Annotated[Signature | None, Absent] = None
    """Absent only from reports made on the command line without a key."""

    @model_validator(mode="after")
    def _verdict_is_founded(self) -> Self:
        if self.verdict != "INDETERMINATE" and (self.verdict == "MISMATCH") != (
            self.first_mismatch is not None
        ):
            raise PydanticCustomError(
                "inconsistent",
                "must be there with MISMATCH and must not be there with MATCH",
                {"member": "first_mismatch"},
            )
        if self.verdict == "INDETERMINATE" and not self.unchecked:
            raise PydanticCustomError(
                "inconsistent", "must say what an INDETERMINATE lacks", {"member": "unchecked"}
            )
        return self


class DeadLetter(Message):
    """A record that was refused, with the coordinates of the culprit."""

    type: Literal["DeadLetter"] = "DeadLetter"
    topic: Name
    partition: Count
    offset: Count
    key: Annotated[str | None, Absent] = None
    """The record's key as text, bytes that are not UTF-8 as U+FFFD; absent when it had none."""
    code: Name
    message: str
    value: Annotated[HexBytes, Field(max_length=MAX_DEAD_LETTER_VALUE)]
    """The first 24 KiB of the record's value."""
    size: Annotated[Count | None, Absent] = None
    """The length of the record's value in bytes, where `value` holds only its beginning."""
    attempts: Count

    @classmethod
    def of(
        cls,
        error: ProofrailError,
        *,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        attempts: int,
    ) -> DeadLetter:
        """The dead letter of a record refused with `error`, cut so that it always fits one line."""
        held = value or b""
        kept = held[: MAX_DEAD_LETTER_VALUE // 2]
        return cls(
            topic=topic,
            partition=partition,
            offset=offset,
            key=None if key is None else key[:_MAX_DEAD_LETTER_KEY].decode(errors="replace"),
            code=error.code,
            message=error.message[:_MAX_DEAD_LETTER_MESSAGE],
            value=kept.hex(),
            size=len(held) if len(kept) < len(held) else None,
            attempts=attempts,
        )


class IndexEntry(Message):
    """An allocation's first proposal and the run that decides it."""

    type: Literal["AllocationIndex"] = "AllocationIndex"
    allocation_id: AllocationId
    proposal_sha256: Hash
    """SHA-256 of the canonical normal form."""
    run_id: RunId
    row: Count
    """The allocation's position in the run's batch."""
    topic: Name
    partition: Count
    offset: Count
    dead_letter: Annotated[Name | None, Absent] = None
    """The code under which the proposal was dead-lettered after its run could not be proven."""
    attempts: Annotated[Count | None, Absent] = None
    """How often it was tried before this run, for one that was published again after it was dead-lettered."""


class AttestedProof(Part):
    """The proof an attestation rests on. Never a mock."""

    digest: Hash
    uri: Name
    backend: Name
    security_bits: Count
    is_mock: Literal[False]


class AttestedAudit(Part):
    """The reports an attestation rests on: SHA-256 of each report's canonical form, signature included."""

    run_report: Hash
    proof_report: Hash


class ChainPlace(Part):
    """Where the row of a chain-build run stands under the root that the run outputs: with the decision in the
    attestation, all that a contract needs to check it against a verified fact."""

    program_hash: Felt
    count: Annotated[int, Within(1, MAX_CHAIN_ROWS)]
    """Rows of the run."""
    root: Felt
    """Of the tree over the rows, the output's last felt."""
    index: Count
    """The attestation's `row`."""
    inputs_hash: Felt
    """Of the row: what the decision was made on."""
    path: Annotated[list[Felt], Field(max_length=(MAX_CHAIN_ROWS - 1).bit_length())]
    """The nodes beside the way from the leaf to the root, from below."""


class Attestation(Message):
    """The final word on one allocation: decided, proven and audited."""

    type: Literal["Attestation"] = "Attestation"
    allocation_id: AllocationId
    proposal_sha256: Hash
    approved: bool
    verdict: Annotated[int, Within(0, sum(REASONS))]
    """Sum of the reasons to reject; 0 is approved."""
    reasons: list[ReasonName]
    protocols: Annotated[list[ProtocolName], Field(min_length=2, max_length=8)]
    risks: list[Annotated[int, Within(0, 100)]]
    recommended_bps: list[Annotated[int, Within(0, 10_000)]]
    proposed_bps: list[Annotated[int, Within(0, 10_000)]]
    run_id: RunId
    row: Count
    root: Hash
    proof: AttestedProof
    audit: AttestedAudit
    chain: Annotated[ChainPlace | None, Absent] = None
    """There exactly when the run is one of the chain build."""
    timestamp: Nanoseconds
    signature: Annotated[Signature | None, Absent] = None
    """Absent only before signing."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.approved != (self.verdict == 0):
            raise PydanticCustomError(
                "inconsistent", "must be true exactly when verdict is 0", {"member": "approved"}
            )
        if list(self.reasons) != reason_names(self.verdict):
            raise PydanticCustomError(
                "inconsistent", "must be the names of the verdict's bits", {"member": "reasons"}
            )
        for member in ("risks", "recommended_bps", "proposed_bps"):
            if len(getattr(self, member)) != len(self.protocols):
                raise PydanticCustomError(
                    "inconsistent", "must have one element for each protocol", {"member": member}
                )
        if self.chain is not None and self.chain.index != self.row:
            raise PydanticCustomError("inconsistent", "must be the row", {"member": "chain.index"})
        return self


class LedgerName(Part):
    """The ledger in which a decision was recorded, or not."""

    kind: Name
    """`file`, `starknet`"""
    network: Annotated[Name | None, Absent] = None
    """Of a chain, such as SN_SEPOLIA."""
    contract: Annotated[Felt | None, Absent] = None
    """The address of the contract that records decisions there."""


class RegisteredFact(Part):
    """The fact on which a recorded decision rests: that the program can output this."""

    fact_hash: Felt
    preset: Annotated[Name | None, Absent] = None
    """The registry's settings that the proof fits, where it fits any."""
    verification_hash: Annotated[Felt | None, Absent] = None
    transaction: Annotated[Felt | None, Absent] = None
    """The registrar's transaction that registered it; absent when somebody else's did, or where there are none."""


class Registration(Message):
    """What a registrar made of an attestation: recorded in its ledger, or refused."""

    type: Literal["Registration"] = "Registration"
    allocation_id: AllocationId
    proposal_sha256: Hash
    attestation: Hash
    """SHA-256 of the attestation's canonical form, signature included."""
    run_id: RunId
    row: Count
    approved: bool
    proof: Hash
    """The digest of the proof in the artifact store."""
    ledger: LedgerName
    outcome: Literal["recorded", "refused"]
    fact: Annotated[RegisteredFact | None, Absent] = None
    """There when it was recorded."""
    transaction: Annotated[Felt | None, Absent] = None
    """The registrar's transaction that recorded it; absent when somebody else's did, or where there are none."""
    replaces: Annotated[Felt | None, Absent] = None
    """The transaction that an earlier registration rested on, and that the ledger has taken back since."""
    code: Annotated[Name | None, Absent] = None
    """Why it was refused."""
    message: Annotated[str | None, Absent] = None
    timestamp: Nanoseconds

    @model_validator(mode="after")
    def _outcome_is_founded(self) -> Self:
        for member, outcome in (("fact", "recorded"), ("code", "refused"), ("message", "refused")):
            if (getattr(self, member) is not None) != (self.outcome == outcome):
                raise PydanticCustomError(
                    "inconsistent", "must be there exactly with its outcome", {"member": member}
                )
        return self


MESSAGE_TYPES: Final[dict[str, type[Message]]] = {
    model.model_fields["type"].default: model
    for model in (
        Input,
        CommitmentBlock,
        CommitmentSeal,
        Proof,
        ProofFailure,
        AuditReport,
        DeadLetter,
        IndexEntry,
        Attestation,
        Registration,
    )
}
"""The messages of this module by type."""


def to_line(message: Message) -> bytes:
    """The message as a line in canonical form, without a line feed."""
    return canonical(message.to_object())


def parse_message(line: bytes | dict[str, Any]) -> Message:
    """The message of a line, or of an object already read from one: any type of this module or of `events`.

    Raises MalformedError as `parse_event` does.
    """
    obj = parse_object(line) if isinstance(line, bytes) else line
    found: Message = read_as({**MESSAGE_TYPES, **EVENT_TYPES}, obj, "message")
    return found
