"""A sealed run of the risk engine, and what else the topics say of it, as records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from proofrail.cairo.risk_builds import FIRST
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.messaging.records import Record
from proofrail.tracer.sealing import Sealer
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.messages import AuditReport, DeadLetter, IndexEntry, ProofFailure, to_line
from proofrail.wire.proposals import parse_proposal

PRIVATE, VKEY = generate_key("proofrail-tracer", bytes(range(32)))
AT_MS = 1_700_000_000_000


def proposal(allocation_id: str) -> bytes:
    """A proposal in the seed's form, as a person writes it: not canonical."""
    return (
        f'{{"allocation_id": "{allocation_id}", "jediswap_risk": 20, "ekubo_risk": 30, "jediswap_apy": 850, '
        '"ekubo_apy": 1210, "jediswap_pct": 45, "ekubo_pct": 55}'
    ).encode()


def form(allocation_id: str) -> dict[str, Any]:
    return parse_proposal(proposal(allocation_id)).normal_form()


@cache
def sealed(*allocations: str) -> Any:
    """A run over these allocations, as the tracer publishes it."""
    return Sealer(FIRST.spec(), Signer.parse(PRIVATE), lambda: 1_700_000_000_000_000_000).seal(
        [form(name) for name in allocations], None
    )


class Topics:
    """Records, with offsets as a broker gives them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._next: dict[str, int] = {}

    def add(self, topic: str, key: str, value: bytes, at_ms: int = AT_MS) -> Record:
        offset = self._next.get(topic, 0)
        self._next[topic] = offset + 1
        record = Record(topic, 0, offset, key.encode(), value, {"ce_type": topic}, at_ms)
        self.records.append(record)
        return record

    def propose(self, *allocations: str, at_ms: int = AT_MS) -> list[Record]:
        return [self.add(topics.PROPOSALS, name, proposal(name), at_ms) for name in allocations]

    def seal(self, *allocations: str, at_ms: int = AT_MS) -> str:
        """What the tracer publishes of a run over these; its run_id."""
        run = sealed(*allocations)
        for message in run.messages:
            self.add(message.topic, message.key.decode(), message.value or b"", at_ms)
        for row, name in enumerate(allocations):
            digest = sha256_hex(canonical(form(name)))
            entry = IndexEntry(
                allocation_id=name, proposal_sha256=digest, run_id=run.run.run_id, row=row,
                topic=topics.PROPOSALS, partition=0, offset=row,
            )  # fmt: skip
            self.add(topics.INDEX, name, to_line(entry) + b"\n", at_ms)
        run_id: str = run.run.run_id
        return run_id

    def fail(self, run_id: str, code: str, *, final: bool, attempts: int = 1, at_ms: int = AT_MS) -> Record:
        failure = ProofFailure(
            run_id=run_id,
            backend="stwo",
            code=code,
            message="it did not work",
            final=final,
            attempts=attempts,
        )
        return self.add(topics.PROOFS, run_id, to_line(failure) + b"\n", at_ms)

    def letter(self, record: Record, code: str, attempts: int = 1, at_ms: int = AT_MS) -> Record:
        letter = DeadLetter(
            topic=record.topic, partition=record.partition, offset=record.offset, key=record.key_text, code=code,
            message="it is refused", value=record.value.hex(), attempts=attempts,
        )  # fmt: skip
        return self.add(topics.PROPOSALS_DLQ, record.key_text, to_line(letter) + b"\n", at_ms)

    def report(self, run_id: str, subject: str, verdict: str, at_ms: int = AT_MS, **more: Any) -> Record:
        said = {"checked": [], "unchecked": []} | more
        report = AuditReport(run_id=run_id, subject=subject, verdict=verdict, **said)
        return self.add(topics.REPORTS, run_id, to_line(report) + b"\n", at_ms)

    def on(self, *names: str) -> Sequence[Record]:
        return [record for record in self.records if record.topic in names]
