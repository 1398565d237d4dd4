"""What was published on registrations.v1 before, read back at start: nothing is said twice of one ledger."""

from __future__ import annotations

import contextlib

from proofrail.messaging.records import Record
from proofrail.registrar.ledger import LedgerIdentity
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import Registration, parse_message
from proofrail.wire.ndjson import split


class SaidBefore:
    """Of attestations, by digest: whether they were recorded in this ledger, and for which reasons refused.

    What was refused is examined again when it is read again: the registrar may have been set up wrongly.
    """

    def __init__(self, ledger: LedgerIdentity) -> None:
        self._ledger = ledger
        self._recorded: set[str] = set()
        self._refused: set[tuple[str, str | None]] = set()

    def take(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_message(line)
                    if isinstance(message, Registration):
                        self.note(message)

    def note(self, registration: Registration) -> None:
        name = registration.ledger
        if LedgerIdentity(name.kind, name.network, name.contract) != self._ledger:
            return
        if registration.outcome == "recorded":
            self._recorded.add(registration.attestation)
        else:
            self._refused.add((registration.attestation, registration.code))

    def is_recorded(self, attestation: str) -> bool:
        """Whether nothing is left to say of it."""
        return attestation in self._recorded

    def has_said(self, registration: Registration) -> bool:
        """Whether this was said before, but for its timestamp."""
        known = (registration.attestation, registration.code)
        return self.is_recorded(registration.attestation) or known in self._refused
