"""What was published on registrations.v1 before, read back at start: nothing is said twice of one ledger."""

from __future__ import annotations

import contextlib

from proofrail.messaging.records import Record
from proofrail.registrar.ledger import LedgerIdentity
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import Registration, parse_message
from proofrail.wire.ndjson import split


class SaidBefore:
    """Attestations, by digest, whose end in this ledger was published."""

    def __init__(self, ledger: LedgerIdentity) -> None:
        self._ledger = ledger
        self._said: set[str] = set()

    def take(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_message(line)
                    if isinstance(message, Registration):
                        self.note(message)

    def note(self, registration: Registration) -> None:
        name = registration.ledger
        if LedgerIdentity(name.kind, name.network, name.contract) == self._ledger:
            self._said.add(registration.attestation)

    def __contains__(self, attestation: object) -> bool:
        return attestation in self._said
