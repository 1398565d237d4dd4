"""What a consumer refuses: one code for each way in which an attestation, or the proof it rests on, can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client_cases import (
    AUDITOR,
    BLOB,
    FORMS,
    FULL,
    SEED,
    STRANGER,
    TRUST,
    Published,
    facts,
    native,
    published,
    signed,
)
from stone_goldens import GOLDEN, needs_stone
from stone_goldens import proof as stone_proof

from proofrail.artifacts.store import ArtifactStore
from proofrail.cairo.pedersen import PRIME
from proofrail.cairo.risk_model import decide, expected_output
from proofrail.cairo.row_path import row_paths
from proofrail.client import (
    Attestation,
    CheckedProof,
    Proof,
    ProofChecker,
    ProofrailError,
    Trust,
    check,
    parse_proposal,
    read_message,
    report_digest,
    row_path,
)
from proofrail.client.rows import proven_row
from proofrail.commitment.checkpoint import generate_key
from proofrail.proving import verifier
from proofrail.proving.message import claims
from proofrail.proving.stone import verifier as stone
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import to_line
from proofrail.wire.signing import sign_message

STORE = "memory://client-check"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Published:
    ArtifactStore(STORE).put(BLOB)
    return published(monkeypatch, facts())


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(ProofrailError) as caught:
        work()
    return caught.value.code


async def proof_code(work: Any) -> str:
    with pytest.raises(ProofrailError) as caught:
        await work
    return caught.value.code


def everything(run: Published, row: int) -> dict[str, Any]:
    value = (SEED, FULL)[row]
    return {"proposal": value, "proof": run.proof, "reports": run.reports, "seal": run.seal}


async def test_an_honest_attestation_holds(run: Published) -> None:
    """Compared with all it rests on, as a message or as its line, the proposal in either form; and so does its
    proof, verified once for both rows."""
    proofs = ProofChecker(STORE, TRUST)
    found = set()
    for row, attestation in enumerate(run.attestations):
        given = everything(run, row)
        assert attestation == check(attestation, TRUST, **given)
        assert attestation == check(to_line(attestation), TRUST, proposal=parse_proposal(given["proposal"]))
        checked = await proofs.check(run.proof, attestation, given["proposal"])
        found.add(id(checked))
    assert 1 == len(found)
    assert (96, run.proof.identities) == (checked.security_bits, checked.identities)
    assert ["seed", "full"] == [one.allocation_id for one in run.attestations]
    assert list(run.attestations[1].risks) == list(checked.rows[1].risks)


@pytest.mark.parametrize(
    ("name", "value"),
    [("approved", False), ("risks", [35, 40]), ("timestamp", 2), ("run_id", "7" * 32), ("later", "member")],
)
def test_an_altered_attestation_is_signed_by_nobody(run: Published, name: str, value: object) -> None:
    """Each member is signed, those of later versions too."""
    altered = {**run.attestations[0].to_object(), name: value}
    if name == "approved":
        altered |= {"verdict": 1, "reasons": ["RISK_MISMATCH"]}
    assert "attestation-signature" == code_of(lambda: check(canonical(altered), TRUST))


def test_only_accepted_auditors_are_believed(run: Published) -> None:
    """Another key, no signature, another spelling of it: `attestation-signature`. Any of several keys will do."""
    attestation = run.attestations[0]
    unsigned = attestation.to_object()
    signature = unsigned.pop("signature")
    for wrong in (
        signed(attestation, STRANGER),
        Attestation.model_validate(unsigned),
        Attestation.model_validate({**unsigned, "signature": signature[::-1]}),
    ):
        assert "attestation-signature" == code_of(lambda wrong=wrong: check(wrong, TRUST))
    both = Trust([STRANGER.vkey, AUDITOR.vkey + "\n"])
    assert attestation == check(attestation, both)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, "unknown-version"),
        ({"type": "Attestation2"}, "unknown-type"),
        ({"type": "Proof"}, "malformed-message"),
        ({"row": "0"}, "malformed-message"),
        ({"proof": {"is_mock": True}}, "policy-mock"),
        ({"proof": {"is_mock": 1}}, "malformed-message"),
        ({"proof": {"security_bits": 95}}, "policy-security"),
        ({"proof": {"backend": "stone"}}, "policy-backend"),
    ],
)
def test_what_the_policy_or_the_version_rules_out_is_refused_although_signed(
    run: Published, change: dict[str, Any], code: str
) -> None:
    """A mock, too little security, another backend, another version: whoever signed it."""
    told = run.attestations[0].to_object()
    for name, value in change.items():
        told[name] = {**told[name], **value} if isinstance(value, dict) else value
    line = canonical(sign_message(told, AUDITOR.key))
    assert code == code_of(lambda: check(line, TRUST))
    if code == "policy-security":
        check(line, Trust([AUDITOR.vkey], min_security_bits=95))


def test_another_message_is_no_attestation(run: Published) -> None:
    """A message of another type is refused by name."""
    assert "unknown-type" == code_of(lambda: check(to_line(run.reports[0]), TRUST))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"proposal_sha256": "0" * 64}, "attestation-proposal"),
        ({"allocation_id": "other"}, "attestation-proposal"),
        ({"risks": [35, 40]}, "attestation-decision"),
        ({"recommended_bps": [4382, 5618]}, "attestation-decision"),
        ({"proposed_bps": [4300, 5700]}, "attestation-decision"),
        ({"protocols": ["ekubo", "jediswap"]}, "attestation-decision"),
        ({"approved": False, "verdict": 2, "reasons": ["OVER_MAX_SINGLE"]}, "attestation-decision"),
        ({"run_id": "7" * 32}, "attestation-proof"),
        ({"proof": {"digest": "0" * 64}}, "attestation-proof"),
        ({"proof": {"uri": "artifact:sha256/00"}}, "attestation-proof"),
        ({"proof": {"security_bits": 97}}, "attestation-proof"),
        ({"root": "0" * 64}, "attestation-proof"),
        ({"audit": {"run_report": "0" * 64}}, "attestation-report"),
        ({"audit": {"proof_report": "0" * 64}}, "attestation-report"),
    ],
)
def test_an_attestation_must_fit_all_it_rests_on(run: Published, change: dict[str, Any], code: str) -> None:
    """A signed attestation that says something else than the proposal, the decision, the proof, the reports or the
    seal is refused, by a code that tells which, and a message that names the member."""
    told = run.attestations[0].to_object()
    for name, value in change.items():
        told[name] = {**told[name], **value} if isinstance(value, dict) else value
    lying = signed(Attestation.model_validate(told))
    with pytest.raises(ProofrailError) as caught:
        check(lying, TRUST, **everything(run, 0))
    assert code == caught.value.code
    member = next(iter(change))
    assert (next(iter(change[member])) if isinstance(change[member], dict) else member) in str(caught.value)


def test_a_root_must_be_that_of_the_seal(run: Published) -> None:
    """A Proof message of an earlier prover does not name the root; the seal always does."""
    lying = signed(run.attestations[0], root="0" * 64)
    early = run.proof.model_copy(update={"root": None})
    assert lying == check(lying, TRUST, proof=early)
    assert "attestation-root" == code_of(lambda: check(lying, TRUST, proof=early, seal=run.seal))


@pytest.mark.parametrize("change", [{"verdict": "INDETERMINATE"}, {"subject": "proof"}, {"run_id": "7" * 32}])
def test_reports_must_say_match_about_the_run_and_be_signed(run: Published, change: dict[str, Any]) -> None:
    """A report that the attestation names, and that says something else, or is nobody's: `attestation-report`."""
    if "verdict" in change:
        change = {**change, "unchecked": [{"part": "events", "message": "gone"}]}
    for report in (signed(run.reports[0], **change), signed(run.reports[0], STRANGER)):
        name = {"run_report": report_digest(report)}
        audit = {**run.attestations[0].audit.to_object(), **name}
        told = signed(run.attestations[0], audit=audit)
        reports = (report, run.reports[1])
        assert "attestation-report" == code_of(lambda told=told, r=reports: check(told, TRUST, reports=r))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"row": 1}, "attestation-row"),
        ({"row": 2}, "attestation-row"),
        ({"allocation_id": "other"}, "attestation-row"),
        ({"risks": [35, 40]}, "attestation-row"),
        ({"run_id": "7" * 32}, "attestation-proof"),
    ],
)
async def test_a_proof_must_prove_what_is_attested(run: Published, change: dict[str, Any], code: str) -> None:
    """Another row, allocation or decision than the proof's own output has is refused, although signed."""
    lying = signed(run.attestations[0], **change)
    assert code == await proof_code(ProofChecker(STORE, TRUST).check(run.proof, lying))


