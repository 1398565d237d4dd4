"""A world for the explorer: records as the services publish them, in a view of their own.

Runs and events are real: the risk engine's, made by the tracer's own sealer, and the golden traces of schemas/vectors.
What prover, auditor and registrar say of them is made up here, and signed with the tests' key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from proofrail.artifacts.store import ArtifactStore
from proofrail.cairo.risk_builds import BUILDS
from proofrail.cairo.risk_model import decide, expected_output
from proofrail.cairo.risk_program import load
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.explorer.attention import Group
from proofrail.explorer.database import Database
from proofrail.explorer.model.base import Place
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.view import Changed, View
from proofrail.messaging.records import Record
from proofrail.tracer.sealing import Sealer
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, felt_hex, parse_object, sha256_hex
from proofrail.wire.messages import reason_names
from proofrail.wire.ndjson import batches, split
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.signing import sign_message

TRACES = Path(__file__).parents[1] / "schemas" / "vectors" / "traces"
AUDITOR = Signer.parse(generate_key("proofrail-auditor", bytes(range(32)))[0])
TRACER = Signer.parse(generate_key("proofrail-tracer", bytes(range(32)))[0])

NOW_MS = 1_763_712_000_000
"""When the world begins."""

HOSTILE_ID = "\"><script>alert(1)</script>'&{{7*7}}/../%00"
"""The key of a proposal that was refused: it stands in the tables as it came."""

_PROTOCOLS = ("jediswap", "ekubo", "nostra", "vesu")


def proposal(number: int, *, name: str | None = None, protocols: int = 2, share: int | None = None) -> bytes:
    """A valid proposal; with a `share` above 6,000 it is rejected."""
    first = 5_000 if share is None else share
    left = 10_000 - first
    shares = [first, *[left // (protocols - 1)] * (protocols - 2)]
    shares.append(10_000 - sum(shares))
    return canonical(
        {
            "v": 1,
            "type": "AllocationProposal",
            "allocation_id": name or f"vault:{number:06}",
            "protocols": [
                {
                    "name": _PROTOCOLS[place],
                    "apy_bps": 500 + (number * 37 + place * 211) % 900,
                    "proposed_bps": shares[place],
                    "metrics": {
                        "utilization_bps": 4_000 + number % 2_000,
                        "volatility_bps": 2_000 + 500 * place,
                        "liquidity": place % 3,
                        "audit_score": 98 - place,
                        "age_days": 800 - 50 * place,
                    },
                }
                for place in range(protocols)
            ],
            "limits": {"max_single_bps": 6000, "min_diversification": 2, "max_deviation_bps": 8000},
        }
    )


@dataclass
class World:
    """What is published, in order. `at` is the clock in milliseconds; everything takes `step` of them."""

    at: int = NOW_MS
    step: int = 40
    records: list[Record] = field(default_factory=list)
    _ends: dict[str, int] = field(default_factory=dict)

    def publish(self, topic: str, key: str | bytes, value: bytes, *, at: int | None = None) -> Record:
        """One record on partition 0."""
        self.at += self.step
        offset = self._ends.get(topic, 0)
        self._ends[topic] = offset + 1
        name = key.encode() if isinstance(key, str) else key
        record = Record(topic, 0, offset, name, value, {}, self.at if at is None else at)
        self.records.append(record)
        return record

    def say(self, topic: str, key: str, message: dict[str, Any], *, at: int | None = None) -> bytes:
        """One message, in canonical form; its line."""
        line = canonical(message)
        self.publish(topic, key, line + b"\n", at=at)
        return line

    # --- the services -------------------------------------------------------------------------------------

    def propose(self, *values: bytes) -> list[Record]:
        return [
            self.publish(topics.PROPOSALS, parse_proposal(value).allocation_id, value) for value in values
        ]

    def seal(self, proposed: Sequence[Record]) -> Run:
        """One real run of the risk engine over proposals, with its index entries."""
        forms = [parse_proposal(record.value).normal_form() for record in proposed]
        ticks = count(self.at * 1_000_000, 35_000_000)  # a run takes 35 ms
        sealed = Sealer(BUILDS["risk_engine"].spec(), TRACER, lambda: next(ticks)).seal(forms, None)
        for message in sealed.messages:
            self.publish(message.topic, message.key, message.value or b"")
        run = Run(self, sealed.run.run_id, forms, sealed.seal)
        run.index(proposed)
        return run

    def golden(self, name: str) -> dict[str, Any]:
        """A golden trace's events and commitments; its seal."""
        events = (TRACES / name / "events.ndjson").read_bytes()
        lines = split((TRACES / name / "commitments.ndjson").read_bytes(), 1 << 20)
        seal = parse_object(lines[-1])
        for value in batches(split(events), 20_000):
            self.publish(topics.EVENTS, seal["run_id"], value)
        self.publish(topics.COMMITMENTS, seal["run_id"], b"\n".join(lines) + b"\n")
        return seal

    def refuse(self, key: str, value: bytes, code: str, message: str) -> None:
        """A record that is no proposal, and its dead letter."""
        record = self.publish(topics.PROPOSALS, key, value)
        self.dead_letter(record, code, message)

    def dead_letter(self, record: Record, code: str, message: str) -> None:
        letter = {
            "v": 1,
            "type": "DeadLetter",
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key_text,
            "code": code,
            "message": message,
            "value": record.value[: 24 * 1024].hex(),
            "attempts": 1,
        }
        self.say(topics.PROPOSALS_DLQ, record.key_text, letter)


