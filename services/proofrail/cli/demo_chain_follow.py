"""Follow proposals from publication to a record on chain, and know how far they are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from proofrail.cli.home import Home
from proofrail.cli.local_service import fetched
from proofrail.client import (
    PROOFS,
    REGISTRATIONS,
    Attestation,
    KafkaSettings,
    Proof,
    Proposed,
    Registration,
    subscribe,
)
from proofrail.messaging.metric_names import PROOF_EXPECTED
from proofrail.wire.canonical import sha256_hex

_TIMEOUT_S: Final = 2.0
STAGES: Final = ("traced", "proven", "attested")
_POLL_S: Final = 0.1


@dataclass
class Journey:
    """What is known of the proposals so far. Attestations and registrations by the SHA-256 of the attestation."""

    proposed: Proposed
    began: float = field(default_factory=time.monotonic)
    attestations: dict[str, Attestation] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    proofs: dict[str, Proof] = field(default_factory=dict)
    """By run_id, those of our runs alone."""
    reached: dict[str, float] = field(default_factory=dict)
    """When each of STAGES was reached by all, and `recorded` after them, in seconds since publication."""
    expected_s: float | None = None
    """How long the prover expects the proof to take; None until it says so."""
    registered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a registration has come."""

    @property
    def seconds(self) -> float:
        """Since publication."""
        return time.monotonic() - self.began

    def attested(self, line: bytes, attestation: Attestation) -> None:
        self.attestations[sha256_hex(line)] = attestation

    @property
    def unregistered(self) -> int:
        """How many attestations no registrar has said anything of."""
        return len(self.attestations.keys() - self.registrations.keys())

    @property
    def doing(self) -> str:
        """The stage that is under way, and how far it is."""
        pending = len(self.proposed.pending)
        since = f"{self.seconds:.0f} s"
        if "traced" not in self.reached:
            return f"tracing {pending} proposals, {since}"
        if "proven" not in self.reached:
            expected = (
                "" if self.expected_s is None else f"; about {self.expected_s:.0f} s on an idle machine"
            )
            return f"proving the run with Stone, {since}{expected}"
        if "attested" not in self.reached:
            return f"verifying and auditing, {pending} proposals to go, {since}"
        return (
            f"registering the proof and recording the decisions on chain, {self.unregistered} to go, {since}"
        )

    def look(self) -> None:
        """Note the stages that are reached now."""
        runs = self.proposed.runs
        sealed = bool(runs) and all(facts.items is not None for facts in runs.values())
        proven = sealed and all(facts.proof_bytes is not None for facts in runs.values())
        attested = not self.proposed.pending
        for stage, now in zip(STAGES, (sealed or attested, proven or attested, attested), strict=True):
            if now:
                self.reached.setdefault(stage, self.seconds)

    async def until_registered(self, timeout_s: float) -> None:
        """Until each attestation has its registration, or the time is over. All must be known by now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.unregistered:
                    self.registered.clear()
                    await self.registered.wait()
                self.reached["recorded"] = self.seconds


@contextlib.asynccontextmanager
async def journey(home: Home, kafka: KafkaSettings, proposed: Proposed) -> AsyncIterator[Journey]:
    """Follow what was just published on the system in `home`, which is its own."""
    found = Journey(proposed)

    async def follow() -> None:
        async with subscribe(kafka, PROOFS, REGISTRATIONS, unreadable="deliver") as stream:
            async for item in stream:
                match getattr(item, "message", None):
                    case Proof() as proof:
                        found.proofs[proof.run_id] = proof
                    case Registration() as registration:
                        found.registrations[registration.attestation] = registration
                        found.registered.set()

    async def look() -> None:
        while True:
            found.look()
            await asyncio.sleep(_POLL_S)

    async def ask_prover() -> None:
        while found.expected_s is None:
            await asyncio.sleep(1.0)
            found.expected_s = await asyncio.to_thread(_expected_s, home)

    tasks = [asyncio.create_task(work()) for work in (follow, look, ask_prover)]
    try:
        yield found
        found.look()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _expected_s(home: Home) -> float | None:
    """By the prover's own metrics; None while it says nothing."""
    state = home.running() or {}
    try:
        text = fetched(f"{state['services']['prover']}/metrics", _TIMEOUT_S)
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (OSError, KeyError, ValueError):
        return None
    return next((one.value for one in samples if one.name == PROOF_EXPECTED.name and one.value), None)
