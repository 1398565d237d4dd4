"""What an auditor publishes of a run over two proposals, made up around a proof that says what the tests want, and
signed with a key of the tests' own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from proofrail.cairo import risk_rows
from proofrail.cairo.risk_model import decide, expected_output
from proofrail.cairo.risk_program import load, load_chain
from proofrail.cairo.row_path import row_paths
from proofrail.client import Attestation, AuditReport, Proof, Trust, parse_proposal, report_digest
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.proving import verifier
from proofrail.proving.blake import blake_program_hash
from proofrail.proving.message import claims
from proofrail.proving.roots import known_root
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex
from proofrail.wire.messages import CommitmentSeal
from proofrail.wire.signing import sign_message

AUDITOR = Signer.parse(generate_key("proofrail-auditor", bytes(range(32)))[0])
STRANGER = Signer.parse(generate_key("proofrail-auditor", bytes(range(1, 33)))[0])
TRUST = Trust([AUDITOR.vkey])

RUN, ROOT = "5" * 32, "6" * 64
BLOB = b"a proof, as far as the native verifier below is concerned"

SEED = (
    b'{"allocation_id":"seed","jediswap_risk":35,"ekubo_risk":39,"jediswap_apy":850,"ekubo_apy":1210,'
    b'"jediswap_pct":44,"ekubo_pct":56}'
)
FULL = canonical({**parse_proposal(SEED).normal_form(), "allocation_id": "full"})
FORMS = [parse_proposal(value).normal_form() for value in (SEED, FULL)]


def facts(chain: bool = False, **changed: Any) -> dict[str, Any]:
    """What the native verifier finds in BLOB: the risk engine's output on SEED and FULL, or the chain build's."""
    program = load_chain() if chain else load()
    output = risk_rows.expected_output(FORMS) if chain else expected_output(map(decide, FORMS))
    start = len(program.words) + 3
    end = start + 1000
    sizes = {"output": len(output), "pedersen": 3 * 200}
    segments = []
    for name in program.builtins:
        size = sizes.get(name, 500)
        segments.append({"builtin": name, "begin": end, "end": end + size})
        end += size
    return {
        "variant": "canonical_small",
        "preprocessed_root": known_root(1, 21),
        "config": {
            "pow_bits": 20,
            "n_queries": 76,
            "log_blowup": 1,
            "fold_step": 3,
            "log_last_layer": 0,
            "lifting_log_size": 21,
            "channel_salt": 0,
        },
        "program": [hex(word) for word in program.words],
        "program_hash_blake": hex(blake_program_hash(tuple(program.words))),
        "output": [hex(felt) for felt in output],
        "segments": segments,
        "initial_state": {"pc": 1, "ap": start, "fp": start},
        "final_state": {"pc": 5, "ap": start + 1000, "fp": start},
        **changed,
    }


def native(stated: dict[str, Any]) -> Any:
    """A native verifier that accepts exactly BLOB."""

    def verify_stwo(proof: bytes) -> str:
        assert proof == BLOB
        return json.dumps(stated)

    return verify_stwo


@dataclass(frozen=True)
class Published:
    """A run's messages, the attestations signed by AUDITOR."""

    proof: Proof
    reports: tuple[AuditReport, AuditReport]
    seal: CommitmentSeal
    attestations: tuple[Attestation, Attestation]


def signed(message: Any, signer: Signer = AUDITOR, **changed: Any) -> Any:
    """A message signed anew, some of its members changed."""
    return type(message).model_validate(sign_message({**message.to_object(), **changed}, signer.key))


def published(monkeypatch: Any, stated: dict[str, Any]) -> Published:
    """What an honest auditor publishes when the proof states that."""
    for name in ("read_stwo", "verify_stwo"):
        monkeypatch.setattr(verifier, name, native(stated))
    verified = verifier.verify(BLOB, verifier.what_it_states(BLOB), TRUST.policy)
    proof = Proof(
        run_id=RUN,
        backend="stwo",
        backend_version="1",
        method="stark",
        is_mock=False,
        **claims(verified),
        digest=sha256_hex(BLOB),
        size=len(BLOB),
        uri=f"artifact:sha256/{sha256_hex(BLOB)}",
        timings={},
        root=ROOT,
    )
    reports = tuple(
        signed(
            AuditReport.model_validate(
                {"run_id": RUN, "subject": subject, "verdict": "MATCH", "checked": [], "unchecked": []}
            )
        )
        for subject in ("run", "proof")
    )
    seal = CommitmentSeal(run_id=RUN, items=1, blocks=1, bits=16, block_items=256, chain="0" * 64, root=ROOT)
    of_chain = verified.statement.output[:1] != (1,)
    places = list(map(_place, range(2))) if of_chain else [{}, {}]
    attestations = tuple(_attested(row, proof, reports, place) for row, place in enumerate(places))
    return Published(proof, reports, seal, attestations)


@cache
def _place(row: int) -> dict[str, Any]:
    """The member `chain` of a row's attestation."""
    found = row_paths(FORMS)[row]
    _, count, root = risk_rows.expected_output(FORMS)
    place = {"count": count, "root": hex(root), "index": row, "inputs_hash": felt_hex(found.row[1])}
    path = [felt_hex(node) for node in found.path]
    return {"chain": {**place, "program_hash": load_chain().method_id, "path": path}}


def _attested(row: int, proof: Proof, reports: Any, place: dict[str, Any]) -> Attestation:
    form = FORMS[row]
    decision = decide(form)
    return signed(
        Attestation.model_validate(
            {
                "allocation_id": form["allocation_id"],
                "proposal_sha256": sha256_hex(canonical(form)),
                "approved": decision.approved,
                "verdict": decision.verdict,
                "reasons": list(decision.reasons),
                "protocols": list(decision.protocols),
                "risks": list(decision.risks),
                "recommended_bps": list(decision.recommended_bps),
                "proposed_bps": list(decision.proposed_bps),
                "run_id": RUN,
                "row": row,
                "root": ROOT,
                "proof": {
                    name: getattr(proof, name)
                    for name in ("digest", "uri", "backend", "security_bits", "is_mock")
                },
                "audit": {
                    name: report_digest(report)
                    for name, report in zip(("run_report", "proof_report"), reports, strict=True)
                },
                "timestamp": 1,
                **place,
            }
        )
    )
