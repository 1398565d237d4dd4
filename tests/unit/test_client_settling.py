"""What settles an allocator's proposal, and how the checking of a proof goes about its work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from client_cases import (
    BLOB,
    FORMS,
    FULL,
    RUN,
    SEED,
    STRANGER,
    TRUST,
    Published,
    facts,
    native,
    published,
    signed,
)

from proofrail.artifacts.store import ArtifactStore
from proofrail.client import Attestation, AuditReport, DeadLetter, ProofChecker, ProofrailError, check
from proofrail.client import settlement as client_settlement
from proofrail.client.settlement import Settlement
from proofrail.messaging.records import Record
from proofrail.proving import verifier
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import PoisonError
from proofrail.wire.messages import Input, to_line
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


def _record(topic: str, key: str, *messages: Any) -> Record:
    return Record(topic, 0, 0, key.encode(), b"".join(to_line(one) + b"\n" for one in messages), {}, 0)


def _history(run: Published, run_id: str, form: dict[str, Any], **attested: Any) -> list[Record]:
    """What a run over one proposal left on the topics, in the order in which they are looked back at."""
    proof = run.proof.model_copy(update={"run_id": run_id})
    reports = [signed(one, run_id=run_id) for one in run.reports]
    said = {"run_id": run_id, "allocation_id": form["allocation_id"], **attested}
    attestation = signed(run.attestations[0], proposal_sha256=sha256_hex(canonical(form)), **said)
    return [
        _record(topics.COMMITMENTS, run_id, Input(run_id=run_id, index=0, input=form)),
        _record(topics.COMMITMENTS, run_id, run.seal.model_copy(update={"run_id": run_id})),
        _record(topics.PROOFS, run_id, proof),
        *(_record(topics.REPORTS, run_id, report) for report in reports),
        _record(topics.ATTESTATIONS, form["allocation_id"], attestation),
    ]


def test_of_a_history_only_what_is_ours_is_kept(run: Published) -> None:
    """A repeated proposal is settled with all that is known of its run; of the runs and letters of others nothing
    stays."""
    settlement = Settlement([_proposed(SEED, 900)])
    for number in range(20):
        other = {**FORMS[1], "allocation_id": f"other-{number}"}
        letter = _letter(canonical(other), number)
        for record in (*_history(run, f"{number:032x}", other), letter):
            assert [] == list(settlement.observe_earlier(record, 1.0))
    assert ({}, []) == (settlement.runs, settlement._held)
    ended = [
        one for record in _history(run, RUN, FORMS[0]) for one in settlement.observe_earlier(record, 1.0)
    ]
    assert [(900, run.attestations[0])] == [(one.published.offset, one.message) for one in ended]
    facts = settlement.runs[RUN]
    assert [RUN] == list(settlement.runs)
    assert (run.seal.items, run.proof.size) == (facts.items, facts.proof_bytes)
    assert {"run": "MATCH", "proof": "MATCH"} == facts.verdicts
    assert [] == settlement.pending


@pytest.mark.parametrize("attested", [True, False])
def test_an_attestation_overtakes_what_ended_a_proposal_before(run: Published, attested: bool) -> None:
    """Given up or found wrong, and taken up again by an operator: the attestation counts, wherever it stands; without
    one, what there is."""
    settlement = Settlement([_proposed(SEED, 7), _proposed(FULL, 8)])
    wrong = signed(run.reports[0], verdict="MISMATCH", first_mismatch={"kind": "item", "item": 1})
    *history, attestation = _history(run, RUN, FORMS[0])
    letter = _letter(FULL, 3)
    records = [*history, _record(topics.REPORTS, RUN, wrong), letter]
    records += [attestation, _attested(run.attestations[1])] if attested else []
    ended = [one for record in records for one in settlement.observe_earlier(record, 1.0)]
    assert (2 if attested else 0) == len(ended)
    ended += settlement.conclude(2.0)
    kinds = [Attestation, Attestation] if attested else [AuditReport, DeadLetter]
    assert [(7, kinds[0]), (8, kinds[1])] == [(one.published.offset, type(one.message)) for one in ended]
    assert [] == [*settlement.conclude(3.0), *settlement.pending]


def test_a_mismatch_that_comes_before_its_run_was_looked_back_at_settles_it(run: Published) -> None:
    """A proposal under way, published again: its inputs stand in the history, the report comes meanwhile."""
    settlement = Settlement([_proposed(SEED, 7)])
    wrong = signed(run.reports[0], verdict="MISMATCH", first_mismatch={"kind": "item", "item": 1})
    assert [] == list(settlement.observe(_record(topics.REPORTS, RUN, wrong), 1.0))
    assert [] == list(settlement.observe_earlier(_history(run, RUN, FORMS[0])[0], 1.0))
    assert [wrong] == [one.message for one in settlement.conclude(2.0)]


def _letter(value: bytes, offset: int) -> Record:
    letter = DeadLetter.of(
        PoisonError("out-of-luck", "it would not"),
        topic=topics.PROPOSALS,
        partition=0,
        offset=offset,
        key=b"",
        value=value,
        attempts=1,
    )
    return _record(topics.PROPOSALS_DLQ, "", letter)


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
