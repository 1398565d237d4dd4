"""Proofrail for its neighbours: allocators, dashboards, registrars.

- `propose`: publish proposals and follow them to their end
- `subscribe`: attestations, proofs, reports, dead letters … as a stream of typed messages, from a durable position
- `check`, `ProofChecker`, `Trust`: whether an attestation, and the proof it rests on, may be acted on
- `Archive`: what an attestation rests on, found by digest
- `row_path`: the row of an attestation and its path to the root that was proven, as a contract takes them

Every error is a ProofrailError with a stable code; `proofrail explain CODE` says what to do. What is not listed in
`__all__` may change.
"""

from proofrail.cairo.row_path import RowPath
from proofrail.client.archive import Archive, Grounds
from proofrail.client.attestations import check, report_digest
from proofrail.client.errors import GroundsMissing, RefusedAttestation
from proofrail.client.logs import log_like_a_library
from proofrail.client.position import Place, Position, PositionFile, PositionStore
from proofrail.client.proofs import CheckedProof, ProofChecker
from proofrail.client.proposing import Proposed, propose
from proofrail.client.reading import Item, Unreadable, read_message
from proofrail.client.rows import row_path
from proofrail.client.settlement import Published, Settled
from proofrail.client.stream import Subscription, subscribe
from proofrail.client.trust import Trust
from proofrail.messaging.log_reader import PlaceLostError
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import ProofrailError, TransientError
from proofrail.wire.messages import (
    Attestation,
    AuditReport,
    CommitmentSeal,
    DeadLetter,
    Proof,
    ProofFailure,
    Registration,
)
from proofrail.wire.proposals import Proposal, parse_proposal
from proofrail.wire.topics import (
    ATTESTATIONS,
    COMMITMENTS,
    PROOFS,
    PROPOSALS,
    PROPOSALS_DLQ,
    REGISTRATIONS,
    REPORTS,
)

__all__ = [
    "ATTESTATIONS",
    "COMMITMENTS",
    "PROOFS",
    "PROPOSALS",
    "PROPOSALS_DLQ",
    "REGISTRATIONS",
    "REPORTS",
    "Archive",
    "Attestation",
    "AuditReport",
    "CheckedProof",
    "CommitmentSeal",
    "DeadLetter",
    "Grounds",
    "GroundsMissing",
    "Item",
    "KafkaSettings",
    "Place",
    "PlaceLostError",
    "Position",
    "PositionFile",
    "PositionStore",
    "Proof",
    "ProofChecker",
    "ProofFailure",
    "ProofrailError",
    "Proposal",
    "Proposed",
    "Published",
    "RefusedAttestation",
    "Registration",
    "RowPath",
    "Settled",
    "Subscription",
    "TransientError",
    "Trust",
    "Unreadable",
    "check",
    "parse_proposal",
    "propose",
    "read_message",
    "report_digest",
    "row_path",
    "subscribe",
]

log_like_a_library()
