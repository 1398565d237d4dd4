"""The audit of a proof: every claim of its message against a proof whose facts are known."""

from __future__ import annotations

from typing import Any

import pytest

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.proof_audit import ProofAuditor
from proofrail.proving.backend import Verified
from proofrail.proving.errors import RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, Segment, State, Statement
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.messages import AuditReport, Proof, ProofFailure, parse_message, to_line

WORDS, OUTPUT, RUN = (1, 2, 3), (10, 144), "0" * 32
BLOB = b"a proof, as far as the verifier below is concerned"


class KnownProof:
    """Verifies exactly BLOB, for WORDS and OUTPUT, with 96 bits."""

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        if proof != BLOB:
            raise RefusedProof("proof-refused", "the native verifier refuses it")
        if expected.output != OUTPUT:
            raise RefusedProof(
                "proof-output", "output word 0 is 0xa", proven="0xa", expected=hex(expected.output[0])
            )
        policy.check(backend="stwo", security_bits=96)
        return Verified(_statement(), 96, {"pow_bits": 20, "n_queries": 76}, _statement().identities)


def _statement() -> Statement:
    return Statement(
        WORDS, OUTPUT, (Segment("output", 20, 22),), State(1, 6, 6), State(5, 20, 6), "all_cairo_stwo"
    )


def _message() -> dict[str, Any]:
    return Proof(
        run_id=RUN,
        backend="stwo",
        backend_version="1 (stwo 2)",
        method="stark",
        is_mock=False,
        statement=_statement().to_dict(),
        parameters={"pow_bits": 20, "n_queries": 76},
        security_bits=96,
        digest=sha256_hex(BLOB),
        size=len(BLOB),
        uri=f"sha256:{sha256_hex(BLOB)}",
        identities=_statement().identities,
        timings={"total": 1000},
    ).to_object()


@pytest.fixture
def store() -> ArtifactStore:
    kept = ArtifactStore("memory://audit-proof")
    kept.put(BLOB)
    return kept


def _audit(
    message: dict[str, Any] | bytes,
    store: ArtifactStore,
    *,
    output: tuple[int, ...] | None = OUTPUT,
    min_bits: int = 96,
) -> AuditReport:
    auditor = ProofAuditor(
        WORDS, ["output"], {"stwo": KnownProof()}, Policy(min_security_bits=min_bits), store.get
    )
    report = auditor.audit(message, run_id=RUN, output=output)
    assert report == parse_message(to_line(report))
    assert "proof" == report.subject
    return report


def _mismatch(report: AuditReport) -> dict[str, Any]:
    assert "MISMATCH" == report.verdict, report
    assert report.first_mismatch is not None
    return report.first_mismatch.to_object()


def test_an_honest_proof_matches(store: ArtifactStore) -> None:
    """A message that says what the proof says, of the run's program and output, is a MATCH."""
    report = _audit(canonical(_message()), store)
    assert "MATCH" == report.verdict
    assert ["message", "blob", "verification", "policy", "statement"] == report.checked
    assert ["provenance"] == [part.part for part in report.unchecked]


@pytest.mark.parametrize(
    ("name", "lie", "kind"),
    [
        ("run_id", "1" * 32, "run_id"),
        ("is_mock", True, "is_mock"),
        ("backend", "stone", "backend"),
        ("size", len(BLOB) + 1, "size"),
        ("security_bits", 128, "security_bits"),
        ("parameters", {"pow_bits": 20, "n_queries": 77}, "parameters"),
        ("parameters", {"pow_bits": 20}, "parameters"),
        ("statement", {**_statement().to_dict(), "program_hash": "0x1"}, "statement"),
        ("statement", {**_statement().to_dict(), "output_sha256": "0" * 64}, "statement"),
        ("statement", {}, "statement"),
        ("identities", {**_statement().identities, "fact_hash": "0x1"}, "identities"),
        ("v", 2, "version"),
        ("type", "Prof", "type"),
        ("type", "AuditReport", "malformed"),
        ("security_bits", "96", "malformed"),
    ],
)
def test_every_lie_of_the_message_is_named(store: ArtifactStore, name: str, lie: object, kind: str) -> None:
    """A claim that the proof contradicts is a MISMATCH that names the member."""
    found = _mismatch(_audit({**_message(), name: lie}, store))
    assert kind == found["kind"]
    if name != "type":
        assert name == found["member"].split(".")[0]