@dataclass
class Run:
    """A sealed run of the risk engine, for what the others say of it."""

    world: World
    run_id: str
    forms: list[dict[str, Any]]
    seal: dict[str, Any]
    reports: dict[str, str] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    attestations: dict[str, bytes] = field(default_factory=dict)

    def index(self, proposed: Sequence[Record]) -> None:
        for row, (record, form) in enumerate(zip(proposed, self.forms, strict=True)):
            entry = {
                "v": 1,
                "type": "AllocationIndex",
                "allocation_id": form["allocation_id"],
                "proposal_sha256": sha256_hex(canonical(form)),
                "run_id": self.run_id,
                "row": row,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
            }
            self.world.say(topics.INDEX, form["allocation_id"], entry)

    def prove(
        self, *, took_ms: int = 900, blob: bytes | None = None, store: ArtifactStore | None = None
    ) -> None:
        data = blob or b"a proof of " + self.run_id.encode()
        digest = sha256_hex(data)
        if store is not None:
            store.put(data)
        output = [felt_hex(value) for value in expected_output(map(decide, self.forms))]
        program = load().method_id
        self.world.at += took_ms
        self.proof = {
            "v": 1,
            "type": "Proof",
            "run_id": self.run_id,
            "backend": "stwo",
            "backend_version": "stwo-cairo 1.0.0",
            "method": "circle-stark",
            "is_mock": False,
            "statement": {"n_steps": self.seal["n_steps"], "output": output, "program_hash": program},
            "parameters": {"fri": {"log_blowup_factor": 1, "n_queries": 70}, "pow_bits": 26},
            "security_bits": 96,
            "digest": digest,
            "size": len(data),
            "uri": f"artifact:sha256/{digest}",
            "identities": {
                "program_hash": program,
                "output_hash": "0x" + "5" * 60,
                "fact_hash": "0x" + digest[:60].lstrip("0"),
            },
            "timings": {"execute": 12, "prove": took_ms - 112, "verify": 100, "total": took_ms},
            "root": self.seal["root"],
            "attempt": 1,
            "evidence": {"verified": True, "n_steps": self.seal["n_steps"], "peak_memory_bytes": 700_000_000},
        }
        self.world.say(topics.PROOFS, self.run_id, self.proof)

    def fail(self, code: str, message: str, *, final: bool = True) -> None:
        failure = {
            "v": 1,
            "type": "ProofFailure",
            "run_id": self.run_id,
            "backend": "stwo",
            "code": code,
            "message": message,
            "final": final,
            "attempts": 3,
        }
        self.world.say(topics.PROOFS, self.run_id, failure)

    def report(self, subject: str, verdict: str = "MATCH", **members: Any) -> None:
        checked = {
            "run": ["inputs", "events", "blocks", "seal", "signature"],
            "proof": ["blob", "policy", "statement"],
        }
        said = {
            "v": 1,
            "type": "AuditReport",
            "run_id": self.run_id,
            "subject": subject,
            "verdict": verdict,
            "checked": checked[subject],
            "unchecked": [],
            **members,
        }
        line = self.world.say(topics.REPORTS, self.run_id, sign_message(said, AUDITOR.key))
        self.reports[subject] = sha256_hex(line)

    def mismatch(self, *, item: int = 5, store: ArtifactStore | None = None) -> None:
        evidence = b'{"v":1,"type":"EvidenceBundle","of":"the tests"}'
        digest = sha256_hex(evidence)
        if store is not None:
            store.put(evidence)
        self.report(
            "run",
            "MISMATCH",
            first_mismatch={
                "kind": "output_bytes",
                "item": item,
                "block": item // self.seal["block_items"],
                "where": "event",
                "member": "output_bytes",
                "path": "main/decide[0]/score",
                "expected": f"{1:064x}",
                "claimed": f"{2:064x}",
                "step": 412,
                "pc": 23,
                "ap": 1210,
                "fp": 1205,
                "source": "cairo/risk_engine.cairo:120",
                "function": "__main__.score",
                "instruction": "[ap] = [fp - 4] * [fp - 3]; ap++",
                "message": "the output differs",
            },
            evidence={"digest": digest, "uri": f"artifact:sha256/{digest}"},
        )

    def attest(self) -> None:
        for row, form in enumerate(self.forms):
            decision = decide(form)
            said = {
                "v": 1,
                "type": "Attestation",
                "allocation_id": form["allocation_id"],
                "proposal_sha256": sha256_hex(canonical(form)),
                "approved": decision.approved,
                "verdict": decision.verdict,
                "reasons": reason_names(decision.verdict),
                "protocols": list(decision.protocols),
                "risks": list(decision.risks),
                "recommended_bps": list(decision.recommended_bps),
                "proposed_bps": list(decision.proposed_bps),
                "run_id": self.run_id,
                "row": row,
                "root": self.seal["root"],
                "proof": {
                    name: self.proof[name]
                    for name in ("digest", "uri", "backend", "security_bits", "is_mock")
                },
                "audit": {"run_report": self.reports["run"], "proof_report": self.reports["proof"]},
                "timestamp": self.world.at * 1_000_000,
            }
            line = self.world.say(topics.ATTESTATIONS, form["allocation_id"], sign_message(said, AUDITOR.key))
            self.attestations[form["allocation_id"]] = line

    def register(self, name: str, code: str | None = None, **more: Any) -> None:
        said = parse_object(self.attestations[name])
        outcome: dict[str, Any] = {"outcome": "recorded", "fact": {"fact_hash": "0x" + "7" * 60}}
        if code is not None:
            outcome = {
                "outcome": "refused",
                "code": code,
                "message": "the proof has 80 bits, 96 are asked for",
            }
        registration = {
            "v": 1,
            "type": "Registration",
            "allocation_id": name,
            "proposal_sha256": said["proposal_sha256"],
            "attestation": sha256_hex(self.attestations[name]),
            "run_id": self.run_id,
            "row": said["row"],
            "approved": said["approved"],
            "proof": said["proof"]["digest"],
            "ledger": {"kind": "file"},
            "timestamp": self.world.at * 1_000_000,
            **outcome,
            **more,
        }
        self.world.say(topics.REGISTRATIONS, name, registration)

    def settle(self, **proving: Any) -> None:
        """Proven, audited and attested."""
        self.report("run")
        self.prove(**proving)
        self.report("proof")
        self.attest()


