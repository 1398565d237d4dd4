"""What was published on registrations.v1 before, read back at start: nothing is said twice of one ledger."""

from __future__ import annotations

import contextlib
import sys

from proofrail.messaging.records import Record
from proofrail.registrar.ledger import LedgerIdentity
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import Registration, parse_message
from proofrail.wire.ndjson import split


class SaidBefore:
    """Of attestations, by digest: whether they are recorded in this ledger, and for which reasons refused.

    What was refused is examined again when it is read again: the registrar may have been set up wrongly. What was
    recorded counts until the ledger takes a transaction back that it rests on.
    """

    def __init__(self, ledger: LedgerIdentity) -> None:
        self._ledger = ledger
        self._recorded: dict[str, tuple[str, ...]] = {}
        """The transactions that each rests on, the decision's first."""
        self._refused: dict[str, set[str | None]] = {}
        self._gone: frozenset[str] = frozenset()
        self._lost: dict[str, str] = {}

    def take(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_message(line)
                    if isinstance(message, Registration):
                        self.note(message)

    def note(self, registration: Registration) -> None:
        name, attestation = registration.ledger, registration.attestation
        if LedgerIdentity(name.kind, name.network, name.contract) != self._ledger:
            return
        self._lost.pop(attestation, None)
        if registration.fact is not None:
            named = (registration.transaction, registration.fact.transaction)
            self._recorded[attestation] = tuple(sys.intern(one) for one in named if one is not None)
            self._refused.pop(attestation, None)
        else:
            if registration.replaces is not None:
                self._recorded.pop(attestation, None)
            self._refused.setdefault(attestation, set()).add(registration.code)

    def take_back(self, gone: frozenset[str]) -> None:
        """Note the transactions that the ledger has taken back, all of them so far."""
        new, self._gone = gone - self._gone, gone
        if new:
            self._lost |= {
                attestation: first
                for attestation, named in self._recorded.items()
                if (first := next((one for one in named if one in new), None)) is not None
            }

    @property
    def lost(self) -> dict[str, str]:
        """What was said to be recorded and is so no longer: the transaction that is gone, by attestation."""
        return dict(self._lost)

    def is_recorded(self, attestation: str) -> bool:
        """Whether nothing is left to say of it."""
        return attestation in self._recorded and attestation not in self._lost

    def has_said(self, registration: Registration) -> bool:
        """Whether this was said before, but for its timestamp."""
        attestation = registration.attestation
        if attestation in self._lost:
            return False
        return self.is_recorded(attestation) or registration.code in self._refused.get(attestation, ())
