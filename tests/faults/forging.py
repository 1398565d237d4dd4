"""Runs as a tracer publishes them and proofs as a prover does, in a form that tests may alter."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.cairo_subject import RiskSubject
from proofrail.cairo.risk_program import load
from proofrail.cairo.trace import RunSpec
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.messaging.records import Message
from proofrail.proving.backend import ProofResult, Verified
from proofrail.proving.message import proof_message as described
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stwo import StwoBackend
from proofrail.tracer.sealing import Sealer
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.headers import record_headers
from proofrail.wire.messages import ProofFailure, to_line
from proofrail.wire.proposals import parse_proposal

TRACER_PRIVATE, TRACER_VKEY = generate_key("proofrail-tracer", bytes(range(32)))
STRANGER_PRIVATE, _ = generate_key("proofrail-tracer", bytes(range(1, 33)))

ODD_RUN = "\N{REPLACEMENT CHARACTER}"
"""What the key of some of the `garbage` reads as: no run of ours, but an id that a message can name."""

Object = dict[str, Any]


@cache
def subject() -> RiskSubject:
    return RiskSubject(load())


@dataclass
class Run:
    """What a tracer publishes of one run: `events` and `commitments` are lines in order, without line feeds."""

    run_id: str
    forms: list[Object]
    output: list[int]
    events: list[bytes] = field(default_factory=list)
    commitments: list[bytes] = field(default_factory=list)
    event_record_bytes: int = 4096

    def edit_event(self, item: int, change: Callable[[Object], object]) -> None:
        self.events[item] = _edited(self.events[item], change)

    def edit_line(self, kind: str, change: Callable[[Object], object]) -> None:
        """Change the first commitment line of a type."""
        at = self.first(kind)
        self.commitments[at] = _edited(self.commitments[at], change)

    def first(self, kind: str) -> int:
        return next(at for at, line in enumerate(self.commitments) if parse_object(line)["type"] == kind)

    @property
    def seal(self) -> Object:
        return parse_object(self.commitments[self.first("CommitmentSeal")])

    def item_of(self, kind: str, member: str) -> int:
        """The position of the first event of a type that has the member."""
        events = map(parse_object, self.events)
        return next(item for item, event in enumerate(events) if event["type"] == kind and member in event)

    def messages(self) -> list[Message]:
        """The records, events in several of them."""
        return [
            message(topic, self.run_id, value)
            for topic, lines, size in (
                (topics.EVENTS, self.events, self.event_record_bytes),
                (topics.COMMITMENTS, self.commitments, 256 * 1024),
            )
            for value in _values(lines, size)
        ]


def sealed(values: list[bytes], *, private: str = TRACER_PRIVATE, **spec: Any) -> Run:
    """An honest run over proposals; with other settings or another key, one that is consistent in itself."""
    forms = [parse_proposal(value).normal_form() for value in values]
    made = Sealer(RunSpec(load(), **spec), Signer.parse(private), time.time_ns).seal(forms, None)
    run = Run(made.run.run_id, forms, subject().expected_output(forms) or [])
    for message in made.messages:
        lines = (message.value or b"").removesuffix(b"\n").split(b"\n")
        (run.events if message.topic == topics.EVENTS else run.commitments).extend(lines)
    return run


async def proven(run: Run, backend: StwoBackend) -> ProofResult:
    """A real proof of the run."""
    arguments = json.dumps(subject().program_input(run.forms)).encode()
    return await backend.prove(subject().program.compiled, arguments, timeout=240)


def verified(run: Run, result: ProofResult, min_bits: int = 96) -> Verified:
    """What the proof says of itself."""
    program = subject().program
    expected = Expected.of(program.words, program.builtins, run.output)
    return StwoBackend().verify(result.proof, expected, Policy(min_security_bits=min_bits))


def proof_message(run: Run, result: ProofResult, store: ArtifactStore, min_bits: int = 96) -> Object:
    """The Proof of an honest prover; the proof itself is put into the store."""
    found = verified(run, result, min_bits)
    ref = store.put(result.proof)
    return described(run.run_id, result, found, ref.uri).to_object()


def proposed(values: list[bytes]) -> list[Message]:
    """Records of the proposals topic."""
    return [message(topics.PROPOSALS, "any", value) for value in values]


def terminal(run_id: str, said: Object | bytes) -> Message:
    """A record of proofs.v1."""
    line = said if isinstance(said, bytes) else canonical(said)
    return message(topics.PROOFS, run_id, line + b"\n")


def failure(run_id: str, code: str = "out-of-luck", *, final: bool = True) -> Message:
    """The record of a prover that gives a run up."""
    said = ProofFailure(
        run_id=run_id, backend="stwo", code=code, message="it would not", final=final, attempts=3
    )
    return terminal(run_id, to_line(said))


def garbage(names: Iterable[str]) -> list[Message]:
    """Records that no writer of ours would write: values of all sorts, under keys that name no run or ODD_RUN."""
    values = (b"", b"\xff\xfe", b"null", b"[" * 60_000, b'{"v":1,"type":"Novel"}\n', b"9" * 70_000)
    return [
        Message(name, key, value) for name in names for key in (b"", b"\xff", b"k" * 300) for value in values
    ]


def message(topic: str, run_id: str, value: bytes) -> Message:
    headers = record_headers(topic, value, source="/proofrail/test", traceparent=None)
    return Message(topic, run_id.encode(), value, headers)


def _values(lines: list[bytes], size: int) -> list[bytes]:
    """As `proofrail.wire.ndjson.batches`, without its checks: these lines may be broken."""
    values: list[bytes] = []
    held = b""
    for line in lines:
        if held and len(held) + len(line) + 1 > size:
            values.append(held)
            held = b""
        held += line + b"\n"
    return [*values, held] if held else values


def _edited(line: bytes, change: Callable[[Object], object]) -> bytes:
    found = parse_object(line)
    change(found)
    return canonical(found)