class Topics:
    """Records by place, for pages that read events: the part of the broker."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._values = {(one.topic, one.partition, one.offset): one.value for one in records}
        self.asked = 0

    async def values(self, places: Sequence[Place]) -> list[bytes] | None:
        self.asked += 1
        found = [self._values.get((one.topic, one.partition, one.offset)) for one in places]
        return None if None in found else [one for one in found if one is not None]


def given_up(world: World) -> Run:
    """A run that cannot be proven, and its proposal, vault:000001, which is dead-lettered for that."""
    [record] = world.propose(proposal(1))
    run = world.seal([record])
    run.fail("prover-out-of-memory", "the proof needs more memory than there is")
    world.dead_letter(record, "prover-out-of-memory", "the proof needs more memory than there is")
    entry = {
        "v": 1,
        "type": "AllocationIndex",
        "allocation_id": "vault:000001",
        "proposal_sha256": sha256_hex(canonical(run.forms[0])),
        "run_id": run.run_id,
        "row": 0,
        "topic": record.topic,
        "partition": 0,
        "offset": record.offset,
        "dead_letter": "prover-out-of-memory",
    }
    world.say(topics.INDEX, "vault:000001", entry)
    return run


def applied(view: View, records: Sequence[Record], size: int = 500) -> list[Changed]:
    """Records into a view, some at a time, each lot with the positions behind it."""
    ends = view.positions()
    changed = []
    for start in range(0, len(records), size):
        lot = records[start : start + size]
        for record in lot:
            ends[TopicPartition(record.topic, record.partition)] = record.offset + 1
        changed.append(view.apply(lot, ends))
    return changed


def filled(store: ArtifactStore | None = None) -> World:
    """A bit of everything: settled, waiting, stuck, given up, wrong and refused."""
    world = World()
    first = world.seal(world.propose(*(proposal(number) for number in range(3)), proposal(3, share=7_500)))
    first.settle(store=store)
    first.register("vault:000000")
    first.register("vault:000003", "policy-security")
    for name in ("nested", "looped", "completed", "failed", "imported", "native"):
        world.golden(name)
    world.refuse(
        "bad-1", b'{"allocation_id":"bad-1"}', "proposal-missing-member", "jediswap_risk: is required"
    )
    world.refuse(
        HOSTILE_ID, b"<img src=x onerror=alert(2)>", "proposal-malformed-json", "not JSON at character 0: <b>"
    )
    wrong = world.seal(world.propose(proposal(10, protocols=4), proposal(11)))
    wrong.mismatch(store=store)
    wrong.prove()
    halved = world.propose(proposal(20), proposal(21))
    whole = world.seal(halved)
    whole.fail("prover-killed", "the prover was killed by the kernel", final=False)
    whole.fail("prover-out-of-memory", "the proof needs more memory than there is")
    for half in halved:
        world.seal([half]).settle(took_ms=300)
    again = world.seal(world.propose(proposal(30, share=9_500)))
    again.report(
        "run",
        "INDETERMINATE",
        unchecked=[
            {
                "part": "events",
                "code": "missing",
                "message": "the events have not arrived",
                "until": "2026-01-02T03:04:05Z",
            }
        ],
    )
    again.settle()
    world.propose(proposal(30, share=9_500))  # the same again: nothing comes of it
    big = world.seal(
        world.propose(*(proposal(number, protocols=2 + number % 3) for number in range(100, 160)))
    )
    big.settle(took_ms=4_000)
    world.seal(world.propose(proposal(40)))  # waits for the prover
    world.propose(proposal(50), proposal(51))  # wait for the tracer
    return world


def reader_of(
    folder: Path, world: World | None = None, *, at: int | None = None, store: ArtifactStore | None = None
) -> ViewReader:
    """A filled view, looked at `at` milliseconds, some seconds after the last record by default."""
    store = store or ArtifactStore((folder / "artifacts").as_uri())
    world = world or filled(store)
    database = Database(folder / "explorer" / "view.sqlite")
    view = View(database)
    view.begin("tests")
    applied(view, world.records)
    seconds = ((world.at + 20_000) if at is None else at) / 1000
    reader = ViewReader(database, Topics(world.records), store, [AUDITOR.vkey], clock=lambda: seconds)
    reader.health.caught_up = True
    reader.health.groups = {
        "tracer": Group(1, None),
        "prover": Group(0, world.at + 2_000),
        "auditor": Group(1, None),
    }
    return reader


def shown(part: Any) -> str:
    """A model as indented JSON, for a look."""
    return json.dumps(part.model_dump(mode="json"), indent=1, ensure_ascii=False)