async def test_a_row_about_other_inputs_is_refused(run: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """Risks, shares and verdict can be those of many proposals: the row's inputs_hash tells them apart, once the
    proposal is given."""
    output = [int(felt, 16) for felt in facts()["output"]]
    stated = facts(output=[hex(felt) for felt in [*output[:3], output[3] + 1, *output[4:]]])
    for name in ("read_stwo", "verify_stwo"):
        monkeypatch.setattr(verifier, name, native(stated))
    about = verifier.verify(BLOB, verifier.what_it_states(BLOB), TRUST.policy)
    proof = run.proof.model_copy(update=claims(about))
    proofs = ProofChecker(STORE, TRUST)
    assert isinstance(await proofs.check(proof, run.attestations[0]), CheckedProof)
    assert "attestation-row" == await proof_code(proofs.check(proof, run.attestations[0], SEED))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_mock": True}, "policy-mock"),
        ({"backend": "stone"}, "policy-backend"),
        ({"security_bits": 95}, "policy-security"),
        ({"security_bits": 97}, "proof-claim"),
        ({"parameters": {}}, "proof-claim"),
        ({"identities": {"program_hash": "0x1"}}, "proof-claim"),
        ({"digest": "0" * 64}, "artifact-missing"),
        ({"size": 1}, "artifact-altered"),
    ],
)
async def test_a_message_must_say_what_its_proof_says(
    run: Published, change: dict[str, Any], code: str
) -> None:
    """What the Proof message claims is compared with the proof's bytes; what it admits is refused before any are
    fetched."""
    proof = run.proof.model_copy(update=change)
    assert code == await proof_code(ProofChecker(STORE, TRUST).check(proof))


