"""Rows of the tables: runs, allocations, dead letters."""

from __future__ import annotations

from typing import Literal

from proofrail.explorer.model.base import AllocationState, Part, Place, RunState, StageName, Verdict


class Phase(Part):
    """A stretch of a run's or an allocation's life."""

    stage: StageName
    kind: Literal["wait", "work"]
    """Queueing, or being worked on."""
    started_ms: int
    ended_ms: int | None
    """Null while it lasts."""
    estimated: bool
    """Whether the beginning is reckoned back from the time that the stage says it took, or not known better."""


class RunRow(Part):
    """A run in the table."""

    run_id: str
    at_ms: int
    """When it was sealed; of an open one, when it was first seen."""
    state: RunState
    verdict: Verdict
    program: str | None
    """Method id."""
    program_name: str | None
    """Where it is one of Proofrail's own, such as `risk_engine`."""
    layout: str | None
    outcome: Literal["completed", "failed"] | None
    allocations: int
    items: int | None
    n_steps: int | None
    backend: str | None
    security_bits: int | None
    is_mock: bool
    phases: tuple[Phase, ...]
    audit_delay_ms: int | None
    """From the terminal record to the report on the proof."""
    error: str | None
    """Code of the failure or kind of the mismatch."""


class Share(Part):
    """One protocol's part in a decision. Basis points: 10,000 is everything."""

    protocol: str
    proposed_bps: int
    recommended_bps: int | None
    """Null while nothing is attested."""
    risk: int | None
    """0 … 100, as decided."""
    apy_bps: int | None
    given_risk: int | None
    metrics: dict[str, int] | None
    """utilization_bps, volatility_bps, liquidity, audit_score, age_days, as proposed."""


class AllocationRow(Part):
    """An allocation in the table."""

    allocation_id: str
    """As it came, also where it is no valid one: then it was dead-lettered."""
    at_ms: int
    """When it was proposed, or first heard of."""
    state: AllocationState
    approved: bool | None
    """Null while nothing is attested."""
    reasons: tuple[str, ...]
    shares: tuple[Share, ...]
    """As proposed; empty where the proposal is not at hand or is none."""
    run_id: str | None
    """The run that decides it."""
    row: int | None
    settled_ms: int | None
    """When it was attested or dead-lettered."""
    error: str | None
    """Code of the dead letter or refusal, kind of the mismatch."""


class DeadLetterRow(Part):
    """A record that was refused."""

    at_ms: int
    allocation_id: str | None
    code: str
    message: str
    topic: str
    partition: int
    offset: int
    attempts: int
    value: str
    """Its beginning as text; bytes that are not UTF-8 as U+FFFD."""
    size: int
    place: Place
