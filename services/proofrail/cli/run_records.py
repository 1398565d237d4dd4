"""Everything that the topics of a running system say of one run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from proofrail.cli.topic_reading import read
from proofrail.client.proposing import proposal_key
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.export import Exported, ExportedRecord
from proofrail.wire.readable import objects, proposal_digest

KEYED: Final = (topics.EVENTS, topics.COMMITMENTS, topics.PROOFS, topics.REPORTS)
"""Topics whose records have the run_id as their key."""

_OF_ALLOCATIONS: Final = tuple(name for name in topics.TOPICS if name not in KEYED)
_NAMED: Final = 4
"""Runs that are named where several fit."""


@dataclass(frozen=True)
class RunRecords:
    """The records about one run, in the order of the topics, then of partition and offset."""

    run_id: str
    records: list[Record]

    @property
    def exported(self) -> list[Exported]:
        """They as they stand in an export."""
        return [_exported(record) for record in self.records]


async def records_of_run(kafka: KafkaSettings, prefix: str) -> RunRecords:
    """All records about the run whose run_id begins with `prefix`: its own, its proposals, their dead letters and
    index entries, its attestations and registrations. Reads all topics.

    Raises UnusableInputError `run-not-found`, `run-ambiguous`, BrokerUnavailableError.
    """
    run_id, own = await records_by_key(kafka, prefix, KEYED)
    about = _About.of(run_id, own)
    others = await read(kafka, _OF_ALLOCATIONS, about.concerns)
    others += [record for record in about.letters if about.refused(record)]
    order = {name: place for place, name in enumerate(topics.TOPICS)}
    found = sorted([*own, *others], key=lambda one: (order[one.topic], one.partition, one.offset))
    return RunRecords(run_id, found)


async def records_by_key(kafka: KafkaSettings, prefix: str, names: Sequence[str]) -> tuple[str, list[Record]]:
    """The run_id that begins with `prefix`, and its records on `names`, which are of KEYED. Raises as
    `records_of_run`."""
    found = await read(kafka, names, lambda record: record.key_text.startswith(prefix))
    runs = list(dict.fromkeys(record.key_text for record in found))
    if len(runs) > 1:
        named = ", ".join(runs[:_NAMED])
        raise UnusableInputError(
            "run-ambiguous",
            f"{len(runs)} runs begin with {prefix}: {named}{' …' if len(runs) > _NAMED else ''}",
            "Give more of the run_id.",
        )
    if not runs:
        raise run_not_found(kafka, prefix)
    return runs[0], found


def run_not_found(kafka: KafkaSettings, prefix: str) -> UnusableInputError:
    """That there is no such run."""
    return UnusableInputError(
        "run-not-found",
        f"no run on the topics of {kafka.bootstrap} begins with {prefix}",
        "Events are kept for a limited time. `proofrail status` lists the runs.",
    )


class _About:
    """Tells which records of other topics are about a run. Dead letters may be read before the proposals they refuse:
    they are collected, and judged in the end."""

    def __init__(self, run_id: str, allocations: Collection[str], digests: Collection[str]) -> None:
        self._run_id = run_id
        self._spelt = run_id.encode()
        self._allocations = allocations
        self._digests = digests
        self._places: set[tuple[str, int, int]] = set()
        self.letters: list[Record] = []

    @classmethod
    def of(cls, run_id: str, own: Sequence[Record]) -> _About:
        forms = [
            message["input"]
            for record in own
            if record.topic == topics.COMMITMENTS
            for message in objects(record.value)
            if message.get("type") == "Input" and isinstance(message.get("input"), dict)
        ]
        names = {name for form in forms if isinstance(name := form.get("allocation_id"), str)}
        return cls(run_id, names, {sha256_hex(canonical(form)) for form in forms})

    def concerns(self, record: Record) -> bool:
        match record.topic:
            case topics.PROPOSALS:
                if not self._names_one(record) or proposal_digest(record.value) not in self._digests:
                    return False
                self._places.add((record.topic, record.partition, record.offset))
                return True
            case topics.PROPOSALS_DLQ:
                self.letters.append(record)
                return False
            case topics.INDEX:
                # An allocation's later run, too: where it went on.
                return record.key_text in self._allocations
        # A run_id has one spelling: what does not contain it need not be read to be left out.
        return self._spelt in record.value and any(
            message.get("run_id") == self._run_id for message in objects(record.value)
        )

    def _names_one(self, record: Record) -> bool:
        """Whether a proposal names one of the run's allocations: told sooner than whether it is valid."""
        return proposal_key(record.value).decode(errors="replace") in self._allocations

    def refused(self, record: Record) -> bool:
        """Whether a dead letter is about one of the run's proposals."""
        return any(
            (letter.get("topic"), letter.get("partition"), letter.get("offset")) in self._places
            or proposal_digest(_hex(letter.get("value"))) in self._digests
            for letter in objects(record.value)
        )


def _exported(record: Record) -> Exported:
    head = ExportedRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key_text,
        timestamp=max(0, record.timestamp) * 1_000_000,
        headers=record.headers,
        lines=0,
    )
    return Exported(head, record.value.removesuffix(b"\n"))


def _hex(value: object) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""