async def test_a_proof_is_found_and_checked_by_the_digest_in_an_attestation(run: Published) -> None:
    """Without a Proof message: what the attestation says of its proof, and nothing else of it, is compared."""
    proofs, attestation = ProofChecker(STORE, TRUST), run.attestations[0]
    checked = await proofs.check(attestation.proof, attestation, SEED)
    assert run.proof.identities == checked.identities
    for change, code in (
        ({"security_bits": 97}, "proof-claim"),
        ({"security_bits": 95}, "policy-security"),
        ({"digest": "0" * 64}, "artifact-missing"),
    ):
        told = attestation.proof.model_copy(update=change)
        assert code == await proof_code(proofs.check(told))
        assert "attestation-proof" == await proof_code(proofs.check(told, attestation))


async def test_what_a_later_version_says_of_a_proof_does_no_harm(run: Published) -> None:
    """Members may be added within v1: none is relied on."""
    proof = read_message(canonical({**run.proof.to_object(), "colour": "blue"}))
    checked = await ProofChecker(STORE, TRUST).check(proof)
    assert run.proof.digest == checked.digest


async def test_a_program_is_accepted_by_hash_and_by_its_builtins(
    run: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program is refused, and so is the same one with another builtin in the place of one of its own: the
    program hash does not tell them apart."""
    other = Trust([AUDITOR.vkey], programs={"0x1": ("output",)})
    assert "policy-program" == await proof_code(ProofChecker(STORE, other).check(run.proof))
    segments = [
        {**one, "builtin": {"pedersen": "bitwise"}.get(one["builtin"], one["builtin"])}
        for one in facts()["segments"]
    ]
    for name in ("read_stwo", "verify_stwo"):
        monkeypatch.setattr(verifier, name, native(facts(segments=segments)))
    assert "proof-builtins" == await proof_code(ProofChecker(STORE, TRUST).check(run.proof))


@pytest.fixture
def chained(monkeypatch: pytest.MonkeyPatch) -> Published:
    """A run of the chain build, whose output is a root."""
    ArtifactStore(STORE).put(BLOB)
    return published(monkeypatch, facts(chain=True))


async def test_a_row_under_a_root_is_proven_by_its_path(chained: Published) -> None:
    """The chain build's output holds no rows: an attestation carries its row's path, and what a contract takes is made
    from the attestation alone."""
    proofs = ProofChecker(STORE, TRUST)
    for row, attestation in enumerate(chained.attestations):
        given = everything(chained, row)
        assert attestation == check(to_line(attestation), TRUST, **given)
        checked = await proofs.check(chained.proof, attestation, given["proposal"])
        assert checked.rows is None
    assert row_paths(FORMS) == [row_path(one) for one in chained.attestations]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"chain": None}, "attestation-chain"),
        ({"root": "0x1"}, "attestation-chain"),
        ({"count": 3}, "attestation-chain"),
        ({"program_hash": "0x1"}, "attestation-chain"),
        ({"path": ["0x1"]}, "row-path-wrong"),
        ({"path": []}, "row-path-malformed"),
        ({"path": [hex(PRIME)]}, "malformed-felt"),
        ({"inputs_hash": "0x1"}, "row-path-wrong"),
        ({"inputs_hash": hex(PRIME)}, "malformed-felt"),
    ],
)
async def test_a_row_that_does_not_stand_where_it_is_said_to_is_refused(
    chained: Published, change: dict[str, Any], code: str
) -> None:
    """Another root, program, path or inputs than were proven, although signed: each by its code. What can be told from
    the Proof message is told without the proof."""
    attestation = chained.attestations[0]
    assert attestation.chain is not None
    chain = None if "chain" in change else {**attestation.chain.to_object(), **change}
    told = {**attestation.to_object(), **({"chain": chain} if chain else {})}
    if chain is None:
        del told["chain"]
    lying = signed(Attestation.model_validate(told))
    assert code == await proof_code(ProofChecker(STORE, TRUST).check(chained.proof, lying, SEED))
    if code == "attestation-chain":
        assert code == code_of(lambda: check(lying, TRUST, proof=chained.proof))


async def test_the_row_of_another_allocation_is_not_ones_own(chained: Published) -> None:
    """With the index and the path of its neighbour an attestation does not hold."""
    first, second = chained.attestations
    assert first.chain is not None
    assert second.chain is not None
    place = {**second.chain.to_object(), "inputs_hash": first.chain.inputs_hash}
    moved = signed(first, row=1, chain=place)
    assert "row-path-wrong" == await proof_code(ProofChecker(STORE, TRUST).check(chained.proof, moved))


async def test_a_row_in_the_output_stands_under_no_root(run: Published, chained: Published) -> None:
    """An attestation of the first build that has a place under a root is refused."""
    chain = chained.attestations[0].chain
    assert chain is not None
    lying = signed(run.attestations[0], chain=chain.to_object())
    assert "attestation-chain" == code_of(lambda: check(lying, TRUST, proof=run.proof))
    output = expected_output(map(decide, FORMS))
    assert "attestation-chain" == code_of(
        lambda: proven_row(lying, run.proof.identities["program_hash"], output)
    )


async def test_a_proof_that_the_registry_could_not_verify_is_refused_on_demand(run: Published) -> None:
    """With presets named, a proof that fits none of them is refused: stwo's fit none."""
    strict = Trust([AUDITOR.vkey], presets=["recursive/keccak_160_lsb/stone6/strict"])
    assert "policy-preset" == await proof_code(ProofChecker(STORE, strict).check(run.proof))


@pytest.mark.stone
@needs_stone
async def test_a_proof_of_stones_is_checked_alike() -> None:
    """A golden proof of four allocations: its rows are those of the model, its identities those that were pinned."""
    golden, blob = GOLDEN["risk4"], stone_proof("risk4")
    trust = Trust([AUDITOR.vkey], backends=["stone"])
    verified = stone.verify(blob, stone.what_it_states(blob), trust.policy)
    proof = Proof(
        run_id="5" * 32,
        backend="stone",
        backend_version="3",
        method="stark",
        is_mock=False,
        **claims(verified),
        digest=ArtifactStore(STORE).put(blob).digest,
        size=len(blob),
        uri="artifact:sha256/" + golden["digest"],
        timings={},
    )
    checked = await ProofChecker(STORE, trust).check(proof)
    forms = [parse_proposal(canonical(form)).normal_form() for form in golden["inputs"]]
    assert [decide(form).inputs_hash for form in forms] == [row.inputs_hash for row in checked.rows or ()]
    assert golden["fact_hash"] == checked.identities["fact_hash"]
    assert golden["security_bits"] == checked.security_bits


def test_trust_must_be_spelled_out() -> None:
    """No key, a text for a list of keys, a key that is none, an unknown backend: refused when it is made."""
    vkey = AUDITOR.vkey
    assert "trust-keys" == code_of(lambda: Trust([]))
    assert "trust-keys" == code_of(lambda: Trust(vkey))
    assert "key-malformed" == code_of(lambda: Trust([vkey[:-2]]))
    assert "key-malformed" == code_of(lambda: Trust([generate_key("a", bytes(32))[0]]))
    assert "backend-unknown" == code_of(lambda: Trust([vkey], backends=("stwo", "stark")))


def test_a_message_keeps_the_unknown_and_its_line(run: Published) -> None:
    """What was written in canonical form is written back byte for byte, its digest with it."""
    line = canonical({**parse_object(to_line(run.proof)), "later": {"b": None, "a": 1}})
    assert line == to_line(read_message(line))