@pytest.mark.parametrize("name", ["statement", "parameters", "security_bits", "identities", "digest"])
def test_a_missing_member_is_a_mismatch(store: ArtifactStore, name: str) -> None:
    """What every Proof must say cannot be left out."""
    message = _message()
    del message[name]
    assert name == _mismatch(_audit(message, store))["member"]


def test_a_missing_blob_is_undecided() -> None:
    """A proof that cannot be had may still come: INDETERMINATE `artifact-missing`."""
    report = _audit(_message(), ArtifactStore("memory://audit-proof-empty"))
    assert ("INDETERMINATE", "artifact-missing", "blob") == (
        report.verdict,
        report.unchecked[0].code,
        report.unchecked[0].part,
    )


def test_an_altered_blob_is_a_mismatch() -> None:
    """A blob that is not what its digest says is a MISMATCH `artifact-altered`, whoever notices it."""

    class Altered(ArtifactStore):
        def get(self, digest: str, size: int | None = None) -> bytes:
            self._check(BLOB + b"!", digest, size)
            return BLOB

    class Careless(ArtifactStore):
        def get(self, digest: str, size: int | None = None) -> bytes:
            return BLOB + b"!"

    for store in (Altered("memory://a"), Careless("memory://a")):
        found = _mismatch(_audit(_message(), store))
        assert ("artifact-altered", "digest") == (found["kind"], found["member"])


def test_a_proof_of_another_output_is_a_mismatch(store: ArtifactStore) -> None:
    """The proof must state the output that the auditor computed."""
    found = _mismatch(_audit(_message(), store, output=(11, 144)))
    assert ("proof", "output", "proof-output", "0xb", "0xa") == (
        found["kind"],
        found["member"],
        found["code"],
        found["expected"],
        found["claimed"],
    )


def test_a_proof_below_the_policy_is_a_mismatch(store: ArtifactStore) -> None:
    """Security is what the proof's own bytes give, held against the auditor's policy."""
    found = _mismatch(_audit(_message(), store, min_bits=97))
    assert ("policy", "policy-security") == (found["kind"], found["code"])


def test_a_proof_that_is_refused_is_a_mismatch(store: ArtifactStore) -> None:
    """A blob that is stored rightly and proves nothing."""
    ref = store.put(b"no proof")
    message = {**_message(), "digest": ref.digest, "size": ref.size}
    found = _mismatch(_audit(message, store))
    assert ("proof", "proof-refused") == (found["kind"], found["code"])


def test_a_proof_failure_is_undecided(store: ArtifactStore) -> None:
    """No proof was made: there is nothing to match."""
    failure = ProofFailure(run_id=RUN, backend="stwo", code="run-failed", message="…", final=True, attempts=1)
    report = _audit(to_line(failure), store)
    assert ("INDETERMINATE", "proof-failed") == (report.verdict, report.unchecked[0].code)


def test_a_run_that_was_not_executed_leaves_its_proof_undecided(store: ArtifactStore) -> None:
    """Without the recomputed output it is not known what must be proven."""
    report = _audit(_message(), store, output=None)
    assert ("INDETERMINATE", "run-not-recomputed") == (report.verdict, report.unchecked[0].code)


@pytest.mark.parametrize("where", ["", "statement", "parameters", "identities"])
def test_unknown_members_leave_the_verdict_open(store: ArtifactStore, where: str) -> None:
    """Members this version does not define are INDETERMINATE `unknown-member`, at both levels."""
    message = _message()
    (message[where] if where else message)["novel"] = 1
    report = _audit(message, store)
    assert "INDETERMINATE" == report.verdict
    assert ("unknown-member", f"/{where}/novel".replace("//", "/")) == (
        report.unchecked[0].code,
        report.unchecked[0].to_object()["pointer"],
    )
