"""An allocation's page: decision, history, attestation, registrations."""

from __future__ import annotations

from typing import Literal

from proofrail.explorer.model.audit import Signed
from proofrail.explorer.model.base import Fact, NamedHash, Part, Place
from proofrail.explorer.model.rows import AllocationRow, Phase, Share


class Reason(Part):
    """A reason to reject."""

    name: str
    text: str
    """In a sentence."""
    detail: str | None
    """The numbers, such as `ekubo: 75 % of at most 60 %`; null where the proposal is not at hand."""


class Happening(Part):
    """One thing that happened to an allocation."""

    at_ms: int
    kind: Literal[
        "proposed",
        "repeated",
        "dead-letter",
        "run",
        "proof",
        "proof-failure",
        "report",
        "attested",
        "recorded",
        "refused",
    ]
    text: str
    code: str | None
    run_id: str | None
    place: Place


class RegistrationCard(Part):
    """What a registrar said."""

    at_ms: int
    ledger: str
    """`file`, or kind and network."""
    contract: str | None
    outcome: Literal["recorded", "refused"]
    transaction: str | None
    replaces: str | None
    """The transaction that an earlier registration rested on, and that the ledger has taken back."""
    taken_back: bool
    """Whether a later registration stands in place of this one, because the ledger has taken it back."""
    fact_hash: str | None
    verification_hash: str | None
    preset: str | None
    code: str | None
    message: str | None
    place: Place


class AttestationCard(Part):
    """The final word on an allocation."""

    at_ms: int
    digest: str
    """SHA-256 of its canonical form, by which registrations name it."""
    approved: bool
    signed: Signed
    hashes: tuple[NamedHash, ...]
    """attestation, proposal, proof, root, reports."""
    download: str
    """Path of the line, as published."""
    place: Place


class AllocationPage(Part):
    """Everything on one allocation."""

    row: AllocationRow
    shares: tuple[Share, ...]
    limits: tuple[Fact, ...]
    """As proposed, defaults filled in."""
    reasons: tuple[Reason, ...]
    proposal_sha256: str | None
    proposal: str | None
    """Its text as published (the beginning of it, where it is long)."""
    attestation: AttestationCard | None
    registrations: tuple[RegistrationCard, ...]
    phases: tuple[Phase, ...]
    history: tuple[Happening, ...]
    """In order of time; every run that took it, every attempt and its reason."""
