"""What settles an allocator's proposal, and how the checking of a proof goes about its work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from client_cases import BLOB, FULL, SEED, STRANGER, TRUST, Published, facts, native, published, signed

from proofrail.artifacts.store import ArtifactStore
from proofrail.client import Attestation, ProofChecker, ProofrailError, check
from proofrail.client import settlement as client_settlement
from proofrail.client.settlement import Settlement
from proofrail.messaging.records import Record
from proofrail.proving import verifier
from proofrail.wire import topics
from proofrail.wire.messages import to_line
from proofrail.wire.readable import proposal_digest


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Published:
    return published(monkeypatch, facts())


def _proposed(value: bytes, offset: int) -> client_settlement.Published:
    return client_settlement.Published(topics.PROPOSALS, 0, offset, value, 0.0, proposal_digest(value))


def _attested(attestation: Attestation) -> Record:
    return Record(topics.ATTESTATIONS, 0, 0, b"", to_line(attestation) + b"\n", {}, 0)


def test_an_attestation_that_is_not_believed_settles_nothing(run: Published) -> None:
    """A forged one is named, and the proposal waits for the true one; that of another proposal changes nothing."""
    settlement = Settlement(
        [_proposed(SEED, 0), _proposed(FULL, 1)],
        lambda attestation, one: check(attestation, TRUST, proposal=one.value),
    )
    true, other = run.attestations
    for forged, code in (
        (signed(true, STRANGER), "attestation-signature"),
        (signed(true, risks=[35, 40]), "attestation-decision"),
    ):
        assert [] == list(settlement.observe(_attested(forged), 1.0))
        assert code == settlement.refused[topics.PROPOSALS, 0, 0].code
    for attestation, offset in ((other, 1), (true, 0)):
        (settled,) = settlement.observe(_attested(attestation), 2.0)
        assert (attestation, offset) == (settled.message, settled.published.offset)
    assert [] == settlement.pending


async def test_the_loop_goes_on_while_a_proof_is_verified(
    run: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetching and verifying happen in a thread, once for all that ask for one proof meanwhile."""
    ArtifactStore("memory://client-grounds").put(BLOB)
    gate, calls, begun, loop = threading.Event(), 0, asyncio.Event(), asyncio.get_running_loop()
    accept: Callable[[bytes], str] = native(facts())

    def slowly(proof: bytes) -> str:
        nonlocal calls
        calls += 1
        loop.call_soon_threadsafe(begun.set)
        assert gate.wait(20)
        return accept(proof)

    monkeypatch.setattr(verifier, "verify_stwo", slowly)
    proofs = ProofChecker("memory://client-grounds", TRUST)
    checks: list[asyncio.Task[Any]] = [
        asyncio.create_task(proofs.check(run.proof, attestation)) for attestation in run.attestations
    ]
    await begun.wait()
    gate.set()
    one, two = await asyncio.gather(*checks)
    assert one is two
    # Two asked, for one proof.
    assert 1 == calls


async def test_a_refused_proof_is_refused_again(run: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was found to hold is remembered."""
    ArtifactStore("memory://client-grounds").put(BLOB)
    proofs = ProofChecker("memory://client-grounds", TRUST)
    for name in ("read_stwo", "verify_stwo"):
        monkeypatch.setattr(verifier, name, native(facts(preprocessed_root="0" * 64)))
    for _ in range(2):
        with pytest.raises(ProofrailError):
            await proofs.check(run.proof)
    for name in ("read_stwo", "verify_stwo"):
        monkeypatch.setattr(verifier, name, native(facts()))
    assert run.proof.digest == (await proofs.check(run.proof)).digest
