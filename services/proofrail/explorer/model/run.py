"""A run's page: commitment, seal, proof, and failed attempts."""

from __future__ import annotations

from proofrail.explorer.model.audit import AuditCard
from proofrail.explorer.model.base import CellState, Fact, NamedHash, Part, Place
from proofrail.explorer.model.rows import Phase, RunRow


class Cell(Part):
    """A commitment block, or several in a row in the same state where there are more than 512."""

    first_block: int
    blocks: int
    first_item: int
    items: int
    state: CellState


class Blocks(Part):
    """The bar of commitment blocks."""

    blocks: int
    block_items: int
    items: int
    bits: int
    mismatch_block: int | None
    cells: tuple[Cell, ...]


class SealCard(Part):
    """A run's final commitment."""

    hashes: tuple[NamedHash, ...]
    """root, chain, inputs, outputs."""
    facts: tuple[Fact, ...]
    checkpoint: str | None
    """The signed note, several lines."""
    place: Place


class ProofCard(Part):
    """What was proven, how, and where the proof lies."""

    run_id: str
    at_ms: int
    backend: str
    backend_version: str
    method: str
    is_mock: bool
    security_bits: int
    attempt: int | None
    size: int
    digest: str
    uri: str
    stored: bool | None
    """Whether the artifact store has it; null when the store did not say."""
    download: str
    """Path of the proof in this service."""
    statement: tuple[Fact, ...]
    output: tuple[str, ...]
    """The first felts of the proven output."""
    output_count: int
    parameters: tuple[Fact, ...]
    """Nested names joined with dots."""
    hashes: tuple[NamedHash, ...]
    """proof, program, fact, verification …"""
    timings_ms: dict[str, int]
    """By stage."""
    facts: tuple[Fact, ...]
    """The prover's own word on how it came to the proof."""
    verify_command: str
    """Checks the downloaded proof against the downloaded message."""
    message_download: str
    """Path of the Proof message, as proof.json."""
    place: Place


class Failure(Part):
    """An attempt of the prover's that failed."""

    at_ms: int
    backend: str
    code: str
    message: str
    final: bool
    attempts: int
    place: Place


class RunPage(Part):
    """Everything on one run, save its spans, events and allocations, which have pages of their own."""

    run: RunRow
    phases: tuple[Phase, ...]
    """Queue waits and work, in order."""
    blocks: Blocks | None
    seal: SealCard | None
    proof: ProofCard | None
    failures: tuple[Failure, ...]
    """Every attempt of the prover's that failed, in order."""
    audits: tuple[AuditCard, ...]
    """On the run, then on the proof."""
    events: int | None
    """How many trace events the seal counts."""
    events_bytes: int
    """What was seen of them on the topic."""
    traceparent: str | None
